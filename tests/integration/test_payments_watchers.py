"""Watchers under faults: two at once, one paused, one killed, a node that lags, fails or parts below what was final."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import pytest

from shared.adapters.postgres.chain_cursors import PostgresReceivers
from shared.adapters.postgres.database import Connection, Database, Sql
from shared.kernel.decision import By
from shared.kernel.errors import Fenced, Transient
from shared.kernel.money import Asset
from shared.payments.chain import Outpoint
from shared.payments.model import Amount
from shared.payments.watch import DeepReorg, Watcher
from shared.settings import PostgresSettings
from tests.integration.paying import Paying, both
from tests.scripted_chain import ScriptedChain
from tests.waiting import until

T = TypeVar("T")
CHAIN = "bitcoin"
WATCH = By("watch_bitcoin")
EVERYTHING = Sql(
    "select (select count(*) from events), (select count(*) from outbox), (select max(height) from chain_blocks),"
    " (select string_agg(version || ' ' || transfers::text, ',' order by payment_id) from payments),"
    " (select height || block_hash from chain_cursors), (select count(*) from sighted_inputs)"
)


@pytest.fixture
def chain() -> ScriptedChain:
    return ScriptedChain()


@pytest.fixture
async def paying(database: str, chain: ScriptedChain) -> AsyncIterator[Paying]:
    paying = await Paying(database, both({"BITCOIN_RPC_URL": "http://u:p@127.0.0.1:1"}, None)).opened()
    await watcher(paying, chain).run(by=WATCH)
    yield paying
    assert await paying.replayed() == []
    await paying.closed()


def watcher(paying: Paying, chain: ScriptedChain, **options: Any) -> Watcher:
    return paying.watcher(CHAIN, node=chain, **options)


async def everything(paying: Paying) -> tuple[Any, ...]:
    """Return what a watcher could have written."""
    return tuple((await paying.db.run(EVERYTHING))[0])


async def test_only_one_watcher_has_the_lease(paying: Paying, chain: ScriptedChain) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def pause() -> None:
        entered.set()
        await leave.wait()

    chain.mine()
    chain.before_scan = pause
    first, second = watcher(paying, chain), watcher(paying, chain)
    running = asyncio.create_task(first.run(by=WATCH))
    await entered.wait()
    assert not await first.run(by=WATCH)
    assert not await second.run(by=WATCH)
    leave.set()
    assert await running
    assert await second.run(by=WATCH)


async def test_the_write_of_a_watcher_paused_past_its_lease_is_refused(paying: Paying, chain: ScriptedChain) -> None:
    """Correctness 5: a lease check does not fence, the epoch in the written row does."""
    asked = await paying.requested(Asset.BTC)
    address = (await paying.store.load(asked.payment_id)).state.watch_key  # type: ignore[union-attr]  # just made
    chain.mine(chain.broadcast(address, asked.due.units))
    entered, leave = asyncio.Event(), asyncio.Event()

    async def pause() -> None:
        entered.set()
        await leave.wait()

    paused = watcher(paying, slow := ScriptedChain(), lease_s=0.05)
    slow.blocks, slow.before_scan = chain.blocks, pause
    running = asyncio.create_task(paused.run(by=WATCH))
    await entered.wait()
    await until(lambda: watcher(paying, chain).run(by=WATCH), "another watcher to take over")
    before = await everything(paying)
    leave.set()
    with pytest.raises(Fenced):
        await running
    assert await everything(paying) == before
    assert await paying.facts(asked.payment_id) == ["requested", "seen", "included"]


class Killed(Exception):
    """The process ended here."""


class DyingDatabase(Database):
    """Ends the process before the n-th statement of its transactions; statements are counted over all of them."""

    def __init__(self, url: str, after: int) -> None:
        super().__init__(PostgresSettings(url))
        self.left = after

    async def transaction(self, work: Callable[[Connection], T]) -> T:
        def dying(connection: Connection) -> T:
            class Dying:
                def run(_, sql: Sql, params: dict[str, Any]) -> Any:  # noqa: N805  self is the database here
                    self._step()
                    rows: Any = connection.run(sql, params)
                    return rows

            result = work(Dying())  # type: ignore[arg-type]  # all that work does with it is run
            self._step()  # before the commit
            return result

        return await super().transaction(dying)

    def _step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed


async def test_a_watcher_killed_between_any_two_statements_loses_and_doubles_nothing(
    paying: Paying, chain: ScriptedChain
) -> None:
    asked = [await paying.requested(Asset.BTC) for _ in range(2)]
    keys = [(await paying.store.load(each.payment_id)).state.watch_key for each in asked]  # type: ignore[union-attr]
    chain.mine(chain.paid(keys[0], asked[0].due.units))
    chain.broadcast(keys[1], asked[1].due.units)
    deaths = 0
    while True:
        dying = DyingDatabase(paying.url, deaths)
        try:
            await watcher(paying, chain, db=dying, lease_s=0).run(by=WATCH)
        except Killed:
            deaths += 1
            continue
        finally:
            dying.close()
        break
    assert deaths > 12
    assert await paying.facts(asked[0].payment_id) == ["requested", "seen", "included"]
    assert await paying.facts(asked[1].payment_id) == ["requested", "seen"]
    assert await paying.facts("chain_bitcoin") == ["block_scanned"] * 2


async def test_a_node_that_lags_takes_nothing_back_and_proves_nothing(paying: Paying, chain: ScriptedChain) -> None:
    asked = await paying.requested(Asset.BTC)
    key = (await paying.store.load(asked.payment_id)).state.watch_key  # type: ignore[union-attr]  # just made
    chain.mine(chain.paid(key, asked.due.units))
    await watcher(paying, chain).run(by=WATCH)
    proven = Sql("select caught_up_at from chain_cursors")
    before = (await everything(paying), (await paying.db.run(proven))[0][0])
    lost = chain.cut(1)
    await watcher(paying, chain).run(by=WATCH)
    assert (await everything(paying), (await paying.db.run(proven))[0][0]) == before
    chain.blocks += lost
    await watcher(paying, chain).run(by=WATCH)
    assert (await paying.db.run(proven))[0][0] > before[1]


async def test_a_chain_that_parts_below_what_was_final_stops_the_watcher_loudly(
    paying: Paying, chain: ScriptedChain
) -> None:
    for _ in range(12):
        chain.mine()
    await watcher(paying, chain).run(by=WATCH)
    chain.cut(8)
    for _ in range(9):
        chain.mine()
    before = await everything(paying)
    with pytest.raises(DeepReorg):
        await watcher(paying, chain).run(by=WATCH)
    assert await everything(paying) == before


async def test_a_node_that_fails_in_the_middle_leaves_the_cursor_where_everything_is_written(
    paying: Paying, chain: ScriptedChain
) -> None:
    for _ in range(6):
        chain.mine()
    scans = 0

    async def fail_the_third() -> None:
        nonlocal scans
        scans += 1
        chain.down = scans == 3

    chain.before_scan = fail_the_third
    one = watcher(paying, chain, range_blocks=2)
    with pytest.raises(Transient):
        await one.run(by=WATCH)
    assert (await paying.cursor(CHAIN)).height == 4
    chain.down = False
    await one.run(by=WATCH)
    assert (await paying.cursor(CHAIN)).height == 6
    assert chain.scanned == [0, *range(1, 7)]


async def test_a_receiver_of_a_transaction_that_was_open_at_the_last_look_is_found_at_the_next(paying: Paying) -> None:
    receivers = PostgresReceivers(paying.db)
    insert = Sql("insert into watched_addresses (chain, watch_key, payment_id) values ('bitcoin', :key, 'pay_x')")
    opened, commit = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(connection: Connection) -> None:
        connection.run(insert, {"key": "early"})
        loop.call_soon_threadsafe(opened.set)
        asyncio.run_coroutine_threadsafe(commit.wait(), loop).result(10)

    writing = asyncio.create_task(paying.db.transaction(slow))
    await opened.wait()
    await paying.db.run(insert, key="late")
    seen = await receivers.refresh(CHAIN)
    assert "late" in seen
    assert "early" not in seen
    commit.set()
    await writing
    assert "early" in await receivers.refresh(CHAIN)


async def test_a_double_spend_that_pays_us_too_keeps_only_the_one_that_was_mined(
    paying: Paying, chain: ScriptedChain
) -> None:
    asked = await paying.requested(Asset.BTC)
    key = (await paying.store.load(asked.payment_id)).state.watch_key  # type: ignore[union-attr]  # just made
    coin = (Outpoint("somebody", 3),)
    first = chain.broadcast(key, asked.due.units, coins=coin)
    one = watcher(paying, chain)
    await one.run(by=WATCH)
    second = chain.broadcast(key, asked.due.units - 1, coins=coin)
    await one.run(by=WATCH)
    counted = [(each.txid, each.counts) for each in (await paying.payment(asked.payment_id)).transfers]
    assert counted == [(first.txid, False), (second.txid, True)]
    chain.mine(first)  # a miner took the one that was replaced
    await one.run(by=WATCH)
    await paying.confirm()
    view = await paying.payment(asked.payment_id)
    assert [(each.txid, each.counts) for each in view.transfers] == [(first.txid, True), (second.txid, False)]
    assert (view.settled, view.amount) == (True, Amount.EXACT)


async def test_blocks_decided_about_at_once_settle_a_payment_once(paying: Paying, chain: ScriptedChain) -> None:
    asked = await paying.requested(Asset.BTC)
    key = (await paying.store.load(asked.payment_id)).state.watch_key  # type: ignore[union-attr]  # just made
    chain.mine(chain.paid(key, asked.due.units))
    one = watcher(paying, chain, range_blocks=1)
    for _ in range(3):
        chain.mine()
    await one.run(by=WATCH)
    await asyncio.gather(*(paying.confirm() for _ in range(4)), return_exceptions=True)
    await paying.confirm()
    assert await paying.facts(asked.payment_id) == ["requested", "seen", "included", "settled"]
