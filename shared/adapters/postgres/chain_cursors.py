"""How far each chain was read, under a fenced lease; and what is watched there.

Every write first advances or locks the cursor row `where generation and epoch = mine`, in the same transaction as the
facts: whoever lost the lease meanwhile finds no row, and nothing of what they wrote remains.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, cast

from shared.adapters.postgres import asset_holds, chain_books
from shared.adapters.postgres.database import Connection, Database, Row, Sql
from shared.adapters.postgres.leases import Lease, acquire, release, renew
from shared.adapters.postgres.payments import TABLE as PAYMENTS
from shared.adapters.postgres.payments import append_all
from shared.adapters.postgres.recording import prepare
from shared.adapters.postgres.statement import StateTable, append_sql, rows_sql
from shared.adapters.postgres.store import stored
from shared.kernel.clock import rfc3339
from shared.kernel.decision import By, Decided, Stored
from shared.kernel.encoding import to_json
from shared.kernel.errors import Bug, Fenced
from shared.kernel.facts import Fact
from shared.kernel.money import Asset
from shared.payments.chain import BlockRef, Outpoint, TokenState, Watch
from shared.payments.facts import BlockScanned
from shared.payments.lifecycle import evolve_cursor
from shared.payments.model import ChainCursor, Payment
from shared.payments.observation import Observation
from shared.payments.watch_ports import Cursor, Turn

LEASE_S: Final = 20.0
"""Longer than a range takes to be read; every write renews it."""

TABLE: Final = StateTable(name="chain_cursors", key="chain", model=ChainCursor, evolve=evolve_cursor)

_APPEND: Final = append_sql(TABLE, "", None)
_STAMP: Final = Sql(
    "update chain_cursors set generation = :generation::bigint, epoch = :epoch::bigint where chain = :chain"
    " returning height, block_hash, final_height, coalesce(agreed, height), caught_up_at"
)
_NOW: Final = Sql("select clock_timestamp()")
_MINE: Final = rows_sql(
    TABLE, "where chain = :chain and generation = :generation::bigint and epoch = :epoch::bigint for update"
)
_ANY: Final = Sql("select from chain_cursors where chain = :chain")
_STARTED: Final = Sql(
    "update chain_cursors set generation = :generation::bigint, epoch = :epoch::bigint,"
    " mempool_at = case when :mempool then 'epoch'::timestamptz end where chain = :chain"
)
_CAUGHT_UP: Final = Sql(
    "update chain_cursors set caught_up_at = greatest(caught_up_at, :began::timestamptz),"
    " mempool_at = case when :mempool then greatest(mempool_at, :began::timestamptz) else mempool_at end"
    " where chain = :chain and generation = :generation::bigint and epoch = :epoch::bigint returning 1"
)
_BRANCH: Final = Sql(
    "select height, block_hash from chain_blocks where chain = :chain and height <= :below::bigint"
    " order by height desc limit :limit::int"
)
_CUT: Final = Sql(
    "delete from chain_blocks where chain = :chain and (height > :fork::bigint or height < :final_height::bigint)"
)
_BLOCKS: Final = Sql(
    "insert into chain_blocks (chain, height, block_hash, parent_hash, block_time)"
    " select :chain, height, block_hash, parent_hash, block_time"
    " from jsonb_to_recordset(:blocks::jsonb)"
    " as b(height bigint, block_hash text, parent_hash text, block_time timestamptz)"
)
_TOUCHED: Final = rows_sql(
    PAYMENTS,
    """where payment_id in (
   select payment_id from payments where chain = :chain and watch_key = any(:watch_keys::text[])
   union select payment_id from sighted_inputs where chain = :chain and spender = any(:losers::text[])
   union select payment_id from payments where chain = :chain and highest > :fork::bigint)
 order by payment_id for update""",
)
_INPUTS: Final = Sql(
    "insert into sighted_inputs (chain, txid, output, spender, payment_id)"
    " select :chain, txid, output, spender, payment_id from jsonb_to_recordset(:inputs::jsonb)"
    " as i(txid text, output bigint, spender text, payment_id text) on conflict do nothing"
)
_WATCHED_INPUTS: Final = Sql(
    "select txid, output, array_agg(spender) from sighted_inputs where chain = :chain group by 1, 2"
)
_RECEIVERS: Final = Sql(
    "select pg_snapshot_xmin(pg_current_snapshot())::text, array(select watch_key from watched_addresses"
    " where chain = :chain and xid >= :since::text::xid8)"
)
_NO_FORK: Final = 2**62


class PostgresCursors:
    """The cursors of all chains."""

    def __init__(self, db: Database, *, region: str, lease_s: float = LEASE_S) -> None:
        self._db = db
        self._region = region
        self._lease_s = lease_s

    async def take(self, chain: str, owner: str) -> Turn | None:
        """Return a turn under a fresh epoch, or None while another watcher has the lease."""

        def work(connection: Connection) -> Turn | None:
            lease = acquire(connection, _name(chain), owner, ttl_s=self._lease_s)
            if lease is None:
                return None
            params = {"chain": chain, "generation": lease.generation, "epoch": lease.epoch}
            rows = connection.run(_STAMP, params)
            began = cast(datetime, connection.run(_NOW, {})[0][0])
            cursor = _cursor(chain, rows[0]) if rows else None
            return Turn(chain, owner, lease.generation, lease.epoch, began, cursor)

        return await self._db.transaction(work)

    async def release(self, turn: Turn) -> None:
        """Let the next watcher in at once; nothing happens when there is one already."""
        await self._db.call(lambda connection: release(connection, _lease(turn)))

    async def branch(self, turn: Turn, *, below: int, limit: int) -> Sequence[BlockRef]:
        """Return scanned blocks at `below` and lower, highest first: none lies under the last final block."""
        rows = await self._db.run(_BRANCH, chain=turn.chain, below=below, limit=limit)
        return [BlockRef(turn.chain, height, block_hash) for height, block_hash in rows]

    async def record(
        self,
        turn: Turn,
        observed: Observation,
        rule: Callable[[Payment, Observation], Sequence[Fact]],
        *,
        final_height: int | None,
        agreed: int | None = None,
        by: By,
    ) -> Cursor | None:
        """Write an observation under the turn's epoch: all of it or nothing. Raises Fenced."""

        def work(connection: Connection) -> Cursor | None:
            self._fence(connection, turn)
            found = _mine(connection, turn)
            chain_books.taken_back(connection, turn.chain, _fork(observed))
            self._decide(connection, observed, rule, by)
            if not observed.blocks:
                return turn.cursor
            if final_height is None:
                raise Bug("blocks are recorded with the height up to which they are final")
            last = observed.blocks[-1].ref
            cursor = self._tell(connection, turn, found, last, final_height, agreed, observed, by)
            if found is None:
                connection.run(_STARTED, {**_epoch(turn), "mempool": observed.mempool_watched})
            connection.run(_CUT, {"chain": turn.chain, "fork": _fork(observed), "final_height": final_height})
            connection.run(_BLOCKS, {"chain": turn.chain, "blocks": _block_rows(observed, final_height)})
            return cursor

        return await self._db.transaction(work)

    async def agree(
        self,
        turn: Turn,
        observed: Observation,
        rule: Callable[[Payment, Observation], Sequence[Fact]],
        *,
        agreed: int,
        by: By,
    ) -> Cursor:
        """Write that a second node says the same of blocks that were read before. Raises Fenced."""

        def work(connection: Connection) -> Cursor:
            self._fence(connection, turn)
            found = _mine(connection, turn)
            if turn.cursor is None:
                raise Bug(f"{turn.chain} was never read, so there is nothing to agree on")
            self._decide(connection, observed, rule, by)
            block, final_height = turn.cursor.block, turn.cursor.final_height
            return self._tell(connection, turn, found, block, final_height, agreed, observed, by)

        return await self._db.transaction(work)

    def _decide(
        self,
        connection: Connection,
        observed: Observation,
        rule: Callable[[Payment, Observation], Sequence[Fact]],
        by: By,
    ) -> None:
        """Write what an observation means for every payment that it touches."""
        bases, left = chain_books.standing(connection, observed)
        whole = replace(observed, bases=bases, left_before=left)
        touched = [stored(Payment, row) for row in connection.run(_TOUCHED, _touched(observed))]
        decided = [(payment, rule(payment.state, whole)) for payment in touched]
        append_all(connection, decided, by=by, now=observed.at, region=self._region)
        _keep_inputs(connection, observed, touched)
        chain_books.keep_outflows(connection, observed)

    async def hold(self, turn: Turn, states: Sequence[TokenState], short: Mapping[Asset, int]) -> Mapping[Asset, str]:
        """Hold what must be held, let go of the rest; return why each is held. Raises Fenced."""

        def work(connection: Connection) -> Mapping[Asset, str]:
            self._fence(connection, turn)
            return asset_holds.write(connection, turn.chain, states, short)

        return await self._db.transaction(work)

    async def caught_up(self, turn: Turn, *, mempool: bool) -> None:
        """Note that the chain (and its mempool) was read up to when the turn began. Raises Fenced."""

        def work(connection: Connection) -> None:
            self._fence(connection, turn)
            params = {**_epoch(turn), "began": turn.began, "mempool": mempool}
            if not connection.run(_CAUGHT_UP, params):
                raise Fenced(f"{turn.chain} is watched by another process.")

        await self._db.transaction(work)

    def _fence(self, connection: Connection, turn: Turn) -> None:
        """Hold the lease's row until the commit, so that nobody takes over in the middle. Raises Fenced."""
        if not renew(connection, _lease(turn), ttl_s=self._lease_s):
            raise Fenced(f"{turn.chain} is watched by another process.")

    def _tell(
        self,
        connection: Connection,
        turn: Turn,
        found: Stored[ChainCursor] | None,
        last: BlockRef,
        final_height: int,
        agreed: int | None,
        observed: Observation,
        by: By,
    ) -> Cursor:
        """Move the cursor to `last`, after the facts of its payments."""
        fact = BlockScanned(
            chain=turn.chain,
            height=last.height,
            block_hash=last.hash,
            final_height=final_height,
            agreed=agreed,
            scanned_at=observed.at,
        )
        after, ready = prepare(
            TABLE, _stream(turn.chain), found, Decided((fact,)), by=by, now=observed.at, region=self._region
        )
        row = {"version": ready.version, "head": ready.head, "row": ready.row, "expected": ready.expected}
        connection.run(_APPEND, {**row, "events": to_json(ready.events), "outbox": to_json(ready.outbox)})
        caught_up_at = turn.cursor.caught_up_at if turn.cursor else turn.began
        return Cursor(last, after.state.final_height, last.height if agreed is None else agreed, caught_up_at)


