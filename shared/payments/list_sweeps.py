"""list_sweeps: the plans of a shop, the newest first."""

from collections.abc import Mapping

from shared.kernel.decision import By
from shared.kernel.errors import NotFound
from shared.kernel.ids import SweepId
from shared.kernel.money import Asset
from shared.kernel.reply import Reply
from shared.payments.sweep_model import ListSweeps, Sweeps
from shared.payments.sweep_ports import SweepStore
from shared.payments.sweep_views import sweep_summary


async def list_sweeps(
    asked: ListSweeps, *, by: By, store: SweepStore, native_by_chain: Mapping[str, Asset]
) -> Reply[Sweeps]:
    """Return a page of a shop's sweeps, the newest first. Raises NotFound."""
    merchant_id = await store.merchant_of(asked.shop_id)
    if merchant_id is None or not by.staff_of(merchant_id, asked.shop_id):
        raise NotFound("There is no such shop among yours.")
    found, after = await store.page(asked.shop_id, before=asked.cursor, limit=asked.limit)
    shown = tuple(sweep_summary(sweep, native=native_by_chain[sweep.chain]) for sweep in found)
    return Reply(Sweeps(sweeps=shown, next=SweepId(after) if after else None))
