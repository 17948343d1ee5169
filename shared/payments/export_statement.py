"""export_statement: a shop's day in the ledger as CSV (RFC 4180), for accountants and their programs."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from pydantic import Field

from shared.kernel.decision import By
from shared.kernel.errors import Invalid, NotFound
from shared.kernel.ids import ShopId
from shared.kernel.money import MINOR_DIGITS, Asset, Fiat, Frozen, whole
from shared.kernel.reply import Reply
from shared.payments.bookkeeping import Bookkeeping, LedgerDay
from shared.payments.ledger import Line

MEDIA_TYPE: Final = "text/csv; charset=utf-8; header=present"
MOST: Final = 20_000
"""Entries of a day in one file."""
COLUMNS: Final = (
    "row",
    "time",
    "payment",
    "version",
    "fact",
    "book",
    "account",
    "asset",
    "debit",
    "credit",
    "debit_units",
    "credit_units",
    "value",
    "currency",
)
"""Whole coins with a point, base units beside them; `value` is by the rate that the payment was quoted."""


class ExportStatement(Frozen):
    """Whose statement, of which day."""

    shop_id: ShopId
    day: date = Field(description="A day in the shop's own time zone", examples=["2026-05-06"])


async def export_statement(asked: ExportStatement, *, by: By, using: Bookkeeping) -> Reply[bytes]:
    """Return the day with its opening balances, entries, totals and closing balances, all of one moment.

    Opening and total make closing, in every account. Raises NotFound, also for somebody else's shop, and Invalid for a
    day with more entries than fit into one file.
    """
    if by.merchant_id is None or not by.staff_of(by.merchant_id, asked.shop_id):
        raise NotFound("There is no such shop among yours.")
    found = await using.ledger.day(asked.shop_id, by.merchant_id, asked.day, after=None, limit=MOST)
    if found is None:
        raise NotFound("There is no such shop among yours.")
    if found.entries[1] is not None:
        raise Invalid(f"The day has more than {MOST} entries: read it page by page from /v1/shops/…/ledger.")
    headers = {
        "content-disposition": f'attachment; filename="ledger-{asked.shop_id}-{asked.day.isoformat()}.csv"',
        "cache-control": "no-store",
    }
    return Reply(written(found), content_type=MEDIA_TYPE, headers=headers)


def written(day: LedgerDay) -> bytes:
    """Return the file."""
    text = io.StringIO(newline="")
    out = csv.writer(text)
    out.writerow(COLUMNS)
    out.writerows(_balances("opening", day.opening))
    total: defaultdict[Line, list[int]] = defaultdict(lambda: [0, 0])
    zone = ZoneInfo(day.timezone)
    for entry in day.entries[0]:
        at = entry.at.astimezone(zone).isoformat(timespec="milliseconds")
        for side in entry.postings:
            line = Line(side.book, side.asset, side.account)
            total[line][0] += side.debit
            total[line][1] += side.credit
            place = ("entry", at, entry.payment_id, entry.version, entry.type)
            out.writerow((*place, *_cells(line, side.debit, side.credit), *_value(side.value)))
    for line in sorted(total, key=_order):
        out.writerow(("total", "", "", "", "", *_cells(line, *total[line]), "", ""))
    out.writerows(_balances("closing", day.closing))
    return text.getvalue().encode()


def _balances(row: str, balances: Mapping[Line, int]) -> Iterator[tuple[object, ...]]:
    for line in sorted(balances, key=_order):
        units = balances[line]
        yield (row, "", "", "", "", *_cells(line, max(units, 0), max(-units, 0)), "", "")


def _cells(line: Line, debit: int, credit: int) -> tuple[object, ...]:
    named = (line.book.value, line.account.value, str(line.asset))
    if line.asset not in Asset.known():  # it is no longer offered, and nobody says what a whole one is
        return (*named, "", "", debit, credit)
    digits = line.asset.decimals
    return (*named, whole(debit, digits), whole(credit, digits), debit, credit)


def _value(value: Fiat | None) -> tuple[str, str]:
    if value is None:
        return "", ""
    digits = MINOR_DIGITS[value.currency]
    text = f"{value.units:0{digits + 1}d}"
    return (f"{text[:-digits]}.{text[-digits:]}" if digits else text), value.currency


def _order(line: Line) -> tuple[str, str, str]:
    return line.book.value, str(line.asset), line.account.value
