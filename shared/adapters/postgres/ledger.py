"""The ledger in Postgres: append-only entries, one per payment and version, and what is added up from them."""

import base64
import binascii
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import msgspec

from shared.adapters.postgres.database import Connection, Database, Row, Sql
from shared.kernel.clock import rfc3339
from shared.kernel.decision import By, Taking
from shared.kernel.encoding import to_json
from shared.kernel.errors import Invalid
from shared.kernel.facts import fact_of
from shared.kernel.ids import EventId, MerchantId, PaymentId, ShopId
from shared.kernel.money import Asset
from shared.payments.bookkeeping import Balances, LedgerDay
from shared.payments.ledger import Account, Book, Entry, Happened, Line
from shared.payments.statement import EntryView, posting_views

HISTORY: Final = Sql("select version, id, at, type, body from events where stream = :id order by version")
POST: Final = Sql(
    """
with taken as (
  insert into inbox (operation, event_id)
  select operation, event_id from jsonb_to_recordset(:taking::jsonb) as t(operation text, event_id text)
  on conflict do nothing),
entered as (
  insert into ledger_entries (payment_id, version, event_id, type, merchant_id, shop_id, at)
  select payment_id, version, event_id, type, merchant_id, shop_id, at
    from jsonb_to_recordset(:entries::jsonb)
      as e(payment_id text, version bigint, event_id text, type text, merchant_id text, shop_id text, at timestamptz)
   order by payment_id, version
  on conflict do nothing
  returning payment_id, version, merchant_id, shop_id, at),
posted as (
  insert into ledger_postings (payment_id, version, book, asset, account, units, merchant_id, shop_id, at)
  select payment_id, version, p.book, p.asset, p.account, p.units, e.merchant_id, e.shop_id, e.at
    from jsonb_to_recordset(:postings::jsonb)
      as p(payment_id text, version bigint, book text, asset text, account text, units numeric)
    join entered e using (payment_id, version))
select count(*) from entered
"""
)
"""Whoever comes second waits for the first and finds the entries there: postings go with the entries of this call.

The conflict names no key: with one named, two at once collide at the other now and then.
"""
_BALANCES: Final = Sql(
    "select shop_id, book, asset, account, sum(units) from ledger_postings"
    " where merchant_id = :merchant_id and (:shop_id::text is null or shop_id = :shop_id::text)"
    " group by 1, 2, 3, 4 having sum(units) <> 0"
)
_TIMEZONE: Final = Sql("select timezone from shops where shop_id = :shop_id and merchant_id = :merchant_id")
_UNTIL: Final = Sql(
    "select shop_id, book, asset, account, sum(units) from ledger_postings"
    " where merchant_id = :merchant_id and shop_id = :shop_id"
    " and at < ((:day::text::date + :days::int)::timestamp at time zone :timezone::text)"
    " group by 1, 2, 3, 4 having sum(units) <> 0"
)
_ENTRIES: Final = Sql(
    """
select e.payment_id, e.version, e.type, e.at,
       (select jsonb_agg(jsonb_build_array(p.book, p.asset, p.account, p.units::text))::text
          from ledger_postings p where (p.payment_id, p.version) = (e.payment_id, e.version))
  from ledger_entries e
 where e.shop_id = :shop_id and e.merchant_id = :merchant_id
   and e.at >= (:day::text::date::timestamp at time zone :timezone::text)
   and e.at < ((:day::text::date + 1)::timestamp at time zone :timezone::text)
   and (e.at, e.payment_id, e.version) > (:after_at::text::timestamptz, :after_payment::text, :after_version::bigint)
 order by e.at, e.payment_id, e.version limit :limit::int
"""
)
_BEGINNING: Final = ("-infinity", "", 0)


