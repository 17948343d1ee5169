"""set_destination: an order is to be brought to its customer; what that costs is part of the total."""

from collections.abc import Sequence

from shared.kernel.decision import By
from shared.kernel.errors import NotFound
from shared.kernel.facts import Fact
from shared.kernel.ids import OrderId
from shared.kernel.reply import Reply
from shared.orders import delivery, lifecycle
from shared.orders.create_order import shown
from shared.orders.model import Destination, Order, OrderView
from shared.orders.ports import Destinations, Orders


async def set_destination(
    order_id: OrderId, command: Destination, *, if_match: int | None, by: By, using: Orders, destinations: Destinations
) -> Reply[OrderView]:
    """Return the order with its new total; the address is sealed before it enters a fact.

    Raises NotFound, WrongState, NotDelivered, PaymentAsked, SlotFull, VersionConflict, AlreadyAnswered, Transient.
    """
    now = using.clock.now()
    found = await using.store.load(order_id)
    if found is None:
        raise NotFound("There is no such order.")
    order = lifecycle.visible(found.state, by)
    shop = await using.shops.terms(order.shop_id)
    sealed = await destinations.seal(order.customer_id, command.model_dump_json())

    def rule(present: Order | None) -> Sequence[Fact]:
        return delivery.set_destination(present, command, sealed, shop=shop, by=by, now=now)

    return shown(await using.store.modify(order_id, rule, by=by, now=now, reply=shown, if_match=if_match))
