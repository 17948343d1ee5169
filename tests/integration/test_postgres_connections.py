"""The pool on a real Postgres: a connection that dies costs as little as it can, and never a wrong answer."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pg8000.exceptions import DatabaseError

from shared.adapters.postgres.database import Connection, Database, Sql
from shared.adapters.postgres.refusals import Lost, Slow, Undone
from shared.kernel.errors import Bug, Conflict, Transient
from shared.settings import PostgresSettings
from tests.integration.locks import Locker
from tests.integration.wire import Wire
from tests.waiting import until

PID = Sql("select pg_backend_pid()")
NOTE = Sql("insert into inbox (operation, event_id) values (:operation, :event_id) returning 1")
NOTED = Sql("select count(*) from inbox where operation = :operation")
HIDDEN_WRITE = Sql("with noted as (insert into inbox values ('hidden', :event_id) returning 1) select * from noted")
LOCK = Sql("select from inbox where operation = 'locked' for update")


@pytest.fixture
def wire(database: str) -> Iterator[Wire]:
    wire = Wire(database)
    yield wire
    wire.close()


@pytest.fixture
def admin(database: str) -> Iterator[Connection]:
    """A connection beside the pool, for doing harm."""
    connection = Connection(PostgresSettings(database))
    yield connection
    connection.close()


@pytest.fixture
def locker(database: str) -> Iterator[Locker]:
    """Somebody who locks rows and watches who waits."""
    locker = Locker(database)
    yield locker
    locker.close()


async def killed(admin: Connection) -> None:
    """Terminate every other backend of this database and wait until they are gone."""
    others = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    admin.execute(f"select pg_terminate_backend(pid) {others}")
    await until(lambda: admin.execute(f"select count(*) {others}")[0][0] == 0, "backends end")


async def pid_of(db: Database) -> int:
    return int((await db.run(PID))[0][0])


async def noted(db: Database, operation: str) -> int:
    return int((await db.run(NOTED, operation=operation))[0][0])


async def test_a_connection_that_the_server_closed_while_idle_costs_a_write_nothing(
    database: str, admin: Connection
) -> None:
    db = Database(PostgresSettings(database))
    await asyncio.gather(*(db.run(PID) for _ in range(8)))
    await killed(admin)
    await asyncio.gather(*(db.run(NOTE, operation="idle", event_id=str(n)) for n in range(8)))
    assert await noted(db, "idle") == 8


async def test_a_read_whose_connection_breaks_is_asked_again(wire: Wire) -> None:
    db = Database(PostgresSettings(wire.url))
    await db.run(NOTE, operation="read-me", event_id="1")
    for cut in (wire.cut_before, wire.cut_after):
        cut("read-me")
        assert await noted(db, "read-me") == 1
    assert wire.cuts == 2


async def test_a_write_whose_connection_breaks_is_lost_and_not_repeated(wire: Wire, database: str) -> None:
    db = Database(PostgresSettings(wire.url))
    wire.cut_after("unheard")
    with pytest.raises(Lost):
        await db.run(NOTE, operation="unheard", event_id="1")
    wire.cut_before("unsaid")
    with pytest.raises(Lost):
        await db.run(NOTE, operation="unsaid", event_id="1")
    wire.cut_after("once-only")
    with pytest.raises(Lost):
        await db.run(HIDDEN_WRITE, event_id="once-only")
    direct = Database(PostgresSettings(database))
    assert [await noted(direct, name) for name in ("unheard", "unsaid", "hidden")] == [1, 0, 1]


async def test_a_server_that_is_not_there_is_certain_to_have_done_nothing() -> None:
    db = Database(PostgresSettings("postgresql://cortado:x@127.0.0.1:9/cortado"))
    with pytest.raises(Undone):
        await db.run(NOTE, operation="nobody", event_id="1")


async def test_whoever_finds_no_free_connection_in_time_is_turned_away_and_nothing_is_done(
    database: str, locker: Locker
) -> None:
    db = Database(PostgresSettings(database, connections=1, wait_s=0.2))
    await db.run(NOTE, operation="locked", event_id="1")
    locker.hold(LOCK.text)
    blocked = asyncio.create_task(db.run(LOCK))
    await locker.waiting(1)
    began = time.monotonic()
    turned_away = await asyncio.gather(
        *(db.run(NOTE, operation="late", event_id=str(n)) for n in range(20)), return_exceptions=True
    )
    assert time.monotonic() - began < 2
    assert {type(outcome) for outcome in turned_away} == {Undone}
    locker.release()
    await blocked
    assert await noted(db, "late") == 0


async def test_a_caller_who_goes_away_while_waiting_is_not_served_and_takes_nothing_along(
    database: str, locker: Locker
) -> None:
    db = Database(PostgresSettings(database, connections=1))
    await db.run(NOTE, operation="locked", event_id="1")
    locker.hold(LOCK.text)
    blocked = asyncio.create_task(db.run(LOCK))
    await locker.waiting(1)
    gone = asyncio.create_task(db.run(NOTE, operation="gone", event_id="1"))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    blocked.cancel()  # its statement is under way: the connection comes back when it ends
    locker.release()
    assert await noted(db, "gone") == 0


async def test_a_statement_that_takes_too_long_is_undone_and_keeps_its_connection(
    database: str, locker: Locker
) -> None:
    db = Database(PostgresSettings(database, connections=1, statement_timeout_s=0.3))
    await db.run(NOTE, operation="locked", event_id="1")
    before = await pid_of(db)
    locker.hold(LOCK.text)
    with pytest.raises(Slow):
        await db.run(LOCK)
    locker.release()
    assert await pid_of(db) == before


async def test_a_refused_transaction_rolls_back_and_keeps_its_connection(database: str) -> None:
    db = Database(PostgresSettings(database, connections=1))
    before = await pid_of(db)

    def refuses(connection: Connection) -> None:
        connection.run(NOTE, {"operation": "refused", "event_id": "1"})
        raise Conflict("not now")

    def breaks_a_rule(connection: Connection) -> None:
        connection.run(NOTE, {"operation": "refused", "event_id": "1"})
        connection.run(NOTE, {"operation": "refused", "event_id": "1"})

    with pytest.raises(Conflict):
        await db.transaction(refuses)
    with pytest.raises(DatabaseError, match="23505"):
        await db.transaction(breaks_a_rule)
    assert await noted(db, "refused") == 0
    assert await pid_of(db) == before


async def test_what_went_wrong_is_told_even_when_the_connection_is_dead_at_the_rollback(
    database: str, admin: Connection
) -> None:
    db = Database(PostgresSettings(database, connections=1))

    def refuses(connection: Connection) -> None:
        admin.execute(f"select pg_terminate_backend({connection.run(PID, {})[0][0]}, 5000)")
        raise Conflict("the real reason")

    with pytest.raises(Conflict, match="the real reason"):
        await db.transaction(refuses)
    assert await noted(db, "any") == 0


async def test_an_error_swallowed_within_a_transaction_does_not_pass_for_a_commit(database: str) -> None:
    db = Database(PostgresSettings(database, connections=1))

    def swallows(connection: Connection) -> str:
        connection.run(NOTE, {"operation": "swallowed", "event_id": "1"})
        with pytest.raises(DatabaseError):
            connection.execute("select 1 / 0")
        return "all is well"

    with pytest.raises(Exception, match="failed transaction"):
        await db.transaction(swallows)
    assert await noted(db, "swallowed") == 0


async def test_a_transaction_left_open_is_told_as_a_bug_and_not_handed_to_the_next_caller(database: str) -> None:
    db = Database(PostgresSettings(database, connections=1))

    def forgets(connection: Connection) -> None:
        connection.execute("begin")
        connection.run(NOTE, {"operation": "open", "event_id": "1"})

    with pytest.raises(Bug):
        await db.call(forgets)
    await db.run(NOTE, operation="next", event_id="1")
    other = Database(PostgresSettings(database))
    assert (await noted(other, "open"), await noted(other, "next")) == (0, 1)


async def test_a_plan_that_a_migration_made_stale_is_prepared_anew(database: str, admin: Connection) -> None:
    everything = Sql("select * from leases where name = :name")
    db = Database(PostgresSettings(database, connections=1))
    assert await db.run(everything, name="x") == ()
    admin.execute("alter table leases add column note text")
    assert await db.run(everything, name="x") == ()
    admin.execute("alter table leases drop column note")

    def twice(connection: Connection) -> None:
        connection.run(NOTE, {"operation": "stale", "event_id": "1"})
        connection.run(everything, {"name": "x"})

    with pytest.raises(Undone):
        await db.transaction(twice)
    assert await noted(db, "stale") == 0
    await db.transaction(twice)
    assert await noted(db, "stale") == 1


async def test_a_server_that_became_read_only_is_left_at_once(database: str) -> None:
    db = Database(PostgresSettings(database, connections=1))
    demoted = await pid_of(db)
    await db.call(lambda connection: connection.execute("set default_transaction_read_only = on"))
    with pytest.raises(Undone):
        await db.run(NOTE, operation="promoted", event_id="1")
    await db.run(NOTE, operation="promoted", event_id="1")
    assert await pid_of(db) != demoted


async def test_connections_are_replaced_when_they_are_old(database: str) -> None:
    old = Database(PostgresSettings(database, connections=1, connection_age_s=0.0))
    kept = Database(PostgresSettings(database, connections=1))
    assert await pid_of(old) != await pid_of(old)
    assert await pid_of(kept) == await pid_of(kept)


async def test_a_pool_opens_no_more_connections_than_it_may_and_leaves_none_behind(
    database: str, admin: Connection
) -> None:
    settings = PostgresSettings(database, connections=3, application_name="counted")
    pools = [Database(settings), Database(replace(settings, connections=2))]
    before = set(threading.enumerate())
    await asyncio.gather(*(pool.run(PID) for pool in pools for _ in range(50)))
    opened = "select count(*) from pg_stat_activity where application_name = 'counted'"
    assert admin.execute(opened)[0][0] <= 5
    for pool in pools:
        pool.close()
    assert set(threading.enumerate()) <= before
    await until(lambda: admin.execute(opened)[0][0] == 0, "the server sees every connection end")


async def test_a_failed_sign_in_leaves_no_socket_behind(database: str) -> None:
    wrong = PostgresSettings(database.replace("cortado:", "nobody:", 1))
    db = Database(wrong)
    sockets = len(_sockets())
    for _ in range(5):
        with pytest.raises((DatabaseError, Transient)):
            await db.run(PID)
    assert len(_sockets()) <= sockets


def _sockets() -> list[str]:
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(entry.readlink()))
        except FileNotFoundError:
            continue
    return [name for name in found if name.startswith("socket:")]
