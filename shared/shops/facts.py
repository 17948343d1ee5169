"""Published facts of shops."""

from datetime import datetime
from typing import ClassVar

from pydantic import Field

from shared.kernel.facts import Fact
from shared.kernel.hours import Opening
from shared.kernel.ids import MerchantId, ShopId
from shared.kernel.money import Asset, Currency, Frozen


class Position(Frozen):
    """A point on Earth in degrees, WGS 84."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)


class PayoutAccount(Frozen):
    """Where a shop's receive addresses come from: an account xpub, encrypted at rest, known by its fingerprint.

    Only `shared/adapters/account_keys.py` seals and opens it.
    """

    sealed_xpub: str
    fingerprint: str


class ShopRegistered(Fact):
    """A merchant opened a location."""

    type: ClassVar = "shop.registered.v1"
    shop_id: ShopId
    merchant_id: MerchantId
    name: str
    address: str
    position: Position
    timezone: str
    currency: Currency
    accepts: tuple[Asset, ...]
    payout: dict[str, PayoutAccount]
    """By family of chain: `bitcoin` and `evm`."""
    confirmations: dict[Asset, int]
    """Confirmations the shop asks for before an order is made, per asset."""
    registered_at: datetime


class ShopHoursSet(Fact):
    """The weekly opening hours were replaced."""

    type: ClassVar = "shop.hours_set.v1"
    shop_id: ShopId
    weekly: tuple[Opening, ...]
