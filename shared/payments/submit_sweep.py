"""submit_sweep: a transaction of a plan, signed elsewhere, is compared with the plan and given to the network."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from shared.kernel.decision import By
from shared.kernel.facts import Fact
from shared.kernel.ids import PaymentId, SweepId
from shared.kernel.reply import Reply
from shared.payments.facts import SweepMoved
from shared.payments.get_sweep import visible
from shared.payments.model import Payment
from shared.payments.sweep_model import SubmitSweep, Sweep, SweepView
from shared.payments.sweep_ports import Sweeping, SweepRefused
from shared.payments.sweep_values import SweepState
from shared.payments.sweep_views import sweep_view


async def submit_sweep(sweep_id: SweepId, command: SubmitSweep, *, by: By, using: Sweeping) -> Reply[SweepView]:
    """Return the sweep, this transaction of it under way. Sending it again is harmless.

    Raises NotFound, Invalid for what is no transaction of the plan, SweepRefused for a dropped plan, Transient.
    """
    found = visible(await using.store.load(sweep_id), by)
    sweep, chain = found.state, using.chains[found.state.chain]
    if sweep.state is SweepState.DROPPED:
        raise SweepRefused("The plan was dropped, and its coins may be in another one. Plan anew.")
    signed = chain.signed(sweep.plan, command.signed)
    await chain.broadcast(signed)
    now = using.clock.now()

    def rule(
        present: Sweep, payments: Mapping[PaymentId, Payment]
    ) -> tuple[Sequence[Fact], Mapping[PaymentId, Sequence[Fact]]]:
        txids = {**present.txids, signed.number: signed.txid}
        state = SweepState.SEEN if present.state is SweepState.PLANNED else present.state
        if (state, txids) == (present.state, present.txids):
            return (), {}
        return (SweepMoved(sweep_id=sweep_id, state=state, txids=txids, at=now),), {}

    stored = await using.store.advance(sweep_id, rule, by=replace(by, once=None), now=now)
    return sweep_view(stored, native=chain.native)
