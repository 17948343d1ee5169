"""The calls of orders. Written by `python -m triggers docs` from the registry; not to be edited."""

from shared.client.call import Call, Scalar, call, segment
from shared.orders.get_estimate import Estimate
from shared.orders.get_receipt import Receipt
from shared.orders.get_timeline import Timeline
from shared.orders.list_slots import Slots
from shared.orders.model import (
    CancelOrder,
    Destination,
    DestinationView,
    KitchenQueue,
    ModifyOrder,
    OrderPage,
    OrderView,
    PlaceOrder,
)


def cancel_order(
    order_id: str, body: CancelOrder, *, key: str | None = None, if_match: int | None = None
) -> Call[OrderView]:
    """POST /v1/orders/{order_id}/cancel: call an order off before its preparation begins."""
    return call(
        "cancel_order",
        "POST",
        f"/v1/orders/{segment(order_id)}/cancel",
        OrderView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def create_order(body: PlaceOrder, *, key: str | None = None) -> Call[OrderView]:
    """POST /v1/orders: place an order, its stock reserved, its price fixed."""
    return call("create_order", "POST", "/v1/orders", OrderView, body=body, idempotent=True, key=key)


def dispatch_order(order_id: str, *, key: str | None = None, if_match: int | None = None) -> Call[OrderView]:
    """POST /v1/orders/{order_id}/dispatch: somebody is on their way with an order."""
    return call(
        "dispatch_order",
        "POST",
        f"/v1/orders/{segment(order_id)}/dispatch",
        OrderView,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def follow_order(order_id: str) -> Call[bytes]:
    """GET /v1/orders/{order_id}/events: an order's changes as server-sent events, as they happen."""
    return call("follow_order", "GET", f"/v1/orders/{segment(order_id)}/events", bytes, accept="text/event-stream")


def get_destination(order_id: str) -> Call[DestinationView]:
    """GET /v1/orders/{order_id}/destination: where an order is to be brought to."""
    return call("get_destination", "GET", f"/v1/orders/{segment(order_id)}/destination", DestinationView)


def get_estimate(shop_id: str) -> Call[Estimate]:
    """GET /v1/shops/{shop_id}/estimate: how long an order takes that is placed now."""
    return call("get_estimate", "GET", f"/v1/shops/{segment(shop_id)}/estimate", Estimate)


def get_kitchen_queue(shop_id: str) -> Call[KitchenQueue]:
    """GET /v1/shops/{shop_id}/queue: what is to be made and handed out, oldest first."""
    return call("get_kitchen_queue", "GET", f"/v1/shops/{segment(shop_id)}/queue", KitchenQueue)


def get_order(order_id: str) -> Call[OrderView]:
    """GET /v1/orders/{order_id}: one order, for its customer and its shop."""
    return call("get_order", "GET", f"/v1/orders/{segment(order_id)}", OrderView)


def get_receipt(order_id: str, *, format: Scalar = None) -> Call[Receipt]:
    """GET /v1/orders/{order_id}/receipt: what was bought and paid, as JSON, HTML or PDF."""
    return call(
        "get_receipt", "GET", f"/v1/orders/{segment(order_id)}/receipt", Receipt, query={"format": format}, accept="*/*"
    )


def get_timeline(order_id: str) -> Call[Timeline]:
    """GET /v1/orders/{order_id}/timeline: what happened to an order, its payments and its claim."""
    return call("get_timeline", "GET", f"/v1/orders/{segment(order_id)}/timeline", Timeline)


def list_orders(*, shop_id: Scalar = None, cursor: Scalar = None, limit: Scalar = None) -> Call[OrderPage]:
    """GET /v1/orders: the caller's orders, or a shop's for its staff; newest first."""
    return call(
        "list_orders", "GET", "/v1/orders", OrderPage, query={"shop_id": shop_id, "cursor": cursor, "limit": limit}
    )


def list_slots(shop_id: str, *, day: Scalar = None) -> Call[Slots]:
    """GET /v1/shops/{shop_id}/slots: when the shop has room for an order."""
    return call("list_slots", "GET", f"/v1/shops/{segment(shop_id)}/slots", Slots, query={"day": day})


def mark_ready(order_id: str, *, key: str | None = None, if_match: int | None = None) -> Call[OrderView]:
    """POST /v1/orders/{order_id}/ready: the order stands on the counter."""
    return call(
        "mark_ready",
        "POST",
        f"/v1/orders/{segment(order_id)}/ready",
        OrderView,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def modify_order(
    order_id: str, body: ModifyOrder, *, key: str | None = None, if_match: int | None = None
) -> Call[OrderView]:
    """PUT /v1/orders/{order_id}: change what is ordered, while nothing was asked for it."""
    return call(
        "modify_order",
        "PUT",
        f"/v1/orders/{segment(order_id)}",
        OrderView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def remove_destination(order_id: str, *, key: str | None = None, if_match: int | None = None) -> Call[OrderView]:
    """DELETE /v1/orders/{order_id}/destination: fetch an order yourself after all."""
    return call(
        "remove_destination",
        "DELETE",
        f"/v1/orders/{segment(order_id)}/destination",
        OrderView,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def set_destination(
    order_id: str, body: Destination, *, key: str | None = None, if_match: int | None = None
) -> Call[OrderView]:
    """PUT /v1/orders/{order_id}/destination: have an order brought to you, until a payment is asked for."""
    return call(
        "set_destination",
        "PUT",
        f"/v1/orders/{segment(order_id)}/destination",
        OrderView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def start_preparing(order_id: str, *, key: str | None = None, if_match: int | None = None) -> Call[OrderView]:
    """POST /v1/orders/{order_id}/prepare: a barista begins to make a confirmed order."""
    return call(
        "start_preparing",
        "POST",
        f"/v1/orders/{segment(order_id)}/prepare",
        OrderView,
        idempotent=True,
        key=key,
        if_match=if_match,
    )
