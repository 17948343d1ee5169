"""Prefixed UUIDv7 identifiers, one type each: `ord_0192f0c1…` (32 hexadecimal digits, sortable by time)."""

import os
import re
import time
from typing import Any, ClassVar, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

_HEX = re.compile(r"[0-9a-f]{32}\Z")


def uuid7_hex() -> str:
    """Return a fresh UUIDv7 as 32 hexadecimal digits (RFC 9562, section 5.7)."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10))
    value = (milliseconds & (1 << 48) - 1) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return f"{value:032x}"


class Id(str):
    """Base of the id types. The value is always well formed: `new`, `parse` and `like` are the ways to get one."""

    __slots__ = ()
    prefix: ClassVar[str]

    @classmethod
    def new(cls) -> Self:
        """Return an id that was never handed out before."""
        return cls(f"{cls.prefix}_{uuid7_hex()}")

    @classmethod
    def like(cls, other: str) -> Self:
        """Return the id of this type that belongs one-to-one to `other`: same digits, other prefix."""
        return cls(f"{cls.prefix}_{other.rpartition('_')[2]}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return `text` as this type. Raises ValueError when it is not one."""
        prefix, _, digits = text.partition("_")
        if prefix != cls.prefix or not _HEX.match(digits):
            raise ValueError(f"not a {cls.prefix}_… id")
        return cls(text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            cls, core_schema.str_schema(pattern=f"^{cls.prefix}_[0-9a-f]{{32}}$", strict=True)
        )


class MerchantId(Id):
    """Who owns shops. `mer_X` is owned by the person `usr_X`."""

    __slots__ = ()
    prefix = "mer"


class UserId(Id):
    """A person who signed in with a wallet."""

    __slots__ = ()
    prefix = "usr"


class KeyId(Id):
    """A staff or service API key."""

    __slots__ = ()
    prefix = "key"


class EventId(Id):
    """One recorded fact."""

    __slots__ = ()
    prefix = "evt"


class ShopId(Id):
    """A coffee shop: one location."""

    __slots__ = ()
    prefix = "shp"


class MenuId(Id):
    """The menu of a shop; same digits as the shop."""

    __slots__ = ()
    prefix = "mnu"


class ItemId(Id):
    """An item on a menu."""

    __slots__ = ()
    prefix = "itm"


class ModifierGroupId(Id):
    """A group of choices (milk, size, …)."""

    __slots__ = ()
    prefix = "mod"


class ModifierId(Id):
    """One choice in a modifier group."""

    __slots__ = ()
    prefix = "opt"


class DiscountId(Id):
    """A discount that a shop gives."""

    __slots__ = ()
    prefix = "dsc"


class DiscountUseId(Id):
    """The discount that an order has; same digits as the order."""

    __slots__ = ()
    prefix = "dcu"


class ReceiptId(Id):
    """A delivery of goods taken into stock."""

    __slots__ = ()
    prefix = "rcv"


class AdjustmentId(Id):
    """A correction of what is noted of a shop's stock."""

    __slots__ = ()
    prefix = "adj"


class TransferId(Id):
    """Goods sent from one shop of a merchant to another."""

    __slots__ = ()
    prefix = "trf"


class RecipeId(Id):
    """What an item or a choice takes of a shop's stock; its digits are derived from both."""

    __slots__ = ()
    prefix = "rcp"


class StockItemId(Id):
    """What a shop wants of one SKU; its digits are derived from shop and SKU."""

    __slots__ = ()
    prefix = "stk"


class ReservationId(Id):
    """The stock an order holds; same digits as the order."""

    __slots__ = ()
    prefix = "rsv"


class OrderId(Id):
    """An order."""

    __slots__ = ()
    prefix = "ord"


class PaymentId(Id):
    """A request to pay one order in one asset."""

    __slots__ = ()
    prefix = "pay"


class RefundId(Id):
    """Coins of a payment that are given back."""

    __slots__ = ()
    prefix = "rfd"


class ClaimId(Id):
    """The right to pick up an order; same digits as the order."""

    __slots__ = ()
    prefix = "clm"


class NotificationId(Id):
    """A message to a person."""

    __slots__ = ()
    prefix = "ntf"


class DeviceId(Id):
    """A phone or browser that receives push messages."""

    __slots__ = ()
    prefix = "dev"


class RatingId(Id):
    """What a customer thinks of an order; same digits as the order."""

    __slots__ = ()
    prefix = "rtg"


class WebhookId(Id):
    """An address that a merchant is told things at."""

    __slots__ = ()
    prefix = "whk"


class DeliveryId(Id):
    """An event on its way to a webhook."""

    __slots__ = ()
    prefix = "dlv"


class PayoutChangeId(Id):
    """A change of the account that a shop is paid to."""

    __slots__ = ()
    prefix = "pyc"


class SweepId(Id):
    """A plan to move a shop's coins to its treasury."""

    __slots__ = ()
    prefix = "swp"


class DifferenceId(Id):
    """A difference between ledger, facts and chain."""

    __slots__ = ()
    prefix = "dif"


class WalletId(Id):
    """A wallet that a person has proven to be theirs; the one they came with has their digits."""

    __slots__ = ()
    prefix = "wal"
