"""What is shown of the ledger: the trial balance, and a shop's statement of a day."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

from pydantic import Field, PlainSerializer, WithJsonSchema

from shared.kernel.ids import PaymentId, ShopId
from shared.kernel.money import Asset, Fiat, Frozen, Units
from shared.payments.ledger import Account, Book, Line

SignedUnits = Annotated[
    int,
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^(0|-?[1-9][0-9]{0,77})$", "examples": ["-420"]}),
]
"""Base units that may be below zero; an int in Python, a string of digits in JSON."""


class GetStatement(Frozen):
    """Whose statement, of which day."""

    shop_id: ShopId
    day: date = Field(description="A day in the shop's own time zone", examples=["2026-05-06"])
    cursor: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,200}$", description="`next` of the page before")
    limit: int = Field(default=50, ge=1, le=100)


class BalanceView(Frozen):
    """The accounts in one asset, in base units. received + shortfall = settled + held + refunded."""

    asset: Asset
    received: SignedUnits = Field(
        description="What stands in blocks at the shop's addresses, or stood and was refunded"
    )
    settled: SignedUnits = Field(description="The shop's revenue")
    held: SignedUnits = Field(description="What belongs to no settled payment (yet)")
    refundable: SignedUnits = Field(description="As much of `held` does no order wait for: the customers' to have back")
    refunded: SignedUnits
    shortfall: SignedUnits = Field(description="Credited or refunded, and the chain took the coins back")
    addresses: SignedUnits = Field(
        description="What lies there. addresses + hot + transit + treasury + fees = received + funded - refunded"
    )
    hot: SignedUnits = Field(
        default=0,
        description="What the wallet that pays refunds has of the shop's; below 0 it has advanced so much",
    )
    transit: SignedUnits = Field(default=0, description="What has left one place and is not final at another")
    treasury: SignedUnits = Field(default=0, description="What was swept to the shop's own treasury")
    funded: SignedUnits = Field(default=0, description="What was put in from outside, and came as no payment")
    fees: SignedUnits = Field(description="What the network took for carrying refunds")
    balanced: bool = Field(description="Whether both identities hold")

    @classmethod
    def of(cls, asset: Asset, balances: Mapping[Line, int]) -> "BalanceView":
        """Return the accounts of an asset from signed balances, each with its natural sign."""

        def claim(account: Account) -> int:
            return balances.get(Line(Book.CLAIMS, asset, account), 0)

        def custody(account: Account) -> int:
            return balances.get(Line(Book.CUSTODY, asset, account), 0)

        received, refunded = claim(Account.RECEIVED), -claim(Account.REFUNDED)
        settled, shortfall = -claim(Account.SETTLED), claim(Account.SHORTFALL)
        refundable = -claim(Account.REFUNDABLE)
        held = refundable - claim(Account.WAITING)
        lies = {name: custody(Account(name)) for name in ("addresses", "hot", "transit", "treasury", "fees")}
        funded = -custody(Account.FUNDED)
        same = (received, refunded) == (-custody(Account.RECEIVED), custody(Account.REFUNDED))
        return cls(
            asset=asset,
            received=received,
            settled=settled,
            held=held,
            refundable=refundable,
            refunded=refunded,
            shortfall=shortfall,
            funded=funded,
            **lies,
            balanced=same
            and received == settled + held + refunded - shortfall
            and sum(lies.values()) == received + funded - refunded,
        )


def balance_views(balances: Mapping[Line, int]) -> tuple[BalanceView, ...]:
    """Return the accounts per asset, for every asset that has any."""
    return tuple(BalanceView.of(asset, balances) for asset in sorted({line.asset for line in balances}))


class ShopBalances(Frozen):
    """The trial balance of one shop."""

    shop_id: ShopId
    balances: tuple[BalanceView, ...]


class TrialBalance(Frozen):
    """The trial balance of a merchant: per shop, and of all of them together."""

    shops: tuple[ShopBalances, ...]
    total: tuple[BalanceView, ...]


class PostingView(Frozen):
    """One side of an entry, in base units: exactly one of `debit` and `credit` is above zero."""

    book: Book
    asset: Asset
    account: Account
    debit: Units = 0
    credit: Units = 0
    value: Fiat | None = Field(
        default=None, description="What the units are worth at the rate the payment was quoted; in its own coin only"
    )


class EntryView(Frozen):
    """What one fact of a payment moved; (payment, version) names the fact."""

    payment_id: PaymentId
    version: int
    type: str = Field(examples=["payment.settled.v1"])
    at: datetime
    postings: tuple[PostingView, ...]


class Statement(Frozen):
    """A shop's day: the accounts at its beginning and end, and what moved them, oldest first.

    `next` is the cursor of the following page of entries.
    """

    shop_id: ShopId
    day: date
    timezone: str
    opening: tuple[BalanceView, ...]
    closing: tuple[BalanceView, ...]
    entries: tuple[EntryView, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Quoted:
    """The rate that a payment was quoted: `amount` base units of the asset for `price`."""

    asset: Asset
    amount: int
    price: Fiat

    def value(self, asset: Asset, units: int) -> Fiat | None:
        """Return what base units are worth, half a minor unit rounded up; None for another coin: it was not quoted."""
        if asset != self.asset:
            return None
        return Fiat(
            currency=self.price.currency, units=(2 * units * self.price.units + self.amount) // (2 * self.amount)
        )


def posting_views(postings: Iterable[tuple[Line, int]], quoted: Quoted | None = None) -> tuple[PostingView, ...]:
    """Return signed postings as they are shown: by book and asset, debits first, each with its value where quoted."""
    ordered = sorted(postings, key=lambda each: (each[0].book, each[0].asset, each[1] < 0, each[0].account))
    return tuple(
        PostingView(
            book=line.book,
            asset=line.asset,
            account=line.account,
            debit=max(units, 0),
            credit=max(-units, 0),
            value=quoted.value(line.asset, abs(units)) if quoted else None,
        )
        for line, units in ordered
    )
