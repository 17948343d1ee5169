"""Ledger, facts and chain, compared: each difference between them by its name. Pure; no I/O, and nothing is changed.

Two comparisons. The books: what a payment's facts say, against its row and its entries in the ledger. The chain: what a
payment was credited with in blocks up to one final block, against what the chain has at its address at that very block.
Source: docs/reconciliation.md; `correctness` rules 10 and 14.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from shared.kernel.ids import MerchantId, PaymentId, ShopId
from shared.kernel.money import Asset
from shared.payments.chain import BlockRef
from shared.payments.internal import is_internal
from shared.payments.ledger import Entry, Happened, Line, entries
from shared.payments.lifecycle import evolve
from shared.payments.model import Payment
from shared.payments.sweep_values import SweepStage

BOOKS: Final = "books"
"""The name under which facts, rows and ledger are compared; a chain's is the chain's."""
CLOCKS_DIFFER: Final = timedelta(hours=2)
"""A block's own time may be so far off (Bitcoin's rule; other chains are stricter)."""


class Kind(StrEnum):
    """What a difference is. docs/reconciliation.md says of each what to do."""

    NOT_POSTED = "not_posted"
    """A fact moved coins and the ledger does not say so. It is posted at once."""
    NOT_CAUSED = "not_caused"
    """The ledger has an entry of a fact that never was."""
    POSTED_OTHERWISE = "posted_otherwise"
    """An entry says something else than its fact."""
    ROW_DIFFERS = "row_differs"
    """A payment's row is not what its facts make of it."""
    UNBALANCED = "unbalanced"
    """An identity of the ledger does not hold."""
    NOT_ON_CHAIN = "credited_not_on_chain"
    """A transfer was credited that the chain does not have."""
    NOT_CREDITED = "on_chain_not_credited"
    """The chain has a transfer to a payment's address that nobody was credited with."""
    AMOUNT_DIFFERS = "amount_differs"
    """A transfer was credited with other units than the chain has."""
    STRANGE = "strangers_coins"
    """Coins that reached the address before it was handed out: somebody else uses the shop's account."""
    MOVED = "moved"
    """Coins left a receive address and no sweep of ours took them: whoever holds the shop's keys did."""
    UNEXPLAINED = "unexplained"
    """The address holds less or more than all that is known of it adds up to."""
    HOT_WALLET = "hot_wallet_short"
    """The hot wallet holds less than what was paid into it and not sent out by refunds."""


