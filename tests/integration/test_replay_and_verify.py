"""Events are the truth: rows are rebuilt from them exactly, and any change to them shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from pg8000.exceptions import DatabaseError

from shared.adapters.postgres.database import Connection
from shared.adapters.postgres.replay import replay
from shared.adapters.postgres.verify import exported, imported, stream_of, verdict
from shared.adapters.postgres.verify import main as verify
from shared.kernel.facts import broken_at
from shared.orders.cancel_order import cancel_order
from shared.orders.create_order import create_order
from shared.orders.model import CancelOrder
from shared.settings import PostgresSettings
from tests.integration.ordering import Ordering, again, customer


@pytest.fixture
async def order_id(database: str) -> str:
    """An order with two facts, whose stock nobody has released yet."""
    shop = Ordering(database)
    await shop.stocked(0)
    shop.shop.item = shop.shop.item.model_copy(update={"sku": None})
    by = customer("place")
    placed = await create_order(shop.wanted(), by=by, using=shop.orders)
    await cancel_order(
        placed.view.order_id, CancelOrder(reason="rain"), if_match=1, by=again(by, "cancel"), using=shop.orders
    )
    return str(placed.view.order_id)


async def test_replay_finds_every_row_equal_to_its_events(database: str, order_id: str) -> None:
    report = replay(Connection(PostgresSettings(database)))
    assert (report.streams, report.events, report.differences) == (1, 2, [])


async def test_replay_names_the_column_that_was_changed_behind_its_back(database: str, order_id: str) -> None:
    connection = Connection(PostgresSettings(database))
    connection.execute("update orders set total = total + 1")
    assert replay(connection).differences == [f"{order_id}: orders differs from its events in total"]


async def test_replay_finds_a_row_whose_events_are_gone_and_stock_nobody_received(database: str) -> None:
    shop = Ordering(database)
    await shop.stocked(3)
    connection = Connection(PostgresSettings(database))
    differences = replay(connection).differences
    assert differences == [f"stock of flat-white in {shop.shop.shop_id}: (3, 0) in the table, (0, 0) by its facts"]


async def test_events_can_neither_be_changed_nor_removed(database: str, order_id: str) -> None:
    connection = Connection(PostgresSettings(database))
    for attack in ("update events set actor = 'x'", "delete from events", "truncate events"):
        with pytest.raises(DatabaseError, match="append-only"):
            connection.execute(attack)


async def test_a_forged_event_breaks_the_chain_where_it_was_forged(database: str, order_id: str) -> None:
    connection = Connection(PostgresSettings(database))
    connection.execute("alter table events disable trigger events_are_append_only")
    connection.execute("update events set body = convert_to('{}', 'UTF8') where version = 2")
    said, code = verdict(stream_of(connection, order_id), order_id)
    assert (said, code) == (f"verify: {order_id} is broken at version 2 of 2", 1)


async def test_a_third_party_verifies_an_exported_stream_without_the_database(
    database: str, order_id: str, tmp_path: Path
) -> None:
    events = stream_of(Connection(PostgresSettings(database)), order_id)
    lines = [exported(event) for event in events]
    assert broken_at([imported(line) for line in lines]) is None
    file = tmp_path / "order.jsonl"
    file.write_text("\n".join(lines))
    assert verify([str(file)]) == 0
    file.write_text("\n".join(lines[1:]))
    assert verify([str(file)]) == 1
