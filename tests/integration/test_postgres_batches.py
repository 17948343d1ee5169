"""Orders that share a statement: what one of them does, or has done to it, never reaches the others."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Iterator
from dataclasses import replace

import pytest

from shared.adapters.postgres.database import Connection, Database, Sql
from shared.adapters.postgres.refusals import Slow, Undone
from shared.adapters.postgres.replay import replay
from shared.kernel.decision import AlreadyAnswered, By
from shared.kernel.errors import KeyReused
from shared.kernel.ids import UserId
from shared.kernel.reply import Reply
from shared.orders.create_order import create_order
from shared.orders.model import OrderView, PlaceOrder
from shared.orders.ports import SoldOut
from shared.settings import PostgresSettings
from tests.integration.locks import Locker
from tests.integration.ordering import Ordering, customer
from tests.integration.wire import Wire

Placing = Awaitable[Reply[OrderView]]
ORDERS = Sql("select count(*), count(distinct customer_id) from orders")
STORED = Sql("select status, headers::text, reply from idempotency where key = :key")
KILL = (
    "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database()"
    " and pid not in (select pg_backend_pid()) and state = 'active'"
)
DEADLOCKS = "select deadlocks from pg_stat_database where datname = current_database()"


@pytest.fixture
def locker(database: str) -> Iterator[Locker]:
    """Somebody who locks rows and watches who waits."""
    locker = Locker(database)
    yield locker
    locker.close()


def ordering(url: str, *, like: Ordering | None = None, lanes: int = 1, **settings: float) -> Ordering:
    """One shop in an instance of its own; with `like` another instance for the same shop."""
    at = Ordering(url, lanes=lanes)
    if settings:
        at.db = Database(replace(PostgresSettings(url), **settings))  # type: ignore[arg-type]  # all are floats
        at.store = type(at.store)(at.db, region="test", lanes=lanes)
        at.orders = replace(at.orders, store=at.store)
    if like is not None:
        at.shop = like.shop
        at.orders = replace(at.orders, shops=like.shop, menus=like.shop)
    return at


def place(at: Ordering, by: By, command: PlaceOrder | None = None) -> Placing:
    return create_order(command or at.wanted(), by=by, using=at.orders)


async def outcome(placing: Placing) -> str:
    try:
        return (await placing).view.status.value
    except Exception as error:  # noqa: BLE001  # the name is what is counted
        return type(error).__name__


async def outcomes(placings: list[Placing]) -> Counter[str]:
    return Counter(await asyncio.gather(*map(outcome, placings)))


def stock_of(at: Ordering) -> str:
    return f"select from stock where shop_id = '{at.shop.shop_id}' for update"


async def test_a_reused_key_is_refused_and_its_batch_is_placed(database: str) -> None:
    at = ordering(database)
    await at.stocked(50)
    me = UserId.new()
    await place(at, customer("k", b"one", me))
    placings = [place(at, customer("k", b"two", me) if n == 5 else customer(f"x{n}")) for n in range(10)]
    assert await outcomes(placings) == {"pending": 9, "KeyReused": 1}
    assert await at.counters() == (50, 10)


@pytest.mark.parametrize("poison", [{"note": "a\x00b"}, {"menu_version": 10**30}], ids=["NUL", "huge number"])
async def test_poisoned_requests_fail_alone_in_a_batch_of_sixty_four(database: str, poison: dict[str, object]) -> None:
    at = ordering(database)
    await at.stocked(100)
    command = at.wanted()
    fact = type(at.store).place

    async def poisoned(store: object, order_id: object, placed: object, **rest: object) -> object:
        bad = placed.model_copy(update=poison)  # type: ignore[attr-defined]  # an OrderPlaced
        return await fact(at.store, order_id, bad, **rest)  # type: ignore[arg-type]

    bad_store = type("Poisoned", (), {"place": poisoned})()
    bad = replace(at.orders, store=bad_store)
    placings: list[Placing] = [
        create_order(command, by=customer(f"x{n}"), using=bad if n in {0, 31, 63} else at.orders) for n in range(64)
    ]
    assert await outcomes(placings) == {"pending": 61, "DatabaseError": 3}
    assert await at.counters() == (100, 61)


async def test_what_cannot_be_encoded_fails_before_it_joins_a_batch(database: str) -> None:
    at = ordering(database)
    await at.stocked(10)
    lone_surrogate = at.wanted().model_copy(update={"note": "\ud800"})
    placings = [place(at, customer(f"x{n}"), lone_surrogate if n == 1 else None) for n in range(4)]
    counted = await outcomes(placings)
    assert counted["pending"] == 3
    assert await at.counters() == (10, 3)


async def test_one_key_with_two_bodies_in_two_instances_at_once_makes_one_order(database: str) -> None:
    here = ordering(database)
    there = ordering(database, like=here)
    await here.stocked(1000)
    for round_ in range(10):
        customers = [UserId.new() for _ in range(8)]
        counted = await outcomes(
            [place(here, customer(f"k{round_}", b"one", me)) for me in customers]
            + [place(there, customer(f"k{round_}", b"two", me)) for me in customers]
        )
        assert counted == {"pending": 8, "KeyReused": 8}
    assert await at_most_one_order_each(here) == 80
    assert await here.counters() == (1000, 80)


async def at_most_one_order_each(at: Ordering) -> int:
    orders, customers = (await at.db.run(ORDERS))[0]
    assert orders == customers
    return int(orders)


async def test_a_key_with_two_bodies_in_one_batch_belongs_to_the_first(database: str) -> None:
    at = ordering(database)
    await at.stocked(10)
    me = UserId.new()
    first, second, third = await asyncio.gather(
        place(at, customer("k", b"one", me)),
        place(at, customer("k", b"two", me)),
        place(at, customer("k", b"one", me)),
        return_exceptions=True,
    )
    assert isinstance(first, Reply)
    assert isinstance(second, KeyReused)
    assert isinstance(third, AlreadyAnswered)
    assert third.reply == first.stored


async def test_batches_with_the_same_keys_in_opposite_order_do_not_wait_in_a_circle(
    database: str, locker: Locker
) -> None:
    here = ordering(database)
    there = ordering(database, like=here)
    here.shop.item = here.shop.item.model_copy(update={"sku": None})
    counted: Counter[str] = Counter()
    for round_ in range(15):
        bys = [customer(f"{round_}-{n}") for n in range(40)]
        counted += await outcomes([place(here, by) for by in bys] + [place(there, by) for by in reversed(bys)])
    assert counted == {"pending": 600, "AlreadyAnswered": 600}
    assert locker.admin.execute(DEADLOCKS)[0][0] == 0


async def test_keys_and_skus_may_be_called_anything_that_is_allowed(database: str) -> None:
    at = ordering(database)
    at.shop.item = at.shop.item.model_copy(update={"sku": "null"})
    await at.stocked(10)
    bys = [customer(key) for key in ('"', "\\", "{,}", "NULL", "'; --", ":n", "$1", "%s")]
    first = await asyncio.gather(*(place(at, by) for by in bys))
    again = await asyncio.gather(*(place(at, by) for by in bys), return_exceptions=True)
    assert [before.reply for before in again if isinstance(before, AlreadyAnswered)] == [one.stored for one in first]
    assert await at.counters() == (10, 8)


async def test_the_reply_is_kept_as_it_was_sent_byte_for_byte(database: str) -> None:
    at = ordering(database)
    await at.stocked(10)
    at.shop.item = at.shop.item.model_copy(update={"name": 'Café "crème" \\ 抹茶 🫘'})
    reply = await place(at, customer("kept"), at.wanted().model_copy(update={"note": "à bientôt\n<>&\u2028"}))
    status, headers, body = (await at.db.run(STORED, key="kept"))[0]
    assert (status, bytes(body)) == (201, reply.body)
    assert json.loads(headers) == reply.headers
    assert reply.headers["location"] == f"/v1/orders/{reply.view.order_id}"


async def test_what_is_crowded_out_by_others_is_tried_again_and_what_is_sold_out_is_not(database: str) -> None:
    at = ordering(database)
    await at.stocked(5)
    batch = [place(at, customer(f"c{n}"), at.wanted(quantity)) for n, quantity in enumerate((4, 3, 6, 1, 2))]
    told = await asyncio.gather(*batch, return_exceptions=True)
    assert [type(one) for one in told] == [Reply, SoldOut, SoldOut, Reply, SoldOut]
    left = [one.fields["available"] for one in told if isinstance(one, SoldOut)]
    assert left == [1, 5, 1]
    assert await at.counters() == (5, 5)


async def test_a_repeated_key_finds_its_order_even_when_that_took_the_last_portion(database: str) -> None:
    at = ordering(database)
    await at.stocked(1)
    by = customer("last")
    first = await place(at, by)
    with pytest.raises(AlreadyAnswered) as before:
        await place(at, by)
    assert before.value.reply == first.stored


async def test_a_commit_whose_answer_is_lost_is_found_and_told_as_placed(database: str) -> None:
    wire = Wire(database)
    at = ordering(wire.url)
    await at.stocked(100)
    wire.cut_after('"key":"lost-7"')
    assert await outcomes([place(at, customer(f"lost-{n}")) for n in range(20)]) == {"pending": 20}
    assert (wire.cuts, await at.counters()) == (1, (100, 20))
    wire.cut_before('"key":"unsaid-7"')
    assert await outcomes([place(at, customer(f"unsaid-{n}")) for n in range(20)]) == {"pending": 20}
    assert (wire.cuts, await at.counters()) == (2, (100, 40))
    wire.close()
    differences = replay(Connection(PostgresSettings(database))).differences
    assert [line for line in differences if "stock of" not in line] == []


async def test_a_lost_commit_that_took_the_last_portions_is_not_told_as_sold_out(database: str) -> None:
    wire = Wire(database)
    at = ordering(wire.url)
    await at.stocked(20)
    wire.cut_after('"key":"lost-7"')
    assert await outcomes([place(at, customer(f"lost-{n}")) for n in range(20)]) == {"pending": 20}
    assert await at.counters() == (20, 20)
    wire.close()


async def test_a_batch_whose_backend_is_killed_while_it_waits_is_placed_once(database: str, locker: Locker) -> None:
    at = ordering(database)
    await at.stocked(100)
    locker.hold(stock_of(at))
    placing = asyncio.create_task(outcomes([place(at, customer(f"k{n}")) for n in range(30)]))
    (backend,) = await locker.waiting(1)
    locker.admin.execute(f"select pg_terminate_backend({backend})")
    await locker.waiting(1, but=backend)
    locker.release()
    assert await placing == {"pending": 30}
    assert await at.counters() == (100, 30)


async def test_backends_killed_again_and_again_under_load_neither_lose_nor_double_an_order(
    database: str, locker: Locker
) -> None:
    """Rule 6: after a lost connection, by key first."""
    at = ordering(database, lanes=4)
    await at.stocked(3_000)
    kinds: Counter[str] = Counter()
    kills = waves = 0

    async def persistent(number: int) -> None:
        by = customer(f"p{number}")
        async with asyncio.timeout(30):
            while True:
                kind = await outcome(place(at, by))
                kinds[kind] += 1
                if kind in {"pending", "AlreadyAnswered"}:
                    return
                assert kind in {"Lost", "Undone"}

    async def customers() -> None:
        """A quick machine is through with six waves before it was hit often: then more come."""
        nonlocal waves
        while waves < 6 or (kills <= 3 and waves < 60):
            await asyncio.gather(*(persistent(waves * 50 + n) for n in range(50)))
            waves += 1

    buying = asyncio.create_task(customers())
    while not buying.done():
        kills += int(locker.admin.execute(KILL)[0][0])
        await asyncio.wait({buying}, timeout=0.02)
    await buying
    assert kills > 3
    ordered = 50 * waves
    assert kinds["pending"] + kinds["AlreadyAnswered"] == ordered
    assert await at_most_one_order_each(at) == ordered
    assert await at.counters() == (3_000, ordered)
    differences = replay(Connection(PostgresSettings(database))).differences
    assert [line for line in differences if "stock of" not in line] == []


async def test_a_shop_whose_stock_stays_locked_holds_up_no_other_shop_in_its_batch(
    database: str, locker: Locker
) -> None:
    at = ordering(database, statement_timeout_s=0.4)
    other = Ordering(database)
    other.store, other.orders = at.store, replace(other.orders, store=at.store)
    await at.stocked(100)
    await other.stocked(100)
    locker.hold(stock_of(other))
    placings = [place(other if n % 3 == 0 else at, customer(f"k{n}")) for n in range(30)]
    told = await asyncio.gather(*placings, return_exceptions=True)
    locker.release()
    assert {type(one) for n, one in enumerate(told) if n % 3 == 0} == {Slow}
    assert {type(one) for n, one in enumerate(told) if n % 3} == {Reply}
    assert (await at.counters(), await other.counters()) == ((100, 20), (100, 0))


async def test_whoever_waits_too_long_for_a_batch_is_turned_away_and_can_repeat(database: str, locker: Locker) -> None:
    at = ordering(database, wait_s=0.2)
    await at.stocked(100)
    locker.hold(stock_of(at))
    first = asyncio.create_task(outcome(place(at, customer("first"))))
    await locker.waiting(1)
    bys = [customer(f"late{n}") for n in range(10)]
    told = await asyncio.gather(*(place(at, by) for by in bys), return_exceptions=True)
    assert {type(one) for one in told} == {Undone}
    locker.release()
    assert await first == "pending"
    assert await at.counters() == (100, 1)
    assert await outcomes([place(at, by) for by in bys]) == {"pending": 10}


async def test_one_caller_who_goes_away_takes_no_other_along(database: str, locker: Locker) -> None:
    at = ordering(database, connections=1)
    await at.stocked(100)
    locker.hold(stock_of(at))
    under_way = [asyncio.ensure_future(place(at, customer(f"k{n}"))) for n in range(8)]
    await locker.waiting(1)
    queued = [asyncio.ensure_future(place(at, customer(f"q{n}"))) for n in range(8)]
    await asyncio.sleep(0)
    under_way[3].cancel()
    queued[3].cancel()
    locker.release()
    told = await asyncio.gather(*under_way, *queued, return_exceptions=True)
    assert Counter(type(one) for one in told) == {Reply: 14, asyncio.CancelledError: 2}
    assert await at.counters() == (100, 15)  # what was on its way is placed, what still queued is not
    assert await outcome(place(at, customer("next"))) == "pending"
