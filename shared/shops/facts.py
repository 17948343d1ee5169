"""Published facts of shops."""

from datetime import datetime
from typing import ClassVar

from pydantic import Field

from shared.kernel.facts import Fact
from shared.kernel.hours import Opening, SpecialDay
from shared.kernel.ids import MerchantId, OrderId, PayoutChangeId, RatingId, ShopId, UserId
from shared.kernel.money import Asset, Currency, Frozen, Units


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
    unproven: bool = False
    """Whether the merchant still has to show that they hold its keys: until then nobody is asked to pay to it."""


class PayoutProof(Frozen):
    """What shows that somebody holds the keys of an account: its receive address 0 has signed a message of ours.

    Bitcoin: BIP-322 or BIP-137; EVM: EIP-191. Anybody who knows the address can check it again.
    """

    nonce: str
    address: str
    message: str
    signature: str


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


class ShopUpdated(Fact):
    """What everybody reads of the shop was changed: all of it as it is now."""

    type: ClassVar = "shop.updated.v1"
    shop_id: ShopId
    name: str
    address: str
    position: Position
    accepts: tuple[Asset, ...]


class ShopHoursSet(Fact):
    """The weekly opening hours were replaced. Orders are taken until `last_order_min` minutes before closing."""

    type: ClassVar = "shop.hours_set.v1"
    shop_id: ShopId
    weekly: tuple[Opening, ...]
    last_order_min: int = 0


class ShopSpecialHoursSet(Fact):
    """The dates on which other hours hold were replaced."""

    type: ClassVar = "shop.special_hours_set.v1"
    shop_id: ShopId
    special: tuple[SpecialDay, ...]


class Capacity(Frozen):
    """How much a shop makes in a quarter of an hour; what is not given has no limit. `value` in its minor units."""

    orders: int | None = Field(default=None, ge=1, le=1_000, strict=True)
    items: int | None = Field(default=None, ge=1, le=10_000, strict=True)
    value: Units | None = Field(default=None, ge=1)


class ShopCapacitySet(Fact):
    """How much the shop makes in a quarter of an hour was set; None: as much as is ordered."""

    type: ClassVar = "shop.capacity_set.v1"
    shop_id: ShopId
    capacity: Capacity | None = None


class DeliveryTerms(Frozen):
    """How far a shop delivers (as the crow flies), for how much, and from which order on; in its minor units."""

    radius_m: int = Field(ge=100, le=50_000, strict=True)
    fee: Units = Field(default=0, le=10**7)
    minimum: Units = Field(default=0, le=10**8)


class ShopDeliverySet(Fact):
    """Where and for how much the shop delivers was set; None: it does not."""

    type: ClassVar = "shop.delivery_set.v1"
    shop_id: ShopId
    delivery: DeliveryTerms | None = None


class ShopPhotosSet(Fact):
    """What the shop is shown by: keys of pictures in the bucket, the first of them first."""

    type: ClassVar = "shop.photos_set.v1"
    shop_id: ShopId
    photos: tuple[str, ...]


class ShopPaused(Fact):
    """The shop takes no orders, whatever its hours say: until a time, or until somebody resumes it."""

    type: ClassVar = "shop.paused.v1"
    shop_id: ShopId
    until: datetime | None = None
    reason: str
    actor: str
    at: datetime


class ShopResumed(Fact):
    """The shop takes orders again in its hours."""

    type: ClassVar = "shop.resumed.v1"
    shop_id: ShopId
    actor: str
    at: datetime


class ShopRated(Fact):
    """A customer said what they think of an order that was handed over to them; a later one replaces it."""

    type: ClassVar = "shop.rated.v1"
    rating_id: RatingId
    order_id: OrderId
    shop_id: ShopId
    merchant_id: MerchantId
    customer_id: UserId
    stars: int
    comment: str
    at: datetime


class ShopSpreadsSet(Fact):
    """The shop's spreads were replaced: as many hundredths of a percent of a coin's rate it keeps when it quotes."""

    type: ClassVar = "shop.spreads_set.v1"
    shop_id: ShopId
    spread_bp: dict[Asset, int]


class ZeroConfirmation(Frozen):
    """How far a shop takes payments that are in no block yet, in its minor units.

    Orders up to `max_order`; together no more than `hourly_cap`, both of what is open and of what was taken in an hour.
    """

    max_order: Units
    hourly_cap: Units


class ShopConfirmationsSet(Fact):
    """The shop's confirmation policy was replaced."""

    type: ClassVar = "shop.confirmations_set.v1"
    shop_id: ShopId
    confirmations: dict[Asset, int]
    zero_confirmation: ZeroConfirmation | None = None


class PayoutFact(Fact):
    """What every fact about a shop's payout accounts says."""

    type: ClassVar = "shop.payout_any.v1"
    shop_id: ShopId
    merchant_id: MerchantId
    family: str
    actor: str
    """Who did it: a person, a staff key, or the function that let time pass."""
    at: datetime


class ShopPayoutProven(PayoutFact):
    """The merchant has shown that they hold the keys of the account that the shop has: now it can be paid to."""

    type: ClassVar = "shop.payout_proven.v1"
    fingerprint: str
    proof: PayoutProof


class ShopPayoutProposed(PayoutFact):
    """Somebody wants the shop to be paid to another account, and has shown that they hold its keys."""

    type: ClassVar = "shop.payout_proposed.v1"
    change_id: PayoutChangeId
    account: PayoutAccount
    instead_of: str | None = None
    """Fingerprint of the account that it is to replace."""
    proof: PayoutProof


class ShopPayoutConfirmed(PayoutFact):
    """A second person, or the holder of the present account's keys, agreed; it waits for `takes_effect_at`."""

    type: ClassVar = "shop.payout_confirmed.v1"
    change_id: PayoutChangeId
    fingerprint: str
    proof: PayoutProof | None = None
    """By the present account, where the one who proposed it agreed alone."""
    takes_effect_at: datetime


class ShopPayoutCancelled(PayoutFact):
    """The change is called off."""

    type: ClassVar = "shop.payout_cancelled.v1"
    change_id: PayoutChangeId
    fingerprint: str


class ShopPayoutChanged(PayoutFact):
    """From now on addresses come from the new account. Payments under way keep theirs."""

    type: ClassVar = "shop.payout_changed.v1"
    change_id: PayoutChangeId
    account: PayoutAccount
    instead_of: str | None = None


class ShopGapLimitNear(PayoutFact):
    """So many addresses in a row were shown and not paid to that the merchant's wallet is about to look no further."""

    type: ClassVar = "shop.gap_limit_near.v1"
    fingerprint: str
    unused: int
    limit: int


ShopFact = (
    ShopRegistered
    | ShopUpdated
    | ShopHoursSet
    | ShopSpecialHoursSet
    | ShopCapacitySet
    | ShopDeliverySet
    | ShopPhotosSet
    | ShopPaused
    | ShopResumed
    | ShopConfirmationsSet
    | ShopSpreadsSet
    | ShopPayoutProven
    | ShopPayoutProposed
    | ShopPayoutConfirmed
    | ShopPayoutCancelled
    | ShopPayoutChanged
    | ShopGapLimitNear
)
