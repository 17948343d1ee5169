"""What a fact of a sweep makes of a payment's coins, and where they lie then. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable

from shared.kernel.errors import Bug
from shared.kernel.money import Asset, Money
from shared.payments.facts import PaymentSwept
from shared.payments.sweep_values import PaymentSweep, SweepStage


def fold(sweeps: tuple[PaymentSweep, ...], fact: PaymentSwept) -> tuple[PaymentSweep, ...]:
    """Return the payment's sweeps after a fact. Raises Bug for a stage of a sweep that was never planned."""
    after = fact.sweep
    if all(one.sweep_id != after.sweep_id for one in sweeps):
        if after.stage is not SweepStage.PLANNED:
            raise Bug(f"{after.sweep_id} never planned anything of {fact.payment_id}")
        return (*sweeps, after)
    return tuple(after if one.sweep_id == after.sweep_id else one for one in sweeps)


def is_gas(sweeps: Iterable[PaymentSweep], asset: Asset | None, units: int) -> bool:
    """Return whether an arrival is what a sweep planned to bring, so that its address can pay for gas."""
    planned = (one.gas for one in sweeps if one.gas is not None and one.stage is not SweepStage.DROPPED)
    return any((gas.asset, gas.units) == (asset, units) for gas in planned)


def lies(sweeps: Iterable[PaymentSweep], gas: Collection[Money]) -> dict[Asset, Counter[str]]:
    """Return by how much sweeps change where coins lie, per asset and account: `addresses`, `transit`, `treasury`, …

    `gas` is what was brought to the address for it, in blocks of the best chain.
    """
    moved: dict[Asset, Counter[str]] = {}

    def add(asset: Asset, account: str, units: int) -> None:
        moved.setdefault(asset, Counter())[account] += units

    for money in gas:
        add(money.asset, "addresses", money.units)
        add(money.asset, "funded", -money.units)
    for one in sweeps:
        if one.stage not in (SweepStage.MOVING, SweepStage.SWEPT):
            continue
        coins, fee = one.coins, one.fee
        add(coins.asset, "addresses", -coins.units)
        own = fee.units if fee.asset == coins.asset else 0
        if one.stage is SweepStage.MOVING:
            add(coins.asset, "transit", coins.units)
        else:
            add(coins.asset, "treasury", coins.units - own)
            add(coins.asset, "fees", own)
        if not own:
            add(fee.asset, "addresses", -fee.units)
            add(fee.asset, "fees", fee.units)
    return moved
