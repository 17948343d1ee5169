"""From what a watcher read to the facts of one payment. Pure, and repeatable: what is known already says nothing.

Order matters and is kept: first what a lost branch takes back, then the new blocks, then the mempool.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from shared.kernel.facts import Fact
from shared.kernel.money import Asset
from shared.payments import facts, internal, sweep_fold
from shared.payments.arrivals import Arriving, arrive, known_of
from shared.payments.chain import Block, BlockRef, Outpoint, Transfer
from shared.payments.lifecycle import who
from shared.payments.model import Arrival, Payment


@dataclass(frozen=True, slots=True)
class Sighting:
    """A transfer of the mempool with the coins that its transaction spends."""

    transfer: Transfer
    inputs: tuple[Outpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """The native balances of some receivers after one block, in base units."""

    block_hash: str
    balances: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Observation:
    """What was read of a chain since the cursor: one write.

    `fork` is the height of the last block that the lost branch and the new one share, None where nothing was lost.
    `conflicts` names for a sighted transaction the one that spent its coins instead.
    `behind` says that the blocks were read long after they were mined: their own time then says when a transfer was
    there to be seen; else, where the mempool is watched, it is `at`.
    `looks` are balances in `native` that were read besides, `bases` what lay at a receiver before it was one,
    `left_before` what had left it (in `native`) before these blocks.
    """

    chain: str
    at: datetime
    blocks: tuple[Block, ...] = ()
    fork: BlockRef | None = None
    sightings: tuple[Sighting, ...] = ()
    conflicts: Mapping[str, str] = field(default_factory=dict)
    behind: bool = False
    mempool_watched: bool = False
    native: Asset | None = None
    looks: tuple[Look, ...] = ()
    bases: Mapping[str, int] = field(default_factory=dict)
    left_before: Mapping[str, int] = field(default_factory=dict)

    @property
    def watch_keys(self) -> frozenset[str]:
        """Return the receivers that something happened to."""
        mined = (transfer.to for block in self.blocks for transfer in block.transfers)
        looked = (key for look in self.looks for key in look.balances)
        return frozenset((*mined, *looked, *(sighting.transfer.to for sighting in self.sightings)))

    def seen_at(self, block: Block) -> datetime:
        """Return when a transfer that was never in our mempool counts as seen."""
        if self.behind:
            return min(self.at, block.median_time)
        return self.at if self.mempool_watched else min(self.at, block.time)


def observe(payment: Payment, observed: Observation) -> Sequence[Fact]:
    """Return the facts that an observation adds to a payment; none when it says nothing new about it."""
    return tuple(_Fold(payment, observed).run())


class _Fold:
    """The payment, and its transfers as they stand after each of the facts so far."""

    def __init__(self, payment: Payment, observed: Observation) -> None:
        self._payment = payment
        self._arrivals = known_of(payment)
        self._observed = observed
        self._left = observed.left_before.get(payment.watch_key, 0)
        self._looks = {look.block_hash: look.balances for look in observed.looks}

    def run(self) -> Iterator[Arriving]:
        for fact in self._facts():
            arrive(self._arrivals, fact)
            yield fact

    def _facts(self) -> Iterator[Arriving]:
        yield from self._lost()
        for block in self._observed.blocks:
            yield from self._conflicting()
            for transfer in block.transfers:
                if transfer.to == self._payment.watch_key:
                    yield from self._mined(transfer, block)
            yield from self._unexplained(block)
        yield from self._conflicting()
        for sighting in self._observed.sightings:
            transfer = sighting.transfer
            known = self._known(transfer)
            fresh = transfer.to == self._payment.watch_key and not (known and known.live)
            if fresh and transfer.txid not in self._observed.conflicts:
                yield self._seen(transfer, self._observed.at)

    def _lost(self) -> Iterator[Arriving]:
        """Take back every inclusion above the fork; a transfer of the new branch is included again below."""
        fork = self._observed.fork
        for arrival in tuple(self._arrivals.values()) if fork else ():
            if fork and arrival.inclusion and arrival.inclusion.height > fork.height:
                yield self._excluded(arrival, "its block left the best chain")

    def _conflicting(self) -> Iterator[Arriving]:
        """Take back what is only seen and whose coins another transaction spent."""
        for arrival in tuple(self._arrivals.values()) if self._observed.conflicts else ():
            spender = self._observed.conflicts.get(arrival.txid)
            if spender is not None and arrival.live and arrival.inclusion is None:
                yield self._excluded(arrival, f"its coins were spent by {spender}")

    def _unexplained(self, block: Block) -> Iterator[Arriving]:
        """Credit what lies at the address after this block, or has left it, and no transfer brought.

        The amount is absolute: everything that ever came, less everything that was credited.
        """
        key, native = self._payment.watch_key, self._observed.native
        self._left += sum(out.units for out in block.outflows if out.account == key and out.asset == native)
        looks = self._looks.get(block.ref.hash, {})
        if native is None or key not in looks:
            return
        came = looks[key] + self._left - self._observed.bases.get(key, 0)
        present = self._payment.model_copy(update={"transfers": tuple(self._arrivals.values())})
        credited = sum(arrival.units for arrival in present.transfers if self._brought(arrival, native))
        for position, units in internal.positions(present, came - credited):
            yield from self._mined(internal.transfer(present, native, position, units, block), block)

    def _brought(self, arrival: Arrival, native: Asset) -> bool:
        """Return whether a transfer is in a block of the best chain, in the chain's own coin."""
        return arrival.live and arrival.inclusion is not None and (arrival.asset or self._payment.asset) == native

    def _mined(self, transfer: Transfer, block: Block) -> Iterator[Arriving]:
        known = self._known(transfer)
        if known is None:
            # Gas for a sweep is no sighting of a payment: nobody is told of it.
            if not sweep_fold.is_gas(self._payment.sweeps, self._foreign(transfer), transfer.units):
                yield self._seen(transfer, self._observed.seen_at(block))
        elif known.inclusion is not None:
            if known.inclusion.block_hash == block.ref.hash:
                return
            yield self._excluded(known, "another block includes it")
        yield facts.PaymentIncluded(
            **who(self._payment),
            transfer=_id(self._payment, transfer.txid, transfer.position),
            units=transfer.units,
            asset=self._foreign(transfer),
            height=block.ref.height,
            block_hash=block.ref.hash,
            block_time=block.time,
            at=self._observed.at,
        )

    def _seen(self, transfer: Transfer, seen_at: datetime) -> facts.PaymentSeen:
        return facts.PaymentSeen(
            **who(self._payment),
            transfer=_id(self._payment, transfer.txid, transfer.position),
            units=transfer.units,
            asset=self._foreign(transfer),
            seen_at=seen_at,
            at=self._observed.at,
        )

    def _excluded(self, arrival: Arrival, reason: str) -> facts.PaymentExcluded:
        return facts.PaymentExcluded(
            **who(self._payment),
            transfer=_id(self._payment, arrival.txid, arrival.position),
            block_hash=arrival.inclusion.block_hash if arrival.inclusion else None,
            reason=reason,
            at=self._observed.at,
        )

    def _known(self, transfer: Transfer) -> Arrival | None:
        return self._arrivals.get((transfer.txid, transfer.position))

    def _foreign(self, transfer: Transfer) -> Asset | None:
        return None if transfer.asset == self._payment.asset else transfer.asset


def _id(payment: Payment, txid: str, position: int) -> facts.ChainTransfer:
    return facts.ChainTransfer(chain=payment.chain, txid=txid, position=position)
