"""Balances from snapshots, statements and files: always the sum of every posting, whenever it came."""

from __future__ import annotations

import csv
import io
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import count

import pytest

from shared.adapters.postgres.database import Connection, Database, Sql
from shared.adapters.postgres.ledger import POST, PostgresLedger, post_params
from shared.adapters.postgres.ledger_snapshots import PostgresSnapshots
from shared.kernel.decision import By, Role
from shared.kernel.errors import Invalid, NotFound
from shared.kernel.facts import GENESIS
from shared.kernel.ids import EventId, MerchantId, PaymentId, ShopId
from shared.kernel.money import Asset
from shared.payments import export_statement as exporting
from shared.payments.bookkeeping import Bookkeeping
from shared.payments.export_statement import ExportStatement, export_statement
from shared.payments.ledger import Account, Book, Entry, Line
from shared.payments.snapshot_ledger import snapshot_ledger
from shared.settings import PostgresSettings

SHOP = Sql(
    "insert into shops (shop_id, merchant_id, name, address, latitude, longitude, timezone, currency, accepts, payout,"
    " confirmations, weekly, registered_at, version, head) values (:shop_id, :merchant_id, 'Bohne', 'Torstr. 1', 52.5,"
    " 13.4, 'Europe/Berlin', 'EUR', '{USDC}', '{}', '{}', '[]', '2026-05-06T12:00:00Z', 1, :head::bytea)"
)
TAKEN = Sql("select count(*), count(distinct shop_id) from ledger_snapshots")
SUM = Sql(
    "select book, asset, account, sum(units) from ledger_postings where shop_id = :shop_id"
    " and at < :until::text::timestamptz group by 1, 2, 3 having sum(units) <> 0"
)
MERCHANT = MerchantId.new()
DAY = timedelta(days=1)
_versions = count(1)


