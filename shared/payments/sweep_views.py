"""Sweeps as they are shown."""

from shared.kernel.decision import Stored
from shared.kernel.money import Asset, Money
from shared.kernel.reply import Reply
from shared.payments.sweep_model import Sweep, SweepSummary, SweepView


def sweep_summary(sweep: Sweep, *, native: Asset) -> SweepSummary:
    """Return a sweep as a list has it. `native`: what the chain's fees are paid in."""
    coins = sweep.plan.coins
    return SweepSummary(
        sweep_id=sweep.sweep_id,
        shop_id=sweep.shop_id,
        chain=sweep.chain,
        asset=sweep.asset,
        to=sweep.plan.to,
        state=sweep.state,
        coins=len(coins),
        total=Money(asset=sweep.asset, units=sum(coin.units for coin in coins)),
        fee=Money(asset=native, units=sum(one.fee for one in sweep.plan.transactions)),
        planned_at=sweep.planned_at,
        changed_at=sweep.changed_at,
    )


def sweep_view(
    stored: Stored[Sweep], *, native: Asset, status: int = 200, location: str | None = None
) -> Reply[SweepView]:
    """Return a sweep as an answer."""
    sweep = stored.state
    view = SweepView(
        **sweep_summary(sweep, native=native).model_dump(),
        transactions=sweep.plan.transactions,
        txids=sweep.txids,
        version=stored.version,
    )
    return Reply(view, status=status, version=stored.version, stream=sweep.sweep_id, location=location)
