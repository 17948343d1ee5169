"""The rules of sweeps. Pure: which coins may move, and what a sweep's stand on the chain means for them.

Only coins that are final move, and none while a payment at their address is open: an open payment's balance is watched.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.kernel.errors import Bug
from shared.kernel.facts import Fact
from shared.kernel.ids import PaymentId
from shared.kernel.money import Asset, Money
from shared.payments import facts
from shared.payments.lifecycle import who
from shared.payments.model import Payment
from shared.payments.sweep_model import Sweep
from shared.payments.sweep_values import RESERVED, PaymentSweep, SweepStage, SweepState, SweptCoin

LIFETIME: Final = timedelta(days=7)
"""A plan of which nothing was seen for so long is dropped, and its coins may be planned anew."""


@dataclass(frozen=True, slots=True)
class Sweepable:
    """Final coins at one address that no other sweep has. `inputs`: as `txid:position`, where there are outputs."""

    payment: Payment
    fingerprint: str
    units: int
    inputs: tuple[tuple[str, int, int], ...]
    """(txid, position, units) of each arrival."""


def sweepable(
    payment: Payment, fingerprint: str, asset: Asset, *, height: int, final_height: int, outputs: bool
) -> Sweepable | None:
    """Return what may move of a payment's coins; None where it is open, or nothing is left."""
    if payment.open and not (payment.settled and payment.final):
        return None
    deepest = min(final_height, height - payment.final_depth + 1)
    taken = [one for one in payment.sweeps if one.stage in RESERVED and one.coins.asset == asset]
    spent = {name for one in taken for name in one.inputs}
    final = [
        (arrival.txid, arrival.position, arrival.units)
        for arrival in payment.transfers
        if arrival.live
        and not arrival.gas
        and arrival.inclusion is not None
        and arrival.inclusion.height <= deepest
        and (arrival.asset or payment.asset) == asset
        and f"{arrival.txid}:{arrival.position}" not in spent
    ]
    units = sum(each[2] for each in final) - (0 if outputs else sum(one.coins.units for one in taken))
    return Sweepable(payment, fingerprint, units, tuple(final)) if units > 0 else None


def reserved(sweep: facts.SweepPlanned, payment: Payment, coin: SweptCoin, native: Asset) -> facts.PaymentSwept:
    """Return the fact that a plan has a payment's coins."""
    asset = sweep.plan.asset
    one = PaymentSweep(
        sweep_id=sweep.sweep_id,
        stage=SweepStage.PLANNED,
        coins=Money(asset=asset, units=coin.units),
        fee=Money(asset=native, units=coin.fee),
        gas=Money(asset=native, units=coin.gas) if coin.gas else None,
        inputs=coin.inputs,
    )
    return facts.PaymentSwept(**who(payment), sweep=one, at=sweep.at)


@dataclass(frozen=True, slots=True)
class Went:
    """What left an address: all of it in the asset, fee included where it is paid in it. `height` None: mempool."""

    txid: str
    units: int
    fee: int
    height: int | None


def follow(
    sweep: Sweep,
    payments: Mapping[PaymentId, Payment],
    went: Mapping[PaymentId, Went],
    *,
    native: Asset,
    final_height: int,
    now: datetime,
) -> tuple[Sequence[Fact], Mapping[PaymentId, Sequence[Fact]]]:
    """Return the facts of the sweep, and of its payments, now that this is what the chain shows."""
    states: list[SweepState] = []
    moved: dict[PaymentId, Sequence[Fact]] = {}
    txids = dict(sweep.txids)
    for coin in sweep.plan.coins:
        payment = payments[coin.payment_id]
        present = next((one for one in payment.sweeps if one.sweep_id == sweep.sweep_id), None)
        if present is None:
            raise Bug(f"{payment.payment_id} knows nothing of {sweep.sweep_id}")
        left = went.get(coin.payment_id)
        if left is not None:
            txids[coin.transaction] = left.txid
        states.append(_state(left, coin.transaction in txids, final_height))
        after = _after(present, left, sweep.asset, native, final_height)
        if after != present:
            moved[payment.payment_id] = (facts.PaymentSwept(**who(payment), sweep=after, at=now),)
    state = min(states, key=list(SweepState).index)
    if state is SweepState.PLANNED and any(one is not SweepState.PLANNED for one in states):
        state = SweepState.SEEN
    if state is SweepState.PLANNED and now - sweep.planned_at > LIFETIME:
        return drop(sweep, payments, now=now)
    if (state, txids) == (sweep.state, sweep.txids):
        return (), moved
    return (facts.SweepMoved(sweep_id=sweep.sweep_id, state=state, txids=txids, at=now),), moved


