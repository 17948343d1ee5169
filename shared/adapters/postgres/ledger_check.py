"""`python -m shared.adapters.postgres.ledger_check`: compute the ledger anew from the events, and compare.

It names every entry that is missing, was never caused by a fact, or says something else than its fact, and whether
each asset's identities hold; the exit code is 1 where anything does not. `--post` posts what is missing first: what was
paid before there was a ledger, or happened while its events were not delivered.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from shared.adapters.postgres.database import Connection, Sql
from shared.adapters.postgres.ledger import POST, happened, line_of, post_params
from shared.kernel.clock import rfc3339
from shared.kernel.decision import By
from shared.payments.ledger import Entry, Happened, Line, entries
from shared.payments.statement import BalanceView, balance_views
from shared.settings import PostgresSettings

BATCH: Final = 5_000
PAYMENTS: Final = 500
"""As many payments are compared, or posted in one statement, at a time."""
_AFTER: Final = Sql(
    "select stream, version, id, at, type, body from events"
    r" where (stream, version) > (:after, :version::bigint) and stream like 'pay\_%'"
    f" order by stream, version limit {BATCH}"
)
_KEPT: Final = Sql(
    "select e.payment_id, e.version, e.event_id, e.type, e.merchant_id, e.shop_id, e.at, p.merchant_id, p.shop_id,"
    " p.at, p.book, p.asset, p.account, p.units"
    " from ledger_entries e left join ledger_postings p using (payment_id, version)"
    " where e.payment_id > :after and (:last::text is null or e.payment_id <= :last::text)"
)
Key = tuple[str, int]
Told = tuple[tuple[str, ...], dict[Line, int]]
"""What an entry says: its columns, and its postings."""


@dataclass(slots=True)
class Report:
    """What was found. `balances` are those of the entries as they are kept, all shops together."""

    payments: int = 0
    entries: int = 0
    posted: int = 0
    missing: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    balances: tuple[BalanceView, ...] = ()

    @property
    def holds(self) -> bool:
        """Return whether the ledger is what the facts say, and balances."""
        return not self.missing and not self.differences and all(each.balanced for each in self.balances)


def check(connection: Connection, *, post: bool = False) -> Report:
    """Return what a computation of everything finds, in one snapshot; with `post`, post what is missing before."""
    report = Report()
    if post:
        for computed in _batches(connection):
            written = connection.run(POST, post_params((e for each in computed for e in each[1]), By("ledger_check")))
            report.posted += written[0][0]
    total: Counter[Line] = Counter()
    connection.execute("begin isolation level repeatable read read only")
    try:
        after = ""
        for computed in _batches(connection):
            last = computed[-1][0]
            _compare(report, total, _kept(connection, after, last), (e for each in computed for e in each[1]))
            report.payments += len(computed)
            after = last
        _compare(report, total, _kept(connection, after, None), ())
    finally:
        connection.execute("rollback")
    report.balances = balance_views(total)
    return report


def _batches(connection: Connection) -> Iterator[list[tuple[str, list[Entry]]]]:
    """Yield payments with the entries their facts make, ordered, some at a time."""
    batch: list[tuple[str, list[Entry]]] = []
    for payment_id, history in groupby(_events(connection), key=lambda event: event[0]):
        batch.append((payment_id, list(entries(one for _, one in history))))
        if len(batch) == PAYMENTS:
            yield batch
            batch = []
    if batch:
        yield batch


def _events(connection: Connection) -> Iterator[tuple[str, Happened]]:
    stream, version = "", 0
    while rows := connection.run(_AFTER, {"after": stream, "version": version}):
        for row in rows:
            yield row[0], happened(*row[1:])
        stream, version = rows[-1][0], rows[-1][1]


def _kept(connection: Connection, after: str, last: str | None) -> dict[Key, Told]:
    """Return the entries of the payments after `after` up to `last` (None: all the others), as they are kept."""
    kept: dict[Key, Told] = {}
    for row in connection.run(_KEPT, {"after": after, "last": last}):
        payment_id, version, *columns, at, merchant_id, shop_id, posted_at, book, asset, account, units = row
        told = kept.setdefault((payment_id, version), ((*columns, rfc3339(at)), {}))
        if book is None:
            continue
        told[1][line_of(book, asset, account)] = int(units)
        if (merchant_id, shop_id, posted_at) != (columns[2], columns[3], at):
            kept[payment_id, version] = ((*told[0], "with postings of another shop or time"), told[1])
    return kept


def _compare(report: Report, total: Counter[Line], kept: dict[Key, Told], computed: Iterable[Entry]) -> None:
    report.entries += len(kept)
    for _, postings in kept.values():
        total.update(postings)
    for entry in computed:
        name = f"{entry.payment_id} at version {entry.version}"
        found = kept.pop((entry.payment_id, entry.version), None)
        columns = (entry.event_id, entry.type, entry.merchant_id, entry.shop_id, rfc3339(entry.at))
        if found is None:
            report.missing.append(f"{name}: {entry.type} is not posted")
        elif found != (columns, entry.postings):
            report.differences.append(f"{name}: the entry says something else than its {entry.type}")
    report.differences += [f"{payment_id} at version {version}: no fact caused it" for payment_id, version in kept]


def said(report: Report) -> Iterator[str]:
    """Yield what is to be said, line by line."""
    yield from (*report.missing, *report.differences)
    for each in report.balances:
        yield (
            f"{each.asset}: received {each.received} = settled {each.settled} + held {each.held}"
            f" + refunded {each.refunded} - shortfall {each.shortfall}{'' if each.balanced else ': NOT BALANCED'}"
        )
    posted = f"{report.posted} posted, " if report.posted else ""
    yield (
        f"{report.payments} payments, {report.entries} entries, {posted}{len(report.missing)} missing,"
        f" {len(report.differences)} different"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the ledger of the database that DATABASE_URL names; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="ledger_check", description=__doc__)
    parser.add_argument("--post", action="store_true", help="post what is missing first")
    asked: Any = parser.parse_args(arguments)
    connection = Connection(PostgresSettings.from_env())
    try:
        report = check(connection, post=asked.post)
    finally:
        connection.close()
    sys.stdout.writelines(f"ledger: {line}\n" for line in said(report))
    return 0 if report.holds else 1


if __name__ == "__main__":
    sys.exit(main())
