"""drop_sweep: a plan is given up, so that its coins may be planned anew."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from shared.kernel.decision import By
from shared.kernel.facts import Fact
from shared.kernel.ids import PaymentId, SweepId
from shared.kernel.money import Asset
from shared.kernel.reply import Reply
from shared.payments import sweeps as rules
from shared.payments.get_sweep import visible
from shared.payments.model import Payment
from shared.payments.sweep_model import Sweep, SweepView
from shared.payments.sweep_ports import SweepRefused, SweepStore
from shared.payments.sweep_values import SweepState
from shared.payments.sweep_views import sweep_view


async def drop_sweep(
    sweep_id: SweepId, *, by: By, now: datetime, store: SweepStore, native_by_chain: Mapping[str, Asset]
) -> Reply[SweepView]:
    """Return the plan, dropped; again is harmless. Raises NotFound, and SweepRefused when a part of it was seen.

    Whoever has signed a part must not send it any more: its coins may be in another plan by then.
    """
    found = visible(await store.load(sweep_id), by)

    def rule(
        present: Sweep, payments: Mapping[PaymentId, Payment]
    ) -> tuple[Sequence[Fact], Mapping[PaymentId, Sequence[Fact]]]:
        if present.state is SweepState.DROPPED:
            return (), {}
        if present.state is not SweepState.PLANNED:
            raise SweepRefused("A part of it is under way already.")
        return rules.drop(present, payments, now=now)

    stored = await store.advance(sweep_id, rule, by=replace(by, once=None), now=now)
    return sweep_view(stored, native=native_by_chain[found.state.chain])
