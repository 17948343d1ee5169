"""Values of shops: what a merchant sends, what is kept, what is shown."""

from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from shared.kernel.hours import Opening, Pause, SpecialDay
from shared.kernel.ids import MerchantId, ShopId
from shared.kernel.money import Asset, Currency, Frozen, KnownAsset
from shared.kernel.text import Line, Name
from shared.shops.accounts import AccountKey as AccountKey
from shared.shops.accounts import Family as Family
from shared.shops.facts import Capacity, DeliveryTerms, PayoutAccount, Position, ZeroConfirmation
from shared.shops.payout import FormerAccount, PayoutChange
from shared.shops.rating import RatingSummary

MAX_LATITUDE = 85.0
"""Beyond it the maps of the web and the geo index end; no shop is there."""
MAX_SPANS = 42
MAX_SPECIAL_DAYS = 100
MAX_PHOTOS = 8
MAX_LAST_ORDER_MIN = 240
MAX_PAUSE = timedelta(days=31)
"""Longer is no pause: special hours say it, and customers can plan."""
MAX_AHEAD = timedelta(days=800)
MAX_RISK = 10**9
"""Minor units that a shop may take in an hour before they are in a block."""
MAX_SPREAD_BP = 500
"""5 %: whoever asks for more does not want the coin."""
MAX_ASSETS = 20


@cache
def _known_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _zone(value: str) -> str:
    if not _known_zone(value):
        raise ValueError("not a time zone of the IANA database, such as Europe/Berlin")
    return value


Timezone = Annotated[
    str,
    Field(max_length=64, pattern=r"^(UTC|[A-Za-z][A-Za-z_]*(/[A-Za-z][A-Za-z0-9_+-]*){1,2})$", strict=True),
    AfterValidator(_zone),
]
"""An IANA time zone, such as Europe/Berlin."""


class PayoutKeys(Frozen):
    """Account keys from which every payment gets an address of its own. Never a private key."""

    bitcoin: AccountKey | None = None
    evm: AccountKey | None = None

    def given(self) -> dict[Family, str]:
        """Return the keys in clear, by family, where there are some."""
        keys = {Family.BITCOIN: self.bitcoin, Family.EVM: self.evm}
        return {family: key.get_secret_value().strip() for family, key in keys.items() if key is not None}


class Location(Frozen):
    """A point on Earth in degrees, WGS 84."""

    latitude: float = Field(ge=-MAX_LATITUDE, le=MAX_LATITUDE, allow_inf_nan=False)
    longitude: float = Field(ge=-180, le=180, allow_inf_nan=False)


class RegisterShop(Frozen):
    """A location as its owner sends it."""

    name: Name
    address: Line = Field(min_length=1)
    position: Location
    timezone: Timezone
    currency: Currency
    accepts: tuple[KnownAsset, ...] = Field(min_length=1, max_length=MAX_ASSETS)
    payout: PayoutKeys
    confirmations: dict[KnownAsset, Annotated[int, Field(ge=1, le=1000, strict=True)]] = Field(
        default={}, description="Confirmations asked for before an order is made; otherwise the chain's own number"
    )

    @model_validator(mode="after")
    def _fits(self) -> "RegisterShop":
        if len(set(self.accepts)) != len(self.accepts):
            raise ValueError("accepts: an asset stands there twice")
        without = {Family.of(asset) for asset in self.accepts} - self.payout.given().keys()
        if without:
            raise ValueError(f"payout: an account key is missing for {', '.join(sorted(without))}")
        for asset in self.confirmations:
            if asset not in self.accepts:
                raise ValueError(f"confirmations: {asset} is not accepted")
        return self


class SetOpeningHours(Frozen):
    """The whole week: spans in the shop's own time, none overlapping another. No spans: closed."""

    weekly: tuple[Opening, ...] = Field(max_length=MAX_SPANS)
    last_order_min: int = Field(
        default=0, ge=0, le=MAX_LAST_ORDER_MIN, strict=True, description="Minutes before closing that orders end"
    )

    @model_validator(mode="after")
    def _in_order(self) -> "SetOpeningHours":
        for span in self.weekly:
            if span.opens >= span.closes:
                raise ValueError("a span opens before it closes; one through the night is two: to 24:00, from 00:00")
        for one, next_ in pairwise(self.weekly):
            if (one.weekday, one.opens) > (next_.weekday, next_.opens):
                raise ValueError("spans stand in order of weekday and time")
            if one.weekday == next_.weekday and next_.opens < one.closes:
                raise ValueError("two spans of a day overlap")
        return self


