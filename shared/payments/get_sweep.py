"""get_sweep: a plan with its transactions, and how far it has come."""

from collections.abc import Mapping

from shared.kernel.decision import By, Stored
from shared.kernel.errors import NotFound
from shared.kernel.ids import SweepId
from shared.kernel.money import Asset
from shared.kernel.reply import Reply
from shared.payments.sweep_model import Sweep, SweepView
from shared.payments.sweep_ports import SweepStore
from shared.payments.sweep_views import sweep_view


def visible(stored: Stored[Sweep] | None, by: By) -> Stored[Sweep]:
    """Return the sweep if the caller works for its shop. Raises NotFound otherwise."""
    if stored is None or not by.staff_of(stored.state.merchant_id, stored.state.shop_id):
        raise NotFound("There is no such sweep.")
    return stored


async def get_sweep(
    sweep_id: SweepId, *, by: By, store: SweepStore, native_by_chain: Mapping[str, Asset]
) -> Reply[SweepView]:
    """Return a sweep with its unsigned transactions. Raises NotFound."""
    stored = visible(await store.load(sweep_id), by)
    return sweep_view(stored, native=native_by_chain[stored.state.chain])
