"""project_live_order: the live document on Firestore is written whole, and never by an older state."""

from __future__ import annotations

import asyncio
import random
import socket
from datetime import UTC, datetime

import pytest
from google.cloud.firestore import AsyncClient

from emulators.component import Running
from shared.adapters.firestore import live_orders
from shared.adapters.firestore.live_orders import COLLECTION, FirestoreLiveOrders
from shared.adapters.resilience import Limits, Outage
from shared.kernel.ids import OrderId, ShopId, UserId
from shared.kernel.money import Fiat
from shared.orders.model import LiveOrder, OrderStatus
from shared.settings import GoogleSettings


def document(order_id: OrderId, version: int, status: OrderStatus, generation: int = 1) -> LiveOrder:
    return LiveOrder(
        order_id=order_id,
        customer_id=UserId.new(),
        shop_id=ShopId.new(),
        status=status,
        halted=False,
        total=Fiat(currency="EUR", units=420),
        claimable=False,
        changed_at=datetime(2026, 5, 6, tzinfo=UTC),
        generation=generation,
        version=version,
    )


@pytest.fixture
def google(firestore: Running, monkeypatch: pytest.MonkeyPatch) -> GoogleSettings:
    for name, value in firestore.env.items():
        monkeypatch.setenv(name, value)
    return GoogleSettings("cortado-test")


async def standing(settings: GoogleSettings, order_id: OrderId) -> tuple[int, int, str]:
    found = await AsyncClient(project=settings.project).collection(COLLECTION).document(order_id).get()
    return found.get("generation"), found.get("version"), found.get("status")


async def test_documents_that_arrive_out_of_order_end_with_the_newest(google: GoogleSettings) -> None:
    live, order_id = FirestoreLiveOrders(google), OrderId.new()
    versions = list(range(1, 9))
    random.Random(7).shuffle(versions)
    for version in versions:
        status = OrderStatus.READY if version == 8 else OrderStatus.PENDING
        await live.put(document(order_id, version, status))
    assert await standing(google, order_id) == (1, 8, "ready")


async def test_a_new_generation_wins_over_a_higher_version_of_the_old_one(google: GoogleSettings) -> None:
    live, order_id = FirestoreLiveOrders(google), OrderId.new()
    await live.put(document(order_id, 9, OrderStatus.READY))
    await live.put(document(order_id, 3, OrderStatus.CONFIRMED, generation=2))
    await live.put(document(order_id, 10, OrderStatus.READY))
    assert await standing(google, order_id) == (2, 3, "confirmed")


async def test_many_orders_at_once_do_not_disturb_one_another(google: GoogleSettings) -> None:
    live, orders = FirestoreLiveOrders(google), [OrderId.new() for _ in range(10)]
    await asyncio.gather(*(live.put(document(order_id, 1, OrderStatus.PENDING)) for order_id in orders))
    assert {await standing(google, order_id) for order_id in orders} == {(1, 1, "pending")}


async def test_a_firestore_that_says_nothing_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client can't roll back what never began, and says that instead of what went wrong."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(live_orders, "LIMITS", Limits(timeout_s=0.2, attempts=1))
        documents = FirestoreLiveOrders(GoogleSettings("cortado-test"))
        with pytest.raises(Outage):
            await documents.put(document(OrderId.new(), 1, OrderStatus.PENDING))
