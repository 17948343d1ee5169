"""Money in integer base units: satoshi, wei, token units, cents. JSON carries units as decimal strings.

Sources: BIP-176 for satoshi as the base unit, EIP-20 `decimals` for tokens, ISO 4217 for minor units.
"""

import re
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema

_DIGITS = re.compile(r"(0|[1-9][0-9]{0,77})\Z")
MAX_UNITS = 10**78 - 1


def _units(value: object) -> int:
    """Return a non-negative integer below 10^78. Raises ValueError for bool, float and anything else."""
    if isinstance(value, str):
        if not _DIGITS.match(value):
            raise ValueError("units are a string of decimal digits without sign, point or leading zeros")
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("units are whole base units, written as a string of digits")
    if not 0 <= value <= MAX_UNITS:
        raise ValueError("units lie between 0 and 10^78 - 1")
    return value


Units = Annotated[
    int,
    BeforeValidator(_units),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^(0|[1-9][0-9]{0,77})$", "examples": ["420"]}),
]
"""Non-negative base units; an int in Python, a string of digits in JSON."""


def _currency(value: str) -> str:
    if value not in MINOR_DIGITS:
        raise ValueError(f"unknown currency; one of {', '.join(MINOR_DIGITS)}")
    return value


MINOR_DIGITS = {"EUR": 2, "USD": 2, "GBP": 2, "CHF": 2, "PLN": 2, "CZK": 2, "JPY": 0}
Currency = Annotated[str, AfterValidator(_currency), WithJsonSchema({"type": "string", "enum": list(MINOR_DIGITS)})]
"""ISO 4217 code of a currency the platform prices in."""


class Asset(StrEnum):
    """What a customer can pay with."""

    BTC = "BTC"
    ETH = "ETH"
    USDC = "USDC"
    USDT = "USDT"

    @property
    def decimals(self) -> int:
        """Return how many decimal digits one whole coin has in base units."""
        return {Asset.BTC: 8, Asset.ETH: 18, Asset.USDC: 6, Asset.USDT: 6}[self]


class Frozen(BaseModel):
    """Base of every value that crosses a boundary: immutable, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Fiat(Frozen):
    """An amount of a national currency in its minor units (cents)."""

    currency: Currency
    units: Units

    def plus(self, other: Self) -> "Fiat":
        """Return the sum. Raises ValueError when the currencies differ."""
        self._same(other)
        return Fiat(currency=self.currency, units=self.units + other.units)

    def minus(self, other: Self) -> "Fiat":
        """Return the difference, ≥ 0. Raises ValueError when the currencies differ or it would be negative."""
        self._same(other)
        return Fiat(currency=self.currency, units=self.units - other.units)

    def times(self, quantity: int) -> "Fiat":
        """Return the amount taken `quantity` times."""
        return Fiat(currency=self.currency, units=self.units * quantity)

    def _same(self, other: "Fiat") -> None:
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} don't add up")

    def __str__(self) -> str:
        return f"{_pointed(self.units, MINOR_DIGITS[self.currency])} {self.currency}"


class Money(Frozen):
    """An amount of a coin in base units."""

    asset: Asset
    units: Units

    def plus(self, other: Self) -> "Money":
        """Return the sum. Raises ValueError when the assets differ."""
        self._same(other)
        return Money(asset=self.asset, units=self.units + other.units)

    def minus(self, other: Self) -> "Money":
        """Return the difference, ≥ 0. Raises ValueError when the assets differ or it would be negative."""
        self._same(other)
        return Money(asset=self.asset, units=self.units - other.units)

    def _same(self, other: "Money") -> None:
        if self.asset is not other.asset:
            raise ValueError(f"{self.asset} and {other.asset} don't add up")

    def __str__(self) -> str:
        return f"{whole(self.units, self.asset.decimals)} {self.asset}"


def whole(units: int, decimals: int) -> str:
    """Return base units as a decimal number of whole coins, exactly, without exponent: (12000, 8) → '0.00012'."""
    text = _pointed(units, decimals)
    return text.rstrip("0").rstrip(".") if decimals else text


def _pointed(units: int, decimals: int) -> str:
    """Return base units with the point where it belongs and every digit after it: (420, 2) → '4.20'."""
    text = f"{units:0{decimals + 1}d}"
    return f"{text[:-decimals]}.{text[-decimals:]}" if decimals else text


def units_up(amount: Decimal, decimals: int) -> int:
    """Return whole coins as base units, rounded up: what a customer owes is never less than the price."""
    numerator, denominator = _ratio(amount, decimals)
    return -(-numerator // denominator)


def units_down(amount: Decimal, decimals: int) -> int:
    """Return whole coins as base units, rounded down: what is paid out is never more than is held."""
    numerator, denominator = _ratio(amount, decimals)
    return numerator // denominator


def _ratio(amount: Decimal, decimals: int) -> tuple[int, int]:
    """Return base units as a fraction of integers. Decimal arithmetic, a mere minus even, rounds to 28 digits."""
    numerator, denominator = amount.as_integer_ratio()
    scale: int = 10**decimals
    return numerator * scale, denominator
