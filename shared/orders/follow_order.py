"""follow_order: an order's customer and its shop are told of each change as it happens, over one open connection."""

import random
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from shared.kernel.decision import By
from shared.kernel.errors import NotFound
from shared.kernel.ids import OrderId
from shared.kernel.reply import Reply, Streamed
from shared.kernel.store import Store
from shared.orders import lifecycle
from shared.orders.live_feed import LiveFeed, LiveVersions
from shared.orders.model import LiveOrder, Order, OrderStatus

CONTENT_TYPE: Final = "text/event-stream"
BEAT_S: Final = 15.0
"""Without news for so long, a comment is sent: proxies end connections on which nothing moves."""
END_S: Final = 270.0
"""A connection ends after this and up to a tenth more; browsers come again by themselves, with the last id."""
RETRY_MS: Final = 2_000
_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}
_OVER: Final = frozenset({OrderStatus.COMPLETED, OrderStatus.CANCELLED, OrderStatus.EXPIRED})


@dataclass(frozen=True, slots=True)
class Following:
    """Everything follow_order is given."""

    store: Store[Order]
    reads: LiveVersions
    feed: LiveFeed


async def follow_order(
    order_id: OrderId, *, last_id: str | None, stays: bool, by: By, using: Following, end_s: float = END_S
) -> Reply[bytes]:
    """Return a stream of events `order`, each the whole live document, with its (generation, version) as id.

    The present document comes first, unless it is the one that `last_id` names. Without `stays` (the caller does not
    accept event streams) it ends there. 204 for an order that is over and known: browsers then come no more.
    Raises NotFound like get_order, TooMany.
    """
    found = await using.store.load(order_id)
    lifecycle.visible(found.state if found else None, by)
    now = await using.reads.live(order_id)
    if now is None:
        raise NotFound("There is no such order.")
    known = last_id == id_of(now)
    if known and now.status in _OVER:
        return Reply(b"", status=204)
    if stays:
        using.feed.admit(by.actor)
    chunks = _events(now, by.actor, known=known, stays=stays, feed=using.feed, end_s=end_s)
    return Streamed(chunks, content_type=CONTENT_TYPE, headers=_HEADERS)


async def _events(
    now: LiveOrder, caller: str, *, known: bool, stays: bool, feed: LiveFeed, end_s: float
) -> AsyncGenerator[bytes, None]:
    yield f"retry: {RETRY_MS}\n\n".encode()
    if not known:
        yield event_of(now)
    if not stays or now.status in _OVER:
        return
    changes = feed.follow(now, caller, beat_s=BEAT_S, end_s=end_s * random.uniform(1.0, 1.1))
    try:
        async for change in changes:
            yield b": nothing new\n\n" if change is None else event_of(change)
            if change is not None and change.status in _OVER:
                return
    finally:
        await changes.aclose()


def id_of(order: LiveOrder) -> str:
    """Return the id of an event: what a client that comes again says it knows."""
    return f"{order.generation}-{order.version}"


def event_of(order: LiveOrder) -> bytes:
    """Return a document as one server-sent event."""
    return f"id: {id_of(order)}\nevent: order\ndata: {order.model_dump_json(exclude_none=True)}\n\n".encode()
