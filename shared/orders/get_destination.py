"""get_destination: where an order is to be brought to, for its customer and for who brings it."""

from shared.kernel.decision import By
from shared.kernel.errors import NotFound
from shared.kernel.ids import OrderId
from shared.kernel.money import Fiat
from shared.kernel.reply import Reply
from shared.orders import lifecycle
from shared.orders.model import Destination, DestinationView
from shared.orders.ports import Destinations, Orders


async def get_destination(
    order_id: OrderId, *, by: By, using: Orders, destinations: Destinations
) -> Reply[DestinationView]:
    """Return the destination. Raises NotFound: somebody else's, an order that is fetched, or a person forgotten."""
    found = await using.store.load(order_id)
    order = lifecycle.visible(found.state if found else None, by)
    if order.delivery is None:
        raise NotFound("The order is fetched.")
    text = await destinations.open(order.customer_id, order.delivery.sealed)
    if text is None:
        raise NotFound("Its customer was forgotten, and their address with them.")
    view = DestinationView(
        order_id=order_id,
        destination=Destination.model_validate_json(text),
        distance_m=order.delivery.distance_m,
        fee=Fiat(currency=order.currency, units=order.delivery.fee),
    )
    return Reply(view, headers={"cache-control": "no-store"})
