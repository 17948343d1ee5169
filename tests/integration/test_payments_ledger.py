"""The ledger on a real database: what a chain does and takes back, told twice, at once, in any order or not at all."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from pg8000.exceptions import DatabaseError

from shared.adapters.postgres.database import Connection, Sql
from shared.adapters.postgres.ledger import PostgresLedger
from shared.adapters.postgres.ledger_check import Report, check, main
from shared.kernel.decision import By, Role, Taking
from shared.kernel.errors import Forbidden, Invalid, NotFound
from shared.kernel.facts import fact_of
from shared.kernel.ids import MerchantId, ShopId
from shared.kernel.money import Asset
from shared.payments.bookkeeping import Bookkeeping
from shared.payments.get_balances import get_balances
from shared.payments.get_statement import get_statement
from shared.payments.model import PaymentView
from shared.payments.post_ledger import Moving, post_ledger
from shared.payments.statement import BalanceView, GetStatement, Statement
from shared.settings import PostgresSettings
from tests.integration.paying import Paying, both
from tests.scripted_chain import ScriptedChain
from triggers.registry import load

CHAIN = "bitcoin"
EVENTS = Sql("select id, type, body from events where type = any(:kinds::text[]) order by at, version")
TAKEN = Sql("select count(*) from inbox where operation = 'post_ledger'")


class Books:
    """A shop that is paid on a chain in memory, and its ledger."""

    def __init__(self, paying: Paying, chain: ScriptedChain) -> None:
        self.paying = paying
        self.chain = chain
        self.watcher = paying.watcher(CHAIN, node=chain)
        self.using = Bookkeeping(PostgresLedger(paying.db))
        shop = paying.ordering.shop
        self.shop_id = shop.shop_id
        self.owner = By("usr", frozenset({Role.OWNER}), shop.merchant_id)

    async def read(self) -> None:
        """Let the watcher and confirm_block do their work."""
        await self.watcher.run(by=By("watch_bitcoin"))
        await self.paying.confirm()

    async def requested(self) -> tuple[PaymentView, str]:
        """Return a payment that is asked for, and what the chain in memory pays it to."""
        asked = await self.paying.requested(Asset.BTC)
        stored = await self.paying.store.load(asked.payment_id)
        assert stored is not None
        return asked, stored.state.watch_key

    async def paid(self, share: float = 1) -> PaymentView:
        """Ask for a payment, pay so much of it in a block, and have it read."""
        asked, key = await self.requested()
        self.chain.mine(self.chain.paid(key, int(asked.due.units * share)))
        await self.read()
        return asked

    async def reorganised(self, depth: int) -> None:
        """Take blocks away, mine longer without what they held, and have it read."""
        self.chain.cut(depth)
        for _ in range(depth + 1):
            self.chain.mine()
        await self.read()

    async def wakes(self) -> list[tuple[str, Moving]]:
        """Return every fact so far that post_ledger is called with."""
        rows = await self.paying.db.run(EVENTS, kinds=list(load()["post_ledger"].on))
        return [(event_id, fact_of(type_, body)) for event_id, type_, body in rows]  # type: ignore[misc]  # by its types

    async def post(self, wakes: Sequence[tuple[str, Moving]]) -> int:
        """Call post_ledger with these, all at once; return how many entries were posted."""
        calls = [
            post_ledger(fact, by=By("post_ledger", once=Taking("post_ledger", event_id)), using=self.using)
            for event_id, fact in wakes
        ]
        return sum(await asyncio.gather(*calls))

    async def checked(self) -> Report:
        """Return how the ledger compares with the events."""
        return await self.paying.db.call(check)

    async def bitcoin(self) -> BalanceView:
        """Return the shop's balances in BTC."""
        balances = (await get_balances(by=self.owner, using=self.using)).view
        return next((v for v in balances.total if v.asset is Asset.BTC), BalanceView.of(Asset.BTC, {}))

    async def statement(self, day: date, **asked: Any) -> Statement:
        """Return the shop's statement as its owner gets it."""
        wanted = GetStatement(shop_id=self.shop_id, day=day, **asked)
        return (await get_statement(wanted, by=self.owner, using=self.using)).view


