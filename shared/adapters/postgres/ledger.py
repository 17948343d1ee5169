"""The ledger in Postgres: append-only entries, one per payment and version, and what is added up from them."""

import base64
import binascii
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import msgspec

from shared.adapters.postgres.database import Connection, Database, Row, Sql
from shared.adapters.postgres.ledger_snapshots import BALANCES
from shared.kernel.clock import rfc3339
from shared.kernel.decision import By, Taking
from shared.kernel.encoding import to_json
from shared.kernel.errors import Invalid
from shared.kernel.facts import fact_of
from shared.kernel.ids import EventId, MerchantId, PaymentId, ShopId
from shared.kernel.money import Asset, Fiat
from shared.payments.bookkeeping import Balances, LedgerDay
from shared.payments.ledger import Account, Book, Entry, Happened, Line
from shared.payments.statement import EntryView, Quoted, posting_views

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
_DAY: Final = Sql(
    "select timezone, (:day::text::date::timestamp at time zone timezone)::text,"
    " ((:day::text::date + 1)::timestamp at time zone timezone)::text"
    " from shops where shop_id = :shop_id and merchant_id = :merchant_id"
)
"""A day's beginning and end as text: those at the ends of the calendar are beyond what a datetime holds."""
_ENTRIES: Final = Sql(
    """
select e.payment_id, e.version, e.type, e.at,
       (select jsonb_agg(jsonb_build_array(p.book, p.asset, p.account, p.units::text))::text
          from ledger_postings p where (p.payment_id, p.version) = (e.payment_id, e.version)),
       q.asset, q.quote ->> 'amount', (q.quote -> 'price')::text
  from ledger_entries e left join payments q on q.payment_id = e.payment_id
 where e.shop_id = :shop_id and e.merchant_id = :merchant_id
   and e.at >= :starts::text::timestamptz and e.at < :ends::text::timestamptz
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
            found = connection.run(_DAY, {**whose, "day": day.isoformat()})
            if not found:
                return None
            timezone, starts, ends = found[0]
            opening, closing = (by_shop(connection.run(BALANCES, {**whose, "until": end})) for end in (starts, ends))
            page = {"after_at": after_at, "after_payment": after_payment, "after_version": after_version}
            when = {**whose, "starts": starts, "ends": ends}
            rows = connection.run(_ENTRIES, {**when, **page, "limit": limit + 1})
            shown = [_shown(row) for row in rows[:limit]]
            cursor = _cursor(shown[-1]) if len(rows) > limit else None
            return LedgerDay(timezone, opening.get(shop_id, {}), closing.get(shop_id, {}), (shown, cursor))

        return await self._db.transaction(work)

    async def balances(self, merchant_id: MerchantId, shop_id: ShopId | None) -> Mapping[ShopId, Balances]:
        """Return the balances of each of the merchant's shops that has any; of one shop only, where it is named."""
        rows = await self._db.run(BALANCES, merchant_id=merchant_id, shop_id=shop_id, until="infinity")
        return by_shop(rows)


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


def by_shop(rows: Iterable[Row]) -> dict[ShopId, dict[Line, int]]:
    """Return rows (shop, book, asset, account, units) as balances per shop."""
    found: defaultdict[ShopId, dict[Line, int]] = defaultdict(dict)
    for shop_id, book, asset, account, units in rows:
        found[ShopId(shop_id)][line_of(book, asset, account)] = int(units)
    return dict(found)


def _shown(row: Row) -> EntryView:
    payment_id, version, type_, at, postings, asset, amount, price = row
    sides = msgspec.json.decode(postings, type=list[tuple[str, str, str, str]])
    lines = [(line_of(book, asset, account), int(units)) for book, asset, account, units in sides]
    quoted = Quoted(Asset(asset), int(amount), Fiat.model_validate_json(price)) if amount else None
    shown = posting_views(lines, quoted)
    return EntryView(payment_id=PaymentId(payment_id), version=version, type=type_, at=at, postings=shown)


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
