"""list_orders: a customer's orders, or a shop's for its staff; newest first, by cursor."""

from shared.kernel.decision import By
from shared.kernel.errors import Forbidden
from shared.kernel.ids import UserId
from shared.kernel.reply import Reply
from shared.orders.model import ListOrders, OrderPage, OrderView
from shared.orders.ports import Orders


async def list_orders(asked: ListOrders, *, by: By, using: Orders) -> Reply[OrderPage]:
    """Return a page of orders and the cursor of the next. Raises Forbidden for a shop of another merchant."""
    if asked.shop_id is not None:
        if by.merchant_id is None or not by.staff_of(by.merchant_id, asked.shop_id):
            raise Forbidden("Only the shop's staff lists its orders.")
        page, after = await using.store.of_shop(asked.shop_id, by.merchant_id, before=asked.cursor, limit=asked.limit)
    else:
        page, after = await using.store.of_customer(UserId(by.actor), before=asked.cursor, limit=asked.limit)
    orders = tuple(OrderView.of(found.state, found.version) for found in page)
    return Reply(OrderPage(orders=orders, next=after))
