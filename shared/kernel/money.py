"""Money in integer base units: satoshi, wei, token units, cents. JSON carries units as decimal strings.

Sources: BIP-176 for satoshi as the base unit, EIP-20 `decimals` for tokens, ISO 4217 for minor units.
"""

import re
from decimal import Decimal
from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

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


_SYMBOL = re.compile(r"[A-Z][A-Z0-9]{1,11}\Z")


class Coin(NamedTuple):
    """What is known of an asset: the digits of one whole coin in base units, and how its price is found.

    `peg` is the currency that a stablecoin is to be worth one unit of; `priced_as` the symbol that feeds know it by.
    """

    decimals: int
    peg: str | None = None
    priced_as: str | None = None


class Asset(str):
    """What a customer can pay with, by its symbol.

    Any well-formed symbol is one, so that facts about a coin that is no longer offered stay readable; which of them
    are known, and how many digits they have, is configuration: see `declare`.
    """

    BTC: ClassVar["Asset"]
    ETH: ClassVar["Asset"]
    USDC: ClassVar["Asset"]
    USDT: ClassVar["Asset"]

    def __new__(cls, symbol: str) -> "Asset":
        """Return the asset, the same object each time for a known one. Raises ValueError for what is no symbol."""
        known = _KNOWN.get(symbol)
        if known is not None:
            return known[0]
        if not _SYMBOL.match(symbol):
            raise ValueError("an asset is written as 2 to 12 capital letters and digits")
        return super().__new__(cls, symbol)

    @classmethod
    def known(cls) -> "tuple[Asset, ...]":
        """Return every asset that has been declared in this process."""
        return tuple(asset for asset, _ in _KNOWN.values())

    @property
    def coin(self) -> Coin:
        """Return what was declared of it. Raises ValueError for an asset that never was."""
        if self not in _KNOWN:
            raise ValueError(f"{self} is not declared: name its decimals in CHAINS")
        return _KNOWN[self][1]

    @property
    def decimals(self) -> int:
        """Return how many decimal digits one whole coin has in base units. Raises ValueError like `coin`."""
        return self.coin.decimals

    @property
    def peg(self) -> str | None:
        """Return the currency that a stablecoin is to be worth one unit of, None for what has no such promise."""
        return self.coin.peg

    @property
    def priced_as(self) -> "Asset":
        """Return the asset that feeds are asked for: itself, or the one that it stands for."""
        return Asset(self.coin.priced_as or self)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(strict=True)
        return core_schema.no_info_after_validator_function(cls, text, ref=f"{__name__}.Asset:{id(cls)}")

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {
            "title": "Asset",
            "description": "What a customer can pay with, by its symbol.",
            "type": "string",
            "pattern": "^[A-Z][A-Z0-9]{1,11}$",
            "examples": ["BTC", "ETH", "USDC", "USDT"],
        }


_KNOWN: dict[str, tuple[Asset, Coin]] = {}


def declare(symbol: str, decimals: int, *, peg: str | None = None, priced_as: str | None = None) -> Asset:
    """Make an asset known to this process, and return it; a symbol means one coin everywhere.

    Raises ValueError when it was declared otherwise before, and for what can't be.
    """
    known, coin = _KNOWN.get(symbol), Coin(decimals, peg, priced_as)
    if known is None:
        if not 0 <= decimals <= 30:
            raise ValueError(f"{symbol}: no coin has {decimals} decimals")
        if peg is not None and peg not in MINOR_DIGITS:
            raise ValueError(f"{symbol}: {peg} is no currency that is priced here")
        known = _KNOWN[symbol] = (Asset(symbol), coin._replace(priced_as=priced_as and Asset(priced_as)))
    elif coin not in (known[1], Coin(known[1].decimals)):
        raise ValueError(f"{symbol} is one coin everywhere: {known[1]}, not {coin}")
    return known[0]


Asset.BTC = declare("BTC", 8)
Asset.ETH = declare("ETH", 18)
Asset.USDC = declare("USDC", 6, peg="USD")
Asset.USDT = declare("USDT", 6, peg="USD")


def _offered(asset: Asset) -> Asset:
    if asset not in _KNOWN:
        raise ValueError(f"unknown asset; one of {', '.join(Asset.known())}")
    return asset


KnownAsset = Annotated[Asset, AfterValidator(_offered)]
"""An asset as a client names it: one that can be paid with somewhere."""


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
        if self.asset != other.asset:
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