def drop(
    sweep: Sweep, payments: Mapping[PaymentId, Payment], *, now: datetime
) -> tuple[Sequence[Fact], Mapping[PaymentId, Sequence[Fact]]]:
    """Return the facts of a plan that is given up: its coins may be planned anew."""
    moved: dict[PaymentId, Sequence[Fact]] = {}
    for payment_id, payment in payments.items():
        for one in payment.sweeps:
            if one.sweep_id == sweep.sweep_id:
                after = one.model_copy(update={"stage": SweepStage.DROPPED})
                moved[payment_id] = (facts.PaymentSwept(**who(payment), sweep=after, at=now),)
    dropped = facts.SweepMoved(sweep_id=sweep.sweep_id, state=SweepState.DROPPED, txids=sweep.txids, at=now)
    return (dropped,), moved


def _state(left: Went | None, known: bool, final_height: int) -> SweepState:
    if left is None or left.height is None:
        return SweepState.SEEN if left or known else SweepState.PLANNED
    return SweepState.FINAL if left.height <= final_height else SweepState.CONFIRMED


def _after(present: PaymentSweep, left: Went | None, asset: Asset, native: Asset, final_height: int) -> PaymentSweep:
    if present.stage is SweepStage.SWEPT:
        return present
    if left is None or left.height is None:
        if present.stage is SweepStage.MOVING:
            return present.model_copy(update={"stage": SweepStage.PLANNED})
        return present
    stage = SweepStage.SWEPT if left.height <= final_height else SweepStage.MOVING
    changes = {
        "stage": stage,
        "txid": left.txid,
        "coins": Money(asset=asset, units=left.units),
        "fee": Money(asset=native, units=left.fee),
    }
    return present.model_copy(update=changes)


def shares(units: Sequence[int], fee: int) -> list[int]:
    """Return a fee split over coins by what each brings, whole units that add up to the fee."""
    total, rest = sum(units), fee
    parts = []
    for each in units[:-1]:
        part = fee * each // total
        parts.append(part)
        rest -= part
    return [*parts, rest]


def evolve(sweep: Sweep | None, fact: Fact) -> Sweep:
    """Return the state of a sweep after `fact`. Anything but its own facts is a Bug."""
    match fact:
        case facts.SweepPlanned() if sweep is None:
            return Sweep(
                sweep_id=fact.sweep_id,
                shop_id=fact.shop_id,
                merchant_id=fact.merchant_id,
                chain=fact.plan.chain,
                asset=fact.plan.asset,
                state=SweepState.PLANNED,
                plan=fact.plan,
                txids={one.number: one.txid for one in fact.plan.transactions if one.txid},
                planned_at=fact.at,
                changed_at=fact.at,
            )
        case facts.SweepMoved() if sweep is not None:
            return sweep.model_copy(update={"state": fact.state, "txids": fact.txids, "changed_at": fact.at})
    raise Bug(f"{fact.type} can't happen to {'no sweep' if sweep is None else sweep.sweep_id}")


def total(coins: Iterable[SweptCoin]) -> int:
    """Return what leaves the addresses."""
    return sum(coin.units for coin in coins)


def keys_of(coins: Collection[SweptCoin]) -> dict[str, SweptCoin]:
    """Return the coins of a plan by watch key: an address belongs to one payment."""
    return {coin.key: coin for coin in coins}
