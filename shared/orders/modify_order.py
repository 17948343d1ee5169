"""modify_order: change what is ordered while nothing was asked for it, its stock and its time with it in one commit."""

from collections.abc import Sequence

from shared.kernel.decision import By
from shared.kernel.errors import NotFound
from shared.kernel.facts import Fact
from shared.kernel.ids import OrderId
from shared.kernel.reply import Reply
from shared.orders import lifecycle
from shared.orders.create_order import priced, shown
from shared.orders.facts import discount_of
from shared.orders.model import ModifyOrder, Order, OrderView, PlaceOrder
from shared.orders.ports import Orders


async def modify_order(
    order_id: OrderId, command: ModifyOrder, *, if_match: int | None, by: By, using: Orders
) -> Reply[OrderView]:
    """Return the changed order; it is to be paid by the same time as before.

    Raises NotFound, WrongState, PaymentAsked, and what create_order raises.
    """
    now = using.clock.now()
    found = await using.store.load(order_id)
    if found is None:
        raise NotFound("There is no such order.")
    order = lifecycle.visible(found.state, by)
    wanted = PlaceOrder(shop_id=order.shop_id, **dict(command))
    having = discount_of(order.lines)
    instead = await priced(order_id, wanted, customer=order.customer_id, now=now, using=using, having=having)

    def rule(present: Order | None) -> Sequence[Fact]:
        return lifecycle.modify(present, instead, by=by, now=now)

    return shown(await using.store.modify(order_id, rule, by=by, now=now, reply=shown, if_match=if_match))