@pytest.fixture
async def books(database: str) -> AsyncIterator[Books]:
    chain = ScriptedChain()
    paying = await Paying(database, both({"BITCOIN_RPC_URL": "http://u:p@127.0.0.1:1"}, None)).opened()
    books = Books(paying, chain)
    await books.read()
    yield books
    report = await books.checked()
    assert report.differences == []
    assert all(each.balanced for each in report.balances)
    await paying.closed()


async def test_a_settlement_is_posted_once_however_often_and_by_however_many_it_is_told(books: Books) -> None:
    asked = await books.paid(1.5)
    wakes = await books.wakes()
    assert await books.post(wakes * 6) == 2  # included, settled
    assert await books.post(wakes) == 0
    assert (await books.paying.db.run(TAKEN))[0][0] == len(wakes)
    due = asked.due.units
    stands = await books.bitcoin()
    assert (stands.received, stands.settled, stands.held) == (int(due * 1.5), due, int(due * 1.5) - due)
    assert (await books.checked()).holds


async def test_many_who_post_the_same_at_once_never_collide(books: Books) -> None:
    known = 0
    for _ in range(40):
        await books.paid()
        wakes = await books.wakes()
        assert await books.post(wakes[known:] * 6) == 2
        known = len(wakes)
    assert (await books.checked()).holds


async def test_a_reorg_is_posted_back_and_what_is_mined_again_forth(books: Books) -> None:
    asked = await books.paid()
    await books.post(await books.wakes())
    await books.reorganised(1)
    assert await books.post(await books.wakes()) == 2  # excluded, reversed
    assert await books.bitcoin() == BalanceView.of(Asset.BTC, {})
    stored = await books.paying.store.load(asked.payment_id)
    assert stored is not None
    books.chain.mine(books.chain.paid(stored.state.watch_key, asked.due.units))
    await books.read()
    await books.post(await books.wakes())
    stands = await books.bitcoin()
    assert (stands.received, stands.settled, stands.shortfall) == (asked.due.units, asked.due.units, 0)
    assert await books.paying.facts(asked.payment_id) == [
        *("requested", "seen", "included", "settled", "excluded", "reversed", "seen", "included", "settled"),
    ]
    assert (await books.checked()).entries == 6


@pytest.mark.parametrize("seed", range(4))
async def test_lost_shuffled_repeated_and_concurrent_calls_end_with_what_the_events_say(
    books: Books, seed: int
) -> None:
    chance = random.Random(seed)
    for share in (1, 0.4, 2):
        await books.paid(share)
        wakes = await books.wakes()
        await books.post(chance.choices(wakes, k=3))
    await books.reorganised(2)
    await books.paid()
    wakes = await books.wakes()
    assert (await books.checked()).missing
    last = {fact.payment_id: (event_id, fact) for event_id, fact in wakes}
    await books.post([*chance.choices(wakes, k=6), *last.values(), *last.values()])
    report = await books.checked()
    assert report.holds
    standing = sum(each.units for one in books.chain.blocks for each in one.transfers)
    assert (await books.bitcoin()).received == standing


async def test_a_part_waits_and_is_the_customers_when_the_payment_expires(books: Books) -> None:
    asked = await books.paid(0.5)
    await books.post(await books.wakes())
    half = int(asked.due.units * 0.5)
    assert ((await books.bitcoin()).held, (await books.bitcoin()).refundable) == (half, 0)
    await books.paying.past(asked.payment_id, timedelta(hours=25))
    await books.read()
    assert await books.paying.expire() == 1
    await books.post(await books.wakes())
    assert ((await books.bitcoin()).held, (await books.bitcoin()).refundable) == (half, half)


async def test_the_statement_has_opening_entries_and_closing_page_by_page(books: Books) -> None:
    for _ in range(3):
        await books.paid()
    await books.post(await books.wakes())
    rows = await books.paying.db.run(
        Sql("select distinct (at at time zone 'Europe/Berlin')::date from ledger_entries order by 1")
    )
    days = [row[0] for row in rows]
    first = await books.statement(days[0], limit=2)
    assert (first.timezone, first.opening, len(first.entries)) == ("Europe/Berlin", (), 2)
    found, page = [*first.entries], first
    while page.next:
        page = await books.statement(days[0], limit=2, cursor=page.next)
        found += page.entries
    for day in days[1:]:
        found += (await books.statement(day)).entries
    assert len(found) == len({(each.payment_id, each.version) for each in found}) == 6
    assert [each.at for each in found] == sorted(each.at for each in found)
    last = await books.statement(days[-1])
    assert last.closing == (await books.bitcoin(),)
    after = await books.statement(days[-1] + timedelta(days=1))
    assert (after.opening, after.closing, after.entries) == (last.closing, last.closing, ())
    assert json.loads(last.model_dump_json())["closing"][0]["received"] == str(last.closing[0].received)
    for day in (date.min, date.max):
        assert (await books.statement(day)).entries == ()


