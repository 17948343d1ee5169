"""What every exchange's answer is turned into, and what is no price: shared by the formats."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Protocol, TypeVar

import msgspec

from shared.prices.model import Pair

T = TypeVar("T")

MIN_PRICE: Final = Decimal("1e-12")
MAX_PRICE: Final = Decimal(10**12)
MAX_DIGITS: Final = 40
"""A price is written with no more: 12 before the point and 27 behind it."""
LIVE: Final = timedelta(seconds=60)
"""As old may a reading of a market be that trades all the time."""
_PLAIN: Final = re.compile(r"[0-9]+(\.[0-9]+)?\Z")
_LATEST: Final = 10**11
"""Seconds since 1970 beyond which a time makes no sense."""


class NoPrice(Exception):
    """The answer holds no usable price."""


class Answered(msgspec.Struct, frozen=True):
    """A price with the feed's own time, where it says one."""

    price: Decimal
    at: datetime | None = None


class Format(Protocol):
    """One exchange's way of talking."""

    @property
    def fresh_for(self) -> timedelta:
        """Return how old what it says may be."""
        ...

    def questions(self, pairs: Sequence[Pair]) -> Mapping[str, Sequence[Pair]]:
        """Return the paths to ask, each with the pairs that its answer is about."""
        ...

    def prices(self, body: bytes, pairs: Sequence[Pair]) -> Mapping[Pair, Answered]:
        """Return what an answer says. Raises NoPrice."""
        ...


def decoded(kind: type[T], body: bytes) -> T:
    """Return an answer of this shape. Raises NoPrice for any other."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise NoPrice("an answer of another shape") from wrong


def price_of(said: str | float | Decimal) -> Decimal:
    """Return a price that can be one. Raises NoPrice for what is no plain number, zero, negative and absurd numbers."""
    if isinstance(said, str) and not (_PLAIN.match(said) and len(said) <= MAX_DIGITS):
        raise NoPrice("no decimal number")
    price = Decimal(repr(said)) if isinstance(said, float) else Decimal(said)
    if not price.is_finite() or not MIN_PRICE <= price < MAX_PRICE or len(price.as_tuple().digits) > MAX_DIGITS:
        raise NoPrice("no price that makes sense")
    return price


def moment(said: str | float, *, per_second: int = 1) -> datetime:
    """Return a time given in seconds since 1970, or in parts of them. Raises NoPrice for what is none."""
    if isinstance(said, str):
        if not (said.isascii() and said.isdigit() and len(said) <= 20):
            raise NoPrice("no time that makes sense")
        said = int(said)
    if not 0 < said < _LATEST * per_second:
        raise NoPrice("no time that makes sense")
    return datetime.fromtimestamp(said / per_second, UTC)


def sensible(told: Iterable[tuple[Pair, str | float, float | None]]) -> dict[Pair, Answered]:
    """Return what makes sense of (pair, price, time in seconds): nonsense about one pair says nothing of the others.

    Raises NoPrice when all of it is nonsense.
    """
    found: dict[Pair, Answered] = {}
    refused: NoPrice | None = None
    for pair, price, at in told:
        try:
            found[pair] = Answered(price_of(price), None if at is None else moment(at))
        except NoPrice as wrong:
            refused = wrong
    if refused is not None and not found:
        raise refused
    return found
