"""What must hold after every fault, in one function: the ledger, the rows, the blocks, and every effect once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from shared.adapters.postgres.database import Connection, Sql
from shared.adapters.postgres.ledger import PostgresLedger
from shared.adapters.postgres.ledger_check import check
from shared.adapters.postgres.replay import replay
from shared.kernel.decision import By, Taking
from shared.kernel.facts import fact_of
from shared.payments.bookkeeping import Bookkeeping
from shared.payments.chain import Chain
from shared.payments.post_ledger import post_ledger
from tests.integration.paying import Paying
from triggers.registry import load

_WAKES = Sql("select id, type, body from events where type = any(:kinds::text[]) order by at, version")
_TWICE_RUNNING = Sql(
    "select stream, type from (select stream, type, lag(type) over (partition by stream order by version) as before"
    " from events where type in ('payment.settled.v1', 'payment.reversed.v1')) as e where type = before"
)
_ONCE = Sql(
    "select stream, type from events where type in ('payment.requested.v1', 'payment.final.v1', 'payment.expired.v1')"
    " group by 1, 2 having count(*) > 1"
)
_BOOKS = Sql(
    "select book, asset, account, sum(units) from ledger_postings group by 1, 2, 3 having sum(units) <> 0 order by 1, 2"
)
_STANDS = Sql(
    "select p.watch_key, t->>'txid', (t->>'units')::numeric, t->'inclusion'->>'block_hash'"
    " from payments p, jsonb_array_elements(p.transfers) as t"
    " where p.chain = :chain and (t->>'live')::boolean and t->'inclusion' <> 'null'"
)
_BLOCKS = Sql("select height, block_hash from chain_blocks where chain = :chain order by height")
_CURSOR = Sql("select height, block_hash, final_height from chain_cursors where chain = :chain")


async def assert_sound(paying: Paying, nodes: Mapping[str, Chain] | None = None) -> dict[tuple[str, str], int]:
    """Assert that nothing was lost, doubled or skipped; return the claims' balances by (asset, account).

    `nodes` has chains in memory, which are asked instead of the ones in the settings. Every event of the payments is
    posted, and posted again, before the ledger is looked at.
    """
    await post_everything(paying)
    for chain in paying.chains:
        await _assert_read_without_a_gap(paying, chain, (nodes or {}).get(chain) or paying.node(chain))

    def work(connection: Connection) -> dict[tuple[str, str], int]:
        report = check(connection)
        assert (report.missing, report.differences) == ([], [])
        assert all(each.balanced for each in report.balances)
        assert list(connection.run(_TWICE_RUNNING, {})) == []
        assert list(connection.run(_ONCE, {})) == []
        moved = ("pay_", "payments", "chain")  # the shop was laid into its table without facts, see `paying`
        differences = [each for each in replay(connection).differences if each.startswith(moved)]
        assert [each for each in differences if not each.endswith(" expires_at")] == []  # which `past` moves
        books: Counter[tuple[str, str]] = Counter()
        for book, asset, _, units in connection.run(_BOOKS, {}):
            books[book, asset] += units
        assert set(books.values()) <= {0}
        return {
            (asset, account): int(units)
            for book, asset, account, units in connection.run(_BOOKS, {})
            if book == "claims"
        }

    return await paying.db.call(work)


async def post_everything(paying: Paying) -> None:
    """Call post_ledger with every event so far, each twice."""
    using = Bookkeeping(PostgresLedger(paying.db))
    rows = await paying.db.run(_WAKES, kinds=list(load()["post_ledger"].on))
    for event_id, type_, body in [*rows, *reversed(rows)]:
        by = By("post_ledger", once=Taking("post_ledger", event_id))
        await post_ledger(fact_of(type_, body), by=by, using=using)  # type: ignore[arg-type]  # by its types


async def _assert_read_without_a_gap(paying: Paying, chain: str, node: Chain) -> None:
    """Every block up to the tip is the chain's, and every transfer in them to an address of ours is known, once."""
    rows = await paying.db.run(_CURSOR, chain=chain)
    height, block_hash, final_height = rows[0]
    tip = await node.tip()
    assert (height, block_hash) == (tip.height, tip.hash)
    kept = {row[0]: row[1] for row in await paying.db.run(_BLOCKS, chain=chain)}
    first = max(min(kept), final_height)
    assert list(kept) == list(range(min(kept), height + 1))
    assert {at: await node.block_hash(at) for at in range(first, height + 1)} == {
        at: kept[at] for at in range(first, height + 1)
    }
    stands = Counter((row[0], row[1], int(row[2]), row[3]) for row in await paying.db.run(_STANDS, chain=chain))
    watched = {row[0] for row in await paying.db.run(_WATCHED, chain=chain)}
    begun = (await paying.db.run(_BEGUN, chain=chain))[0][0]
    scanned = await node.scan(min(begun, height), height, watched)
    on_chain = Counter((t.to, t.txid, t.units, t.block.hash if t.block else None) for t in scanned.transfers)
    assert stands == on_chain


_WATCHED = Sql("select watch_key from payments where chain = :chain")
_BEGUN = Sql(
    "select min((convert_from(body, 'UTF8')::jsonb->>'height')::bigint) from events where stream = 'chain_' || :chain"
)


def units(books: Mapping[tuple[str, str], int], asset: str) -> dict[str, int]:
    """Return the claims in an asset by account, without signs."""
    return {account: abs(value) for (of, account), value in books.items() if of == asset}
