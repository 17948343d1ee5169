"""A process that ends between any two statements: called again, it leaves what an undisturbed one leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from emulators.component import Running
from emulators.postgres import create_database, drop_database
from shared.adapters.postgres.address_pool import PostgresAddressPool
from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.ledger import PostgresLedger
from shared.adapters.postgres.payment_terms import PostgresPayableOrders, PostgresQuotes
from shared.adapters.postgres.payments import PostgresPayments
from shared.kernel.clock import SystemClock
from shared.kernel.decision import AlreadyAnswered, AlreadyTaken, By, Claim, Taking
from shared.kernel.facts import fact_of
from shared.kernel.ids import EventId
from shared.kernel.money import Asset
from shared.payments.bookkeeping import Bookkeeping
from shared.payments.confirm_block import confirm_block
from shared.payments.expire_payments import expire_payments
from shared.payments.facts import BlockScanned
from shared.payments.generate_payment_address import generate_payment_address
from shared.payments.model import PaymentView, RequestPayment
from shared.payments.ports import Confirming, Payments
from shared.payments.post_ledger import post_ledger
from shared.payments.watch import Watcher
from tests.integration.dying import until_done
from tests.integration.paying import Paying, both
from tests.integration.soundness import assert_sound
from tests.scripted_chain import ScriptedChain
from triggers.registry import load

CHAIN = "bitcoin"
Act = Callable[["Side", Database], Awaitable[None]]
_STATES = Sql(
    "select (select string_agg(type, ',' order by version) from events e where e.stream = p.payment_id),"
    " amount, timing, finality, included::text, settled, final, expired from payments p order by payment_id"
)
_COUNTS = Sql(
    "select (select count(*) from events), (select count(*) from outbox), (select count(*) from inbox),"
    " (select count(*) from watched_addresses), (select count(*) from idempotency)"
)
_BOOKS = Sql("select book, asset, account, sum(units)::text from ledger_postings group by 1, 2, 3 order by 1, 2, 3")
_CURSOR = Sql("select height, block_hash, final_height from chain_cursors")
_WAKES = Sql("select id, type, body from events where type = any(:kinds::text[]) order by at, stream, version")


@dataclass
class Side:
    """A shop that is paid on a chain in memory: one is disturbed, the other is not."""

    paying: Paying
    chain: ScriptedChain
    watcher: Watcher

    @classmethod
    async def opened(cls, url: str) -> Side:
        """Return a shop on its database, its chain read to its first block."""
        chain = ScriptedChain()
        paying = await Paying(url, both({"BITCOIN_RPC_URL": "http://u:p@127.0.0.1:1"}, None)).opened()
        side = cls(paying, chain, paying.watcher(CHAIN, node=chain))
        await side.read()
        return side

    async def read(self) -> None:
        """Read the chain to its tip, and decide nothing."""
        await self.watcher.run(by=By("watch_bitcoin"))

    async def key(self, asked: PaymentView) -> str:
        """Return what the chain in memory pays a payment to."""
        stored = await self.paying.store.load(asked.payment_id)
        assert stored is not None
        return stored.state.watch_key

    async def paid(self, share: float = 1) -> PaymentView:
        """Ask for a payment, and mine so much of it."""
        asked = await self.paying.requested(Asset.BTC)
        self.chain.mine(self.chain.paid(await self.key(asked), round(asked.due.units * share)))
        return asked

    async def left(self) -> list[Any]:
        """Return everything that must be the same on both sides."""
        run = self.paying.db.run
        return [[tuple(row) for row in await run(sql)] for sql in (_STATES, _COUNTS, _BOOKS)]


@pytest.fixture
async def sides(database: str, postgres: Running, database_template: str) -> AsyncIterator[tuple[Side, Side]]:
    server, name = postgres.env["DATABASE_URL"], f"{database.rpartition('/')[2]}_undisturbed"
    other = create_database(server, name, template=database_template)
    sides = (await Side.opened(database), await Side.opened(other))
    yield sides
    for side in sides:
        await side.paying.closed()
    drop_database(server, name)


async def both_sides(sides: tuple[Side, Side], prepare: Callable[[Side], Awaitable[None]], act: Act) -> int:
    """Do the same on both, one side dying at every point; return at how many. What is left must be equal."""
    disturbed, undisturbed = sides
    for side in sides:
        await prepare(side)
    deaths = await until_done(disturbed.paying.url, lambda db: act(disturbed, db))
    await act(undisturbed, undisturbed.paying.db)
    assert await disturbed.left() == await undisturbed.left()
    assert await assert_sound(disturbed.paying, {CHAIN: disturbed.chain}) == await assert_sound(
        undisturbed.paying, {CHAIN: undisturbed.chain}
    )
    return deaths


async def _everything_to_decide(side: Side) -> None:
    """Leave one payment to be settled, one to become final, one to be reversed, and one that changes nothing."""
    await side.paid()
    await side.read()
    await side.paying.confirm()
    for _ in range(4):
        side.chain.mine()
    await side.paid()
    await side.read()
    await side.paying.confirm()
    side.chain.cut(1)
    await side.paid()
    await side.paid(0.5)
    await side.read()


async def _confirm(side: Side, db: Database) -> None:
    height, block_hash, final_height = (await side.paying.db.run(_CURSOR))[0]
    fact = BlockScanned(
        chain=CHAIN,
        height=height,
        block_hash=block_hash,
        final_height=final_height,
        scanned_at=SystemClock().now(),
    )
    using = Confirming(PostgresPayments(db, region="test"), PostgresQuotes(db), SystemClock())
    by = By("confirm_block", once=Taking("confirm_block", EventId(f"evt_{'7' * 32}")))
    try:
        await confirm_block(fact, by=by, using=using)
    except AlreadyTaken:  # it was done, and whoever did it has died since
        return


async def test_deciding_about_a_block_dies_at_every_point(sides: tuple[Side, Side]) -> None:
    """Rules 7 and 9: settled, final and reversed are decided once, whenever the process ends."""
    assert await both_sides(sides, _everything_to_decide, _confirm) >= 12
    told = [row[0].split(",")[-1] for row in await sides[0].paying.db.run(_STATES)]
    assert told == ["payment.final.v1", "payment.reversed.v1", "payment.settled.v1", "payment.included.v1"]


async def _post(side: Side, db: Database) -> None:
    using = Bookkeeping(PostgresLedger(db))
    for event_id, type_, body in await side.paying.db.run(_WAKES, kinds=list(load()["post_ledger"].on)):
        by = By("post_ledger", once=Taking("post_ledger", event_id))
        await post_ledger(fact_of(type_, body), by=by, using=using)  # type: ignore[arg-type]  # by its types


async def test_posting_dies_at_every_point(sides: tuple[Side, Side]) -> None:
    """Rule 10: the books are what the facts say, whenever the process ends."""

    async def decided(side: Side) -> None:
        await _everything_to_decide(side)
        await side.paying.confirm()

    assert await both_sides(sides, decided, _post) >= 12


async def _over(side: Side) -> None:
    """Leave two payments that are over, one that is not, and one that was paid."""
    over = [await side.paying.requested(Asset.BTC) for _ in range(2)]
    await side.paying.requested(Asset.BTC)
    await side.paid()
    await side.read()
    for asked in over:
        await side.paying.past(asked.payment_id, timedelta(hours=1))


async def _expire(_: Side, db: Database) -> None:
    using = Payments(PostgresPayments(db, region="test"), SystemClock())
    await expire_payments(by=By("expire_payments"), using=using)


async def test_expiring_dies_at_every_point(sides: tuple[Side, Side]) -> None:
    """Rule 13: only payments expire, each once, and only what is proven to be over."""
    assert await both_sides(sides, _over, _expire) >= 8
    assert [row[7] for row in await sides[0].paying.db.run(_STATES)] == [True, True, False, False]


async def test_asking_for_an_address_dies_at_every_point(sides: tuple[Side, Side]) -> None:
    """Rule 4: an address is never handed out twice, and none is shown that is not watched."""
    orders = {id(side): await side.paying.ordered() for side in sides}
    shown: list[str] = []

    async def ask(side: Side, db: Database) -> None:
        order, by = orders[id(side)]
        claim = Claim(by.actor, f"POST /v1/orders/{order.order_id}/payments", "the same key", b"{}")
        using = replace(
            side.paying.requesting,
            store=PostgresPayments(db, region="test"),
            orders=PostgresPayableOrders(db),
            quotes=PostgresQuotes(db),
            pool=PostgresAddressPool(db),
        )
        try:
            command = RequestPayment(asset=Asset.BTC)
            reply = await generate_payment_address(order.order_id, command, by=replace(by, once=claim), using=using)
        except AlreadyAnswered as told:
            shown.append(PaymentView.model_validate_json(told.reply.body).address)
        else:
            shown.append(reply.view.address)

    async def nothing(_: Side) -> None:
        return

    assert await both_sides(sides, nothing, ask) >= 12
    disturbed = sides[0].paying
    rows = await disturbed.db.run(Sql("select address from payments p join watched_addresses w using (payment_id)"))
    assert [row[0] for row in rows] == shown[:1]
    more = [(await disturbed.requested(Asset.BTC)).address for _ in range(5)]
    assert len({*more, shown[0]}) == 6