class SetSpecialHours(Frozen):
    """All dates to come on which other hours hold, in order. Those not named any more are ordinary again."""

    special: tuple[SpecialDay, ...] = Field(max_length=MAX_SPECIAL_DAYS)

    @model_validator(mode="after")
    def _in_order(self) -> "SetSpecialHours":
        for one, next_ in pairwise(self.special):
            if one.day >= next_.day:
                raise ValueError("special days stand in order, each date once")
        for known in self.special:
            if any(span.opens >= span.closes for span in known.spans):
                raise ValueError(f"{known.day}: a span opens before it closes; past midnight belongs to the next date")
            if any(next_.opens < one.closes for one, next_ in pairwise(known.spans)):
                raise ValueError(f"{known.day}: spans stand in order and don't overlap")
        return self


class SetCapacity(Frozen):
    """How much the shop makes in each quarter of an hour. Without it: as much as is ordered."""

    capacity: Capacity | None

    @model_validator(mode="after")
    def _says_something(self) -> "SetCapacity":
        if self.capacity is not None and self.capacity == Capacity():
            raise ValueError("capacity: name orders, items or value; null for no limit at all")
        return self


class SetDelivery(Frozen):
    """Where and for how much the shop delivers; null where it does not."""

    delivery: DeliveryTerms | None


class SetPhotos(Frozen):
    """All pictures of the shop, by the keys that were given for their uploads; the first is shown first."""

    keys: tuple[Annotated[str, Field(max_length=200, strict=True)], ...] = Field(max_length=MAX_PHOTOS)

    @model_validator(mode="after")
    def _each_once(self) -> "SetPhotos":
        if len(set(self.keys)) != len(self.keys):
            raise ValueError("keys: each picture once")
        return self


class PauseShop(Frozen):
    """For how long, and why: what customers are told. Without `until`: until somebody resumes it."""

    until: AwareDatetime | None = None
    reason: Line = ""


class UpdateShop(Frozen):
    """What is to be changed; what is not named stays."""

    name: Name | None = None
    address: Line | None = Field(default=None, min_length=1)
    position: Location | None = None
    accepts: tuple[KnownAsset, ...] | None = Field(default=None, min_length=1, max_length=MAX_ASSETS)

    @model_validator(mode="after")
    def _says_something(self) -> "UpdateShop":
        if not self.model_fields_set:
            raise ValueError("name what is to be changed: name, address, position or accepts")
        if self.accepts and len(set(self.accepts)) != len(self.accepts):
            raise ValueError("accepts: an asset stands there twice")
        return self


class SetSpreads(Frozen):
    """All spreads of the shop; an asset that is not named has none."""

    spread_bp: dict[KnownAsset, Annotated[int, Field(ge=0, le=MAX_SPREAD_BP, strict=True)]] = Field(
        description="Hundredths of a percent of the rate, by asset: 150 quotes 1.5 % below the market",
        examples=[{"BTC": 100, "USDC": 0}],
    )


class SetConfirmations(Frozen):
    """All of the shop's confirmation policy; what is not named is the chain's own."""

    confirmations: dict[KnownAsset, Annotated[int, Field(ge=1, le=1000, strict=True)]] = Field(
        default={}, description="Confirmations asked for; where the platform asks for more, those"
    )
    zero_confirmation: ZeroConfirmation | None = Field(
        default=None,
        description="Bitcoin orders taken before they are in a block, at the shop's own risk; in minor units",
        examples=[{"max_order": "1500", "hourly_cap": "6000"}],
    )

    @model_validator(mode="after")
    def _bearable(self) -> "SetConfirmations":
        risk = self.zero_confirmation
        if risk and not 0 < risk.max_order <= risk.hourly_cap <= MAX_RISK:
            raise ValueError(f"zero_confirmation: 0 < max_order ≤ hourly_cap ≤ {MAX_RISK}")
        return self