class PostgresLedger:
    """Fulfils `shared.payments.bookkeeping.Ledger`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def history(self, payment_id: PaymentId) -> Sequence[Happened]:
        """Return every fact of the payment so far, oldest first."""
        return [happened(*row) for row in await self._db.run(HISTORY, id=payment_id)]

    async def post(self, entries: Sequence[Entry], *, by: By) -> int:
        """Append the entries that are missing, take the event of `by`, in one commit; return how many were missing."""
        return int((await self._db.run(POST, **post_params(entries, by)))[0][0])

    async def day(
        self, shop_id: ShopId, merchant_id: MerchantId, day: date, *, after: str | None, limit: int
    ) -> LedgerDay | None:
        """Return the shop's day, all of it as of one moment. Raises Invalid for a cursor from elsewhere."""
        after_at, after_payment, after_version = _place(after) if after else _BEGINNING
        whose = {"shop_id": shop_id, "merchant_id": merchant_id}

        def work(connection: Connection) -> LedgerDay | None:
            connection.execute("set transaction isolation level repeatable read, read only")
            found = connection.run(_TIMEZONE, whose)
            if not found:
                return None
            when = {**whose, "day": day.isoformat(), "timezone": found[0][0]}
            opening, closing = (_by_shop(connection.run(_UNTIL, {**when, "days": days})) for days in (0, 1))
            page = {"after_at": after_at, "after_payment": after_payment, "after_version": after_version}
            rows = connection.run(_ENTRIES, {**when, **page, "limit": limit + 1})
            shown = [_shown(row) for row in rows[:limit]]
            cursor = _cursor(shown[-1]) if len(rows) > limit else None
            return LedgerDay(found[0][0], opening.get(shop_id, {}), closing.get(shop_id, {}), (shown, cursor))

        return await self._db.transaction(work)

    async def balances(self, merchant_id: MerchantId, shop_id: ShopId | None) -> Mapping[ShopId, Balances]:
        """Return the balances of each of the merchant's shops that has any; of one shop only, where it is named."""
        return _by_shop(await self._db.run(_BALANCES, merchant_id=merchant_id, shop_id=shop_id))


def happened(version: int, event_id: str, at: datetime, type_: str, body: bytes) -> Happened:
    """Return the columns of an event as a fact in its place."""
    return Happened(version, EventId(event_id), at, fact_of(type_, body))


def post_params(entries: Iterable[Entry], by: By) -> dict[str, Any]:
    """Return the parameters of POST."""
    listed = list(entries)
    taking = [{"operation": by.once.operation, "event_id": by.once.event_id}] if isinstance(by.once, Taking) else []
    return {
        "taking": to_json(taking),
        "entries": to_json(
            [
                {
                    "payment_id": entry.payment_id,
                    "version": entry.version,
                    "event_id": entry.event_id,
                    "type": entry.type,
                    "merchant_id": entry.merchant_id,
                    "shop_id": entry.shop_id,
                    "at": rfc3339(entry.at),
                }
                for entry in listed
            ]
        ),
        "postings": to_json(
            [
                {
                    "payment_id": entry.payment_id,
                    "version": entry.version,
                    "book": line.book.value,
                    "asset": line.asset,
                    "account": line.account.value,
                    "units": str(units),
                }
                for entry in listed
                for line, units in entry.postings.items()
            ]
        ),
    }


def line_of(book: str, asset: str, account: str) -> Line:
    """Return the columns of a posting as its line."""
    return Line(Book(book), Asset(asset), Account(account))


def _by_shop(rows: Iterable[Row]) -> dict[ShopId, dict[Line, int]]:
    found: defaultdict[ShopId, dict[Line, int]] = defaultdict(dict)
    for shop_id, book, asset, account, units in rows:
        found[ShopId(shop_id)][line_of(book, asset, account)] = int(units)
    return dict(found)


def _shown(row: Row) -> EntryView:
    payment_id, version, type_, at, postings = row
    sides = msgspec.json.decode(postings, type=list[tuple[str, str, str, str]])
    lines = [(line_of(book, asset, account), int(units)) for book, asset, account, units in sides]
    return EntryView(
        payment_id=PaymentId(payment_id), version=version, type=type_, at=at, postings=posting_views(lines)
    )


def _cursor(last: EntryView) -> str:
    place = f"{rfc3339(last.at)} {last.payment_id} {last.version}"
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[str, str, int]:
    """Return the place in the order of entries that a cursor names. Raises Invalid."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        at, payment_id, version = text.split(" ")
        place = rfc3339(datetime.fromisoformat(at)), PaymentId.parse(payment_id), int(version)
    except (binascii.Error, ValueError, OverflowError):
        raise Invalid("This cursor was not handed out here. Begin without one.") from None
    if not 0 < place[2] < 2**63:
        raise Invalid("This cursor was not handed out here. Begin without one.")
    return place
