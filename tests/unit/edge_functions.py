"""Functions of every kind, as the framework loads them: what they do next is decided by the test through `DOES`."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from shared.edge.cloud_event import Event, Tick, Work, event_function, scheduled_function, work_function
from shared.edge.http import Encoded, Nothing, Request, http_function
from shared.edge.operation import EntryPoint
from shared.kernel.ids import OrderId, ShopId
from shared.kernel.money import Frozen, Units
from shared.kernel.reply import Reply
from tests.unit.edge_does import DOES, SEEN
from tests.unit.edge_kit import REGISTRY, Placed, Ready, edge

R = TypeVar("R")


class PlaceOrder(Frozen):
    shop_id: ShopId
    amount: Units
    note: str = ""
    lines: tuple[dict[str, int], ...] = ()
    weight: float = 0.0


class View(Frozen):
    said: str


class OrderPath(Frozen):
    order_id: OrderId
    limit: int = 20


class ShopPath(Frozen):
    shop_id: ShopId


class DevicePath(Frozen):
    device_id: str


class Push(Frozen):
    text: str


def http(function: Callable[[Request[Any, Any]], Awaitable[Reply[Any]]]) -> EntryPoint:
    return http_function(function, edge=edge, registry=lambda: REGISTRY)


async def does(request: object, default: R) -> R:
    SEEN.append(request)
    said = DOES.get("next")
    if isinstance(said, Exception):
        raise said
    return cast(R, said or default)


@http
async def place(request: Request[PlaceOrder, Nothing]) -> Reply[View]:
    return await does(request, Reply(View(said="placed"), status=201, version=1, location="/v1/orders/x"))


@http
async def cancel(request: Request[Nothing, OrderPath]) -> Reply[View]:
    return await does(request, Reply(View(said="cancelled"), version=2))


@http
async def look(request: Request[Nothing, OrderPath]) -> Reply[View]:
    return await does(request, Reply(View(said="here"), version=7))


@http
async def menu(request: Request[Nothing, ShopPath]) -> Reply[Encoded[View]]:
    return await does(request, Reply(Encoded(b'{"said":"menu"}'), headers={"etag": '"7"', "cache-control": "public"}))


@http
async def hours(request: Request[PlaceOrder, ShopPath]) -> Reply[View]:
    return await does(request, Reply(View(said="hours")))


@http
async def nonce(request: Request[Nothing, Nothing]) -> Reply[View]:
    return await does(request, Reply(View(said="nonce")))


@http
async def either(request: Request[Nothing, Nothing]) -> Reply[View]:
    return await does(request, Reply(View(said=request.by.actor)))


@http
async def leave(request: Request[Nothing, DevicePath]) -> Reply[None]:
    return await does(request, Reply(None, status=204))


@lambda function: event_function(function, edge=edge, registry=lambda: REGISTRY)
async def confirm(event: Event[Placed | Ready]) -> None:
    await does(event, Reply(None))


@lambda function: scheduled_function(function, edge=edge, registry=lambda: REGISTRY)
async def expire(tick: Tick) -> None:
    await does(tick, Reply(None))


@lambda function: work_function(function, edge=edge, registry=lambda: REGISTRY)
async def push(work: Work[Push]) -> None:
    await does(work, Reply(None))