@pytest.mark.parametrize("cursor", ["x", "AAAA", "MjAyNi0xMS0yMiBwYXlfMCAx", "_-_-"])
async def test_a_cursor_that_was_not_handed_out_is_refused(books: Books, cursor: str) -> None:
    with pytest.raises(Invalid):
        await books.statement(date(2026, 5, 6), cursor=cursor)


async def test_nobody_else_sees_the_ledger(books: Books) -> None:
    await books.paid()
    await books.post(await books.wakes())
    asked = GetStatement(shop_id=books.shop_id, day=date(2026, 5, 6))
    rival = By("usr", frozenset({Role.OWNER}), MerchantId.new())
    elsewhere = By("key", frozenset({Role.OWNER}), books.owner.merchant_id, shop_ids=frozenset({ShopId.new()}))
    for by in (rival, elsewhere, By("usr", frozenset({Role.CUSTOMER}))):
        with pytest.raises(NotFound):
            await get_statement(asked, by=by, using=books.using)
    for by in (rival, elsewhere):
        assert (await get_balances(by=by, using=books.using)).view.shops == ()
    with pytest.raises(Forbidden):
        await get_balances(by=By("somebody"), using=books.using)
    here = frozenset({books.shop_id})
    for shop_ids in (None, here, here | {ShopId.new()}):
        by = By("key", frozenset({Role.OWNER}), books.owner.merchant_id, shop_ids=shop_ids)
        (own,) = (await get_balances(by=by, using=books.using)).view.shops
        assert own.shop_id == books.shop_id
    elsewhere = replace(by, shop_ids=frozenset({ShopId.new(), ShopId.new()}))
    assert (await get_balances(by=elsewhere, using=books.using)).view.shops == ()


async def test_the_ledger_takes_no_change_and_nothing_that_does_not_balance(books: Books, database: str) -> None:
    await books.paid()
    await books.post(await books.wakes())
    connection = Connection(PostgresSettings(database))
    for table in ("ledger_entries", "ledger_postings"):
        for attack in (f"update {table} set shop_id = 'x'", f"delete from {table}", f"truncate {table} cascade"):
            with pytest.raises(DatabaseError, match="append-only"):
                connection.execute(attack)
    with pytest.raises(DatabaseError, match="does not balance"):
        connection.execute(
            "insert into ledger_postings select payment_id, version, book, 'ETH', account, units, merchant_id,"
            " shop_id, at from ledger_postings where account = 'settled'"
        )
    connection.close()


async def test_the_check_posts_what_is_missing_and_names_what_was_forged(
    books: Books, database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = await books.paid()
    monkeypatch.setenv("DATABASE_URL", database)
    assert main([]) == 1
    assert f"{asked.payment_id} at version 3: payment.included.v1 is not posted" in capsys.readouterr().out
    assert main(["--post"]) == 0
    assert main(["--post"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == "ledger: 1 payments, 2 entries, 0 missing, 0 different"
    due = asked.due.units
    assert f"ledger: BTC: received {due} = settled {due} + held 0 + refunded 0 - shortfall 0" in told
    connection = Connection(PostgresSettings(database))
    connection.execute("alter table ledger_postings disable trigger ledger_postings_are_append_only")
    connection.execute("update ledger_postings set units = units * 2 where account = 'settled'")
    assert main([]) == 1
    told = capsys.readouterr().out.splitlines()
    assert f"ledger: {asked.payment_id} at version 4: the entry says something else than its payment.settled.v1" in told
    assert any(line.endswith("NOT BALANCED") for line in told)
    connection.execute("update ledger_postings set units = units / 2 where account = 'settled'")
    connection.close()