class Shelf:
    """Two shops' ledgers, posted to by hand."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.db = Database(PostgresSettings(url))
        self.ledger = PostgresLedger(self.db)
        self.snapshots = PostgresSnapshots(self.db)
        self.shops = [ShopId.new(), ShopId.new()]
        self.now = datetime.now(UTC)

    async def opened(self) -> Shelf:
        """Open the shops."""
        for shop_id in self.shops:
            await self.db.run(SHOP, shop_id=shop_id, merchant_id=MERCHANT, head=GENESIS)
        return self

    def entry(self, shop_id: ShopId, at: datetime, units: int, asset: Asset = Asset.USDC) -> Entry:
        """Return an entry that moves so many units."""
        lines = Line(Book.CLAIMS, asset, Account.RECEIVED), Line(Book.CLAIMS, asset, Account.SETTLED)
        postings = {lines[0]: units, lines[1]: -units}
        kind = "payment.settled.v1"
        return Entry(PaymentId.new(), next(_versions), EventId.new(), kind, MERCHANT, shop_id, at, postings)

    async def summed(self, shop_id: ShopId, until: str = "infinity") -> Mapping[Line, int]:
        """Return the balances as the sum of all postings."""
        rows = await self.db.run(SUM, shop_id=shop_id, until=until)
        return {Line(Book(book), Asset(asset), Account(account)): int(units) for book, asset, account, units in rows}

    async def same(self) -> None:
        """Check that what is read is what all postings add up to, now and at the ends of each day."""
        balances = await self.ledger.balances(MERCHANT, None)
        for shop_id in self.shops:
            assert balances.get(shop_id, {}) == await self.summed(shop_id)
            for days in range(6):
                day = (self.now - days * DAY).date()
                found = await self.ledger.day(shop_id, MERCHANT, day, after=None, limit=1000)
                assert found is not None
                ends = Sql(f"select (('{day}'::date + :n::int)::timestamp at time zone 'Europe/Berlin')::text")
                opening, closing = [(await self.db.run(ends, n=n))[0][0] for n in (0, 1)]
                assert found.opening == await self.summed(shop_id, opening)
                assert found.closing == await self.summed(shop_id, closing)
                moved: Counter[Line] = Counter(found.opening)
                for entry in found.entries[0]:
                    for side in entry.postings:
                        moved[Line(side.book, side.asset, side.account)] += side.debit - side.credit
                assert {line: units for line, units in moved.items() if units} == found.closing


@pytest.fixture
async def shelf(database: str) -> AsyncIterator[Shelf]:
    shelf = await Shelf(database).opened()
    yield shelf
    shelf.db.close()


@pytest.mark.parametrize("seed", range(6))
async def test_snapshot_and_what_came_later_are_the_sum_of_all_whatever_the_order(shelf: Shelf, seed: int) -> None:
    chance = random.Random(seed)
    taken = 0
    for _ in range(25):
        if chance.random() < 0.3:
            taken += await shelf.snapshots.take(age_s=chance.choice([0, 3_600, 86_400, 3 * 86_400]), limit=200)
        batch = []
        for _ in range(chance.randint(1, 6)):
            at = shelf.now - chance.random() * 5 * DAY
            units = chance.choice([-1, 1]) * chance.randint(1, 10**24)
            batch.append(shelf.entry(chance.choice(shelf.shops), at, units, chance.choice([Asset.USDC, Asset.ETH])))
        await shelf.ledger.post(batch, by=By("test"))
        if chance.random() < 0.2:
            await shelf.same()
    assert taken > 0
    await shelf.same()


async def test_who_posts_while_the_snapshot_is_taken_is_counted_once(shelf: Shelf) -> None:
    shop_id = shelf.shops[0]
    await shelf.ledger.post([shelf.entry(shop_id, shelf.now - 3 * DAY, 5)], by=By("test"))
    slow, quick = Connection(PostgresSettings(shelf.url)), Connection(PostgresSettings(shelf.url))
    slow.execute("begin")
    slow.run(POST, post_params([shelf.entry(shop_id, shelf.now - 2 * DAY, 7)], By("slow")))
    quick.execute("begin")
    quick.run(POST, post_params([shelf.entry(shop_id, shelf.now - 2 * DAY, 11)], By("quick")))
    quick.execute("commit")
    assert await snapshot_ledger(using=shelf.snapshots) == 1
    assert (await shelf.ledger.balances(MERCHANT, shop_id))[shop_id] == await shelf.summed(shop_id)
    slow.execute("commit")
    await shelf.same()
    assert sum(units for units in (await shelf.summed(shop_id)).values() if units > 0) == 23
    late, new = shelf.entry(shop_id, shelf.now - 4 * DAY, 13), shelf.entry(shop_id, shelf.now - DAY / 8, 17)
    await shelf.ledger.post([late, new], by=By("test"))
    assert await shelf.snapshots.take(age_s=0, limit=200) == 1
    await shelf.same()
    slow.close()
    quick.close()


async def test_nothing_new_takes_no_snapshot(shelf: Shelf) -> None:
    assert await snapshot_ledger(using=shelf.snapshots) == 0
    await shelf.ledger.post([shelf.entry(shelf.shops[0], shelf.now - 2 * DAY, 5)], by=By("test"))
    assert await snapshot_ledger(using=shelf.snapshots) == 1
    assert await snapshot_ledger(using=shelf.snapshots) == 0
    assert tuple((await shelf.db.run(TAKEN))[0]) == (1, 1)


async def test_the_file_of_a_day_goes_from_opening_through_totals_to_closing(shelf: Shelf) -> None:
    shop_id, noon = shelf.shops[0], datetime(2026, 5, 6, 10, tzinfo=UTC)
    entries = [
        shelf.entry(shop_id, noon - DAY, 1_000_000),
        *(shelf.entry(shop_id, noon, n) for n in (5, 70, -8)),
        shelf.entry(shop_id, noon, 10**18, Asset.ETH),
    ]
    await shelf.ledger.post(entries, by=By("test"))
    owner = By("usr_x", frozenset({Role.OWNER}), MERCHANT)
    using = Bookkeeping(shelf.ledger)
    asked = ExportStatement(shop_id=shop_id, day=date(2026, 5, 6))
    reply = await export_statement(asked, by=owner, using=using)
    assert reply.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(reply.body.decode())))
    assert [row["row"] for row in rows] == ["opening"] * 2 + ["entry"] * 8 + ["total"] * 4 + ["closing"] * 4
    sums: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        place = (row["book"], row["asset"], row["account"])
        units = int(row["debit_units"]) - int(row["credit_units"])
        if row["row"] in ("opening", "total"):
            sums[place] += units
        elif row["row"] == "closing":
            sums[place] -= units
        else:
            assert row["time"] == "2026-05-06T12:00:00.000+02:00"
    assert set(sums.values()) == {0}
    assert next(row["debit"] for row in rows if row["asset"] == "ETH" and row["debit_units"] != "0") == "1"
    for by in (By("usr_y", frozenset({Role.OWNER}), MerchantId.new()), By("usr_x")):
        with pytest.raises(NotFound):
            await export_statement(asked, by=by, using=using)


async def test_a_day_that_does_not_fit_into_one_file_is_refused(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "MOST", 3)
    noon = datetime(2026, 5, 6, 10, tzinfo=UTC)
    await shelf.ledger.post([shelf.entry(shelf.shops[0], noon, n) for n in (1, 2, 3, 4)], by=By("test"))
    asked = ExportStatement(shop_id=shelf.shops[0], day=date(2026, 5, 6))
    with pytest.raises(Invalid, match="page by page"):
        await export_statement(
            asked, by=By("usr_x", frozenset({Role.OWNER}), MERCHANT), using=Bookkeeping(shelf.ledger)
        )