class ShopPath(Frozen):
    """Names one shop."""

    shop_id: ShopId


class FindShops(Frozen):
    """Where to look, how far, and for what."""

    lat: float = Field(ge=-MAX_LATITUDE, le=MAX_LATITUDE, allow_inf_nan=False)
    lon: float = Field(ge=-180, le=180, allow_inf_nan=False)
    radius_m: float = Field(default=5_000, gt=0, le=100_000, allow_inf_nan=False)
    open_now: bool = False
    limit: int = Field(default=20, ge=1, le=100)
    cursor: str | None = Field(default=None, max_length=200, description="`next` of the page before")


class Shop(Frozen):
    """The state of a shop: a pure fold of its facts, and one row of `shops`."""

    shop_id: ShopId
    merchant_id: MerchantId
    name: str
    address: str
    latitude: float
    longitude: float
    timezone: str
    currency: Currency
    accepts: tuple[Asset, ...]
    payout: dict[str, PayoutAccount]
    confirmations: dict[Asset, int]
    zero_confirmation: ZeroConfirmation | None = None
    weekly: tuple[Opening, ...] = ()
    last_order_min: int = 0
    special: tuple[SpecialDay, ...] = ()
    pause: Pause | None = None
    capacity: Capacity | None = None
    delivery: DeliveryTerms | None = None
    photos: tuple[str, ...] = ()
    spread_bp: dict[Asset, int] = Field(default={})
    changes: tuple[PayoutChange, ...] = ()
    former: tuple[FormerAccount, ...] = ()
    registered_at: datetime


class ShopView(Frozen):
    """A shop as everybody sees it."""

    shop_id: ShopId
    merchant_id: MerchantId
    name: str
    address: str
    position: Position
    timezone: str
    currency: Currency
    accepts: tuple[Asset, ...]
    confirmations: dict[Asset, int]
    spread_bp: dict[Asset, int] = Field(default={}, description="As far below the market it quotes, in 0.01 %")
    weekly: tuple[Opening, ...]
    special: tuple[SpecialDay, ...] = Field(default=(), description="Dates on which other hours hold")
    open: bool = Field(description="By its hours, and not paused")
    changes_at: datetime | None = Field(default=None, description="When `open` next changes; absent when never")
    orders_until: datetime | None = Field(
        default=None, description="When orders end before it next closes; absent while closed, or where it never closes"
    )
    capacity: Capacity | None = Field(default=None, description="As much is made in a quarter of an hour")
    delivery: DeliveryTerms | None = Field(default=None, description="Absent where it does not deliver")
    photos: tuple[str, ...] = Field(default=(), description="Where pictures of it are, the first of them first")
    pause: Pause | None = Field(default=None, description="Takes no orders meanwhile, whatever its hours say")
    registered_at: datetime
    version: int


class OwnShopView(Frozen):
    """A shop as its merchant sees it: account keys appear as fingerprints."""

    shop: ShopView
    payout: dict[str, str] = Field(description="Fingerprint of the account key, by family of chains")
    zero_confirmation: ZeroConfirmation | None = Field(
        default=None, description="Orders taken before they are in a block, in minor units"
    )
    unproven: tuple[str, ...] = Field(
        default=(), description="Families whose account nobody is asked to pay to before prove_payout"
    )


class NearbyShop(Frozen):
    """A shop in a list, with its distance from where was asked."""

    shop_id: ShopId
    name: str
    address: str
    position: Position
    distance_m: int
    currency: Currency
    accepts: tuple[Asset, ...]
    rating: RatingSummary | None = Field(default=None, description="Absent where nobody has rated it")
    open: bool = Field(description="By its hours, and not paused")
    changes_at: datetime | None = None


class NearbyShops(Frozen):
    """A page of shops, nearest first; `next` is the cursor of the following page."""

    shops: tuple[NearbyShop, ...]
    next: str | None = None
