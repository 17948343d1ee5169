"""list_refunds: a shop's refunds, newest first, for its owner and its managers."""

from shared.kernel.decision import By
from shared.kernel.errors import NotFound
from shared.kernel.ids import RefundId
from shared.kernel.reply import Reply
from shared.payments.refund_model import ListRefunds, RefundPage
from shared.payments.refund_ports import Refunds
from shared.payments.refund_views import refund_view


async def list_refunds(asked: ListRefunds, *, by: By, using: Refunds) -> Reply[RefundPage]:
    """Return a page of refunds and the cursor of the next. Raises NotFound for a shop that is not the caller's."""
    if by.merchant_id is None or not by.staff_of(by.merchant_id, asked.shop_id):
        raise NotFound("There is no such shop among yours.")
    found = await using.store.of_shop(
        asked.shop_id, by.merchant_id, state=asked.state, before=asked.cursor, limit=asked.limit
    )
    if found is None:
        raise NotFound("There is no such shop among yours.")
    page, after = found
    shown = tuple(refund_view(payment, refund, to_the_shop=True) for payment, refund in page)
    return Reply(RefundPage(refunds=shown, next=RefundId(after) if after else None))