BY_BOOKS: Final = frozenset(
    {Kind.NOT_POSTED, Kind.NOT_CAUSED, Kind.POSTED_OTHERWISE, Kind.ROW_DIFFERS, Kind.UNBALANCED}
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it ought to be, named so that the next run knows it again.

    `expected` and `found` are base units where the difference is one of units: what our books say, and what the other
    side has. `position` is the transfer's on a chain, the fact's version in the books.
    """

    scope: str
    kind: Kind
    payment_id: PaymentId | None = None
    shop_id: ShopId | None = None
    merchant_id: MerchantId | None = None
    asset: Asset | None = None
    address: str | None = None
    txid: str | None = None
    position: int | None = None
    expected: int | None = None
    found: int | None = None
    height: int | None = None
    says: str = ""

    @property
    def name(self) -> str:
        """Return what makes two findings the same difference; the units and the words may change."""
        whose = self.payment_id or self.shop_id or ""
        parts = (self.scope, self.kind, whose, self.asset, self.address, self.txid, self.position)
        return "|".join("" if part is None else str(part) for part in parts)


# --- the books ---


@dataclass(frozen=True, slots=True)
class Booked:
    """A payment as its facts tell it, as its row shows it, and as it was posted, all of one moment."""

    history: Sequence[Happened]
    row: Payment | None
    posted: Sequence[Entry]


def told(history: Iterable[Happened]) -> Payment | None:
    """Return the payment that its facts make."""
    payment: Payment | None = None
    for one in history:
        payment = evolve(payment, one.fact)
    return payment


def unposted(booked: Booked) -> list[Entry]:
    """Return the entries that the payment's facts make and the ledger does not have."""
    known = {entry.version for entry in booked.posted}
    return [entry for entry in entries(booked.history) if entry.version not in known]


def compare_books(booked: Booked, *, now: datetime, patience: timedelta) -> Iterator[Difference]:
    """Yield what row and ledger say otherwise than the facts; what happened within `patience` may be unposted yet."""
    payment = told(booked.history)
    whose = payment or booked.row
    if payment != booked.row and whose is not None:
        yield Difference(
            BOOKS,
            Kind.ROW_DIFFERS,
            whose.payment_id,
            whose.shop_id,
            whose.merchant_id,
            asset=whose.asset,
            expected=payment.included if payment else None,
            found=booked.row.included if booked.row else None,
            says=", ".join(_fields(payment, booked.row)),
        )
    posted = {entry.version: entry for entry in booked.posted}
    for entry in entries(booked.history):
        found = posted.pop(entry.version, None)
        if found is None:
            if now - entry.at >= patience:
                yield _of_entry(Kind.NOT_POSTED, entry, f"{entry.type} is not posted")
        elif found != entry:
            yield _posted_otherwise(entry, found)
    for entry in posted.values():
        yield _of_entry(Kind.NOT_CAUSED, entry, f"{entry.type} is posted, and no fact caused it")


def _fields(payment: Payment | None, row: Payment | None) -> Iterator[str]:
    if payment is None or row is None:
        yield "there are no facts" if payment is None else "there is no row"
        return
    for name in Payment.model_fields:
        if getattr(payment, name) != getattr(row, name):
            yield name


def _posted_otherwise(entry: Entry, found: Entry) -> Difference:
    """Return the difference with the units of the first line that is posted otherwise, where one is."""
    for line in dict.fromkeys((*entry.postings, *found.postings)):
        ought, is_ = entry.postings.get(line, 0), found.postings.get(line, 0)
        if ought != is_:
            says = f"{line.book}: {line.account} says otherwise than its {entry.type}"
            return _of_entry(Kind.POSTED_OTHERWISE, entry, says, line=line, expected=ought, found=is_)
    return _of_entry(Kind.POSTED_OTHERWISE, entry, f"the entry names other things than its {entry.type}")


def _of_entry(
    kind: Kind, entry: Entry, says: str, *, line: Line | None = None, expected: int | None = None,
    found: int | None = None,
) -> Difference:  # fmt: skip
    return Difference(
        BOOKS,
        kind,
        entry.payment_id,
        entry.shop_id,
        entry.merchant_id,
        asset=line.asset if line else None,
        position=entry.version,
        expected=expected,
        found=found,
        says=says,
    )


# --- the chain ---


@dataclass(frozen=True, slots=True)
class Credited:
    """A transfer that a payment was credited with: it stands, in a block that is final."""

    asset: Asset
    txid: str
    position: int
    units: int
    height: int
    block_hash: str


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep of ours took from an address in base units, fees included. `names`: see `Left.by`."""

    names: frozenset[str]
    units: Mapping[Asset, int]


@dataclass(frozen=True, slots=True)
class Receiver:
    """An address and what its payment says of it.

    `suspects` are transactions that an earlier run had something to say about: they are read again.
    """

    payment_id: PaymentId
    shop_id: ShopId
    merchant_id: MerchantId
    address: str
    key: str
    since: datetime
    credited: tuple[Credited, ...]
    sweeps: tuple[Swept, ...] = ()
    suspects: frozenset[str] = frozenset()
    found_later: Mapping[Asset, int] = field(default_factory=dict)
    """Base units that were found by their balance in later blocks: they may have been there at the compared one."""

    def may_hold(self, asset: Asset, explained: int, held: int) -> bool:
        """Return whether an address may hold so much of an asset where transfers explain `explained`."""
        return 0 <= held - explained <= self.found_later.get(asset, 0)

    @property
    def swept(self) -> frozenset[str]:
        """Return the names of all that our sweeps took."""
        return frozenset(name for sweep in self.sweeps for name in sweep.names)

    def credits(self, asset: Asset) -> int:
        """Return the base units that were credited in an asset."""
        return sum(each.units for each in self.credited if each.asset == asset)


@dataclass(frozen=True, slots=True)
class Arrived:
    """A transfer to the address that the chain has. `time` is its block's, where it was asked for."""

    asset: Asset
    txid: str
    position: int
    units: int
    height: int
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """Coins that left the address, named by what took them; on Bitcoin by the coin that was spent.

    `by` is how a sweep would know them: its transaction, on Bitcoin the coin as `txid:output`.
    """

    asset: Asset
    txid: str
    position: int
    units: int
    by: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the chain says of one address at the block. `held` has every asset that was asked for."""

    held: Mapping[Asset, int]
    arrived: tuple[Arrived, ...] = ()
    left: tuple[Left, ...] = ()


def compare_chain(receiver: Receiver, evidence: Evidence, at: BlockRef) -> Iterator[Difference]:
    """Yield how what the chain has at the address differs from what was credited there."""
    arrived = {(each.asset, each.txid, each.position): each for each in evidence.arrived}
    for credit in receiver.credited:
        found = arrived.pop((credit.asset, credit.txid, credit.position), None)
        known = (credit.asset, credit.txid, credit.position)
        if found is None:
            yield _of_chain(Kind.NOT_ON_CHAIN, receiver, at, *known, expected=credit.units, found=0)
        elif found.units != credit.units:
            yield _of_chain(Kind.AMOUNT_DIFFERS, receiver, at, *known, expected=credit.units, found=found.units)
    for found in arrived.values():
        before = found.time is not None and found.time < receiver.since - CLOCKS_DIFFER
        kind = Kind.STRANGE if before else Kind.NOT_CREDITED
        yield _of_chain(kind, receiver, at, found.asset, found.txid, found.position, expected=0, found=found.units)
    swept = receiver.swept
    for coins in evidence.left:
        if coins.by not in swept:
            known = (coins.asset, coins.txid, coins.position)
            yield _of_chain(Kind.MOVED, receiver, at, *known, expected=coins.units, found=0)
    yield from _swept_otherwise(receiver, evidence, at)
    yield from _remainder(receiver, evidence, at)


def _swept_otherwise(receiver: Receiver, evidence: Evidence, at: BlockRef) -> Iterator[Difference]:
    """Yield for each sweep of ours what it took in other units than it says; nothing before its block is compared."""
    for sweep in receiver.sweeps:
        gone: Counter[Asset] = Counter()
        for coins in evidence.left:
            if coins.by in sweep.names:
                gone[coins.asset] += coins.units
        for asset in {*gone, *sweep.units} if gone else ():
            ought = sweep.units.get(asset, 0)
            if ought != gone[asset]:
                name = min(sweep.names)
                yield _of_chain(Kind.AMOUNT_DIFFERS, receiver, at, asset, name, expected=ought, found=gone[asset])


def _remainder(receiver: Receiver, evidence: Evidence, at: BlockRef) -> Iterator[Difference]:
    """Yield for each asset what all transfers that were found don't explain.

    More than all of them has come without a transaction of its own, from a contract: it is not credited. Less has gone
    with one that was not found.
    """
    known: Counter[Asset] = Counter()
    for each in evidence.arrived:
        known[each.asset] += each.units
    for coins in evidence.left:
        known[coins.asset] -= coins.units
    for asset, held in evidence.held.items():
        if not receiver.may_hold(asset, known[asset], held):
            kind = Kind.NOT_CREDITED if held > known[asset] else Kind.UNEXPLAINED
            yield _of_chain(kind, receiver, at, asset, expected=known[asset], found=held)


def _of_chain(
    kind: Kind,
    receiver: Receiver,
    at: BlockRef,
    asset: Asset,
    txid: str | None = None,
    position: int | None = None,
    *,
    expected: int,
    found: int,
) -> Difference:
    return Difference(
        at.chain,
        kind,
        receiver.payment_id,
        receiver.shop_id,
        receiver.merchant_id,
        asset,
        receiver.address,
        txid,
        position,
        expected,
        found,
        at.height,
    )


def credited(payment: Payment, upto: int) -> tuple[Credited, ...]:
    """Return the transfers that stand in blocks up to a height, each in its asset."""
    return tuple(
        Credited(
            each.asset or payment.asset,
            each.txid,
            each.position,
            each.units,
            each.inclusion.height,
            each.inclusion.block_hash,
        )
        for each in payment.transfers
        if each.live and each.inclusion is not None and each.inclusion.height <= upto
    )


def swept(payment: Payment) -> tuple[Swept, ...]:
    """Return what sweeps took from the payment's address, as the watcher saw it; plans took nothing yet."""
    found: list[Swept] = []
    for one in payment.sweeps:
        if one.stage in (SweepStage.MOVING, SweepStage.SWEPT):
            units = {one.coins.asset: one.coins.units}
            if one.fee.asset != one.coins.asset:
                units[one.fee.asset] = one.fee.units
            found.append(Swept(frozenset(one.inputs or ([one.txid] if one.txid else [])), units))
    return tuple(found)


def as_credited(receiver: Receiver, held: Mapping[Asset, int], left: Collection[Left] = ()) -> bool:
    """Return whether an address holds, of every asset, just what was credited less what our sweeps took."""
    gone: Counter[Asset] = Counter()
    for coins in left:
        gone[coins.asset] += coins.units
    return all(receiver.may_hold(asset, receiver.credits(asset) - gone[asset], units) for asset, units in held.items())


def found_later(payment: Payment, upto: int) -> Mapping[Asset, int]:
    """Return the base units that were found by their balance in blocks above a height."""
    found: Counter[Asset] = Counter()
    for each in payment.transfers:
        if each.live and is_internal(each) and each.inclusion is not None and each.inclusion.height > upto:
            found[each.asset or payment.asset] += each.units
    return found
