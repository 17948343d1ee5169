"""The chain compared: what payments were credited with up to one final block, and what lies at their addresses there.

Pure. `Receiver` is what our books say of an address, `Evidence` what the chain does. Source: docs/reconciliation.md.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from shared.kernel.ids import MerchantId, PaymentId, ShopId
from shared.kernel.money import Asset
from shared.payments.chain import BlockRef
from shared.payments.internal import is_internal
from shared.payments.model import Payment
from shared.payments.reconciliation import Difference, Kind
from shared.payments.sweep_values import SweepStage

CLOCKS_DIFFER: Final = timedelta(hours=2)
"""A block's own time may be so far off (Bitcoin's rule; other chains are stricter)."""


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
    """What a sweep of ours took from an address in base units, fees included. `names`: see `Left.by`.

    `to` is the key of the treasury that was planned.
    """

    names: frozenset[str]
    units: Mapping[Asset, int]
    to: str


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

    def planned(self, coins: "Left") -> bool:
        """Return whether a sweep of ours took the coins to where they were to go."""
        return any(coins.by in sweep.names and coins.to in (None, sweep.to) for sweep in self.sweeps)

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

    `by` is how a sweep would know them: its transaction, on Bitcoin the coin as `txid:output`. `to` is the key of who
    got them, None where the chain does not say it of a single coin, or nobody did (gas).
    """

    asset: Asset
    txid: str
    position: int
    units: int
    by: str
    to: str | None = None


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
    for coins in evidence.left:
        if not receiver.planned(coins):
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


def swept(payment: Payment, treasury_by_sweep: Mapping[str, str]) -> tuple[Swept, ...]:
    """Return what sweeps took from the payment's address, as the watcher saw it; plans took nothing yet."""
    found: list[Swept] = []
    for one in payment.sweeps:
        if one.stage in (SweepStage.MOVING, SweepStage.SWEPT):
            units = {one.coins.asset: one.coins.units}
            if one.fee.asset != one.coins.asset:
                units[one.fee.asset] = one.fee.units
            names = frozenset(one.inputs or ([one.txid] if one.txid else []))
            found.append(Swept(names, units, treasury_by_sweep.get(one.sweep_id, "")))
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