class PostgresReceivers:
    """What is watched: the set in this process follows the table by the transactions it has not read yet."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._keys: dict[str, set[str]] = {}
        self._since: dict[str, str] = {}
        self._reading = asyncio.Lock()

    async def refresh(self, chain: str) -> Watch:
        """Return the watch set with every receiver committed so far.

        A transaction that was open at the last read is at or above that read's xmin, so it is read again now.
        """
        async with self._reading:
            rows = await self._db.run(_RECEIVERS, chain=chain, since=self._since.get(chain, "0"))
            xmin, fresh = rows[0]
            keys = self._keys.setdefault(chain, set())
            keys.update(fresh)
            self._since[chain] = xmin
            return keys

    async def inputs(self, chain: str) -> Mapping[Outpoint, frozenset[str]]:
        """Return the coins that sighted transactions spend, each with the transactions that were seen to."""
        rows = await self._db.run(_WATCHED_INPUTS, chain=chain)
        return {Outpoint(txid, output): frozenset(spenders) for txid, output, spenders in rows}


def _name(chain: str) -> str:
    return f"watch:{chain}"


def _stream(chain: str) -> str:
    return f"chain_{chain}"


def _lease(turn: Turn) -> Lease:
    return Lease(_name(turn.chain), turn.owner, turn.generation, turn.epoch)


def _epoch(turn: Turn) -> dict[str, object]:
    return {"chain": turn.chain, "generation": turn.generation, "epoch": turn.epoch}


def _cursor(chain: str, row: Row) -> Cursor:
    height, block_hash, final_height, agreed, caught_up_at = row
    return Cursor(BlockRef(chain, height, block_hash), final_height, agreed, caught_up_at)


def _mine(connection: Connection, turn: Turn) -> Stored[ChainCursor] | None:
    """Return the cursor's row, locked; None where the chain has none yet. Raises Fenced when it is another's."""
    rows = connection.run(_MINE, _epoch(turn))
    if not rows and connection.run(_ANY, {"chain": turn.chain}):
        raise Fenced(f"{turn.chain} is watched by another process.")
    found = stored(ChainCursor, rows[0]) if rows else None
    stands = BlockRef(turn.chain, found.state.height, found.state.block_hash) if found else None
    if stands != (turn.cursor.block if turn.cursor else None):
        raise Bug(f"the cursor of {turn.chain} moved within its own epoch")
    return found


def _touched(observed: Observation) -> dict[str, object]:
    return {
        "chain": observed.chain,
        "watch_keys": list(observed.watch_keys),
        "losers": list(observed.conflicts),
        "fork": _fork(observed),
    }


def _fork(observed: Observation) -> int:
    return observed.fork.height if observed.fork else _NO_FORK


def _keep_inputs(connection: Connection, observed: Observation, touched: Sequence[Stored[Payment]]) -> None:
    """Keep the coins that sighted transactions spend: who else spends them has replaced the sighting."""
    payment_by_key = {payment.state.watch_key: payment.state.payment_id for payment in touched}
    rows = [
        {"txid": coin.txid, "output": coin.output, "spender": seen.transfer.txid, "payment_id": payment_id}
        for seen in observed.sightings
        if (payment_id := payment_by_key.get(seen.transfer.to))
        for coin in seen.inputs
    ]
    if rows:
        connection.run(_INPUTS, {"chain": observed.chain, "inputs": to_json(rows)})


def _block_rows(observed: Observation, final_height: int) -> str:
    """Return the blocks that a reorganisation could still take back, and the last final one."""
    return to_json(
        [
            {
                "height": block.ref.height,
                "block_hash": block.ref.hash,
                "parent_hash": block.parent_hash,
                "block_time": rfc3339(block.time),
            }
            for block in observed.blocks
            if block.ref.height >= final_height
        ]
    )
