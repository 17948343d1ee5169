"""Bringing an order to its customer: how far, for how much, and what is agreed to about it. Pure."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from shared.kernel.decision import By
from shared.kernel.errors import Conflict, NotFound
from shared.kernel.facts import Fact
from shared.kernel.money import Fiat
from shared.orders import facts
from shared.orders.lifecycle import Halted, WrongState, staffed, visible, who
from shared.orders.model import Destination, Order, OrderStatus
from shared.orders.ports import ShopTerms

_EARTH_RADIUS_M: Final = 6_372_797.560856
"""That of the sphere by which shops are found."""


class NotDelivered(Conflict):
    """The shop does not deliver, not so far, or not so little."""

    type = "not-delivered"
    title = "This is not delivered there"


def set_destination(
    order: Order | None, to: Destination, sealed: str, *, shop: ShopTerms, by: By, now: datetime
) -> Sequence[Fact]:
    """Return the facts of an order that is to be brought to its customer. Raises NotFound, WrongState, NotDelivered."""
    order = _own(order, by, now)
    terms = shop.delivery
    if terms is None:
        raise NotDelivered("The shop does not deliver.")
    far = distance_m(shop.latitude, shop.longitude, to.latitude, to.longitude)
    if far > terms.radius_m:
        raise NotDelivered(f"The shop delivers up to {terms.radius_m} m; it is {far} m.", distance_m=far)
    goods = _goods(order)
    if goods < terms.minimum:
        least = Fiat(currency=order.currency, units=terms.minimum)
        raise NotDelivered(f"The shop delivers orders of {least} or more, tips not counted.")
    delivery = facts.Delivery(sealed=sealed, distance_m=far, fee=terms.fee, minimum=terms.minimum)
    return _agreed(order, delivery, now)


def remove_destination(order: Order | None, *, by: By, now: datetime) -> Sequence[Fact]:
    """Return the facts of an order that is fetched after all. Raises NotFound, WrongState."""
    order = _own(order, by, now)
    if order.delivery is None:
        raise WrongState("It is fetched already.", order_status=order.status)
    return _agreed(order, None, now)


def dispatch(order: Order | None, *, by: By, now: datetime) -> Sequence[Fact]:
    """Return the facts of an order that is on its way; none when it is already. Raises NotFound, WrongState, Halted."""
    order = staffed(order, by)
    if order.delivery is None or order.status is not OrderStatus.READY:
        raise WrongState("Only what is ready and to be delivered can be sent on its way.", order_status=order.status)
    if order.halted:
        raise Halted("The chain reversed the payment. Wait until it settles again.")
    return () if order.dispatched_at else (facts.OrderDispatched(**who(order, now), courier=by.actor),)


def _own(order: Order | None, by: By, now: datetime) -> Order:
    order = visible(order, by)
    if by.actor != order.customer_id:
        raise NotFound("There is no such order among yours.")
    if order.status is not OrderStatus.PENDING or now >= order.pay_by:
        raise WrongState("Only an order that waits for its payment can be changed.", order_status=order.status)
    return order


def _goods(order: Order) -> int:
    return sum(line.payable for line in order.lines)


def _agreed(order: Order, delivery: facts.Delivery | None, now: datetime) -> Sequence[Fact]:
    total = _goods(order) + order.tip + (delivery.fee if delivery else 0)
    due = Fiat(currency=order.currency, units=total)
    return (facts.OrderDestinationSet(**who(order, now), delivery=delivery, total=due),)


def distance_m(latitude: float, longitude: float, to_latitude: float, to_longitude: float) -> int:
    """Return the way between two points as the crow flies (WGS 84 degrees), in metres, rounded up."""
    north, south = math.radians(latitude), math.radians(to_latitude)
    half_up = (south - north) / 2
    half_across = math.radians(to_longitude - longitude) / 2
    chord = math.sin(half_up) ** 2 + math.cos(north) * math.cos(south) * math.sin(half_across) ** 2
    return math.ceil(2 * _EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(chord))))
