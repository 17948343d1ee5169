"""What should lie at receivers in a chain's own coin, by what was credited and what left them."""

from collections.abc import Mapping, Sequence
from typing import Final

from shared.adapters.postgres.database import Connection, Database, Row, Sql
from shared.kernel.encoding import to_json
from shared.kernel.money import Asset
from shared.payments.observation import Observation
from shared.payments.watch_ports import Account, Turn

MOST_OPEN: Final = 10_000
"""As many open payments are looked at with each block, the newest first; the others have their turn in the round."""
ROUND: Final = 1_000
_EXPECTED: Final = """
select w.watch_key, w.since, w.base,
       coalesce((select sum((t ->> 'units')::numeric) from jsonb_array_elements(p.transfers) t
                  where (t ->> 'live')::boolean and jsonb_typeof(t -> 'inclusion') = 'object'
                    and coalesce(t ->> 'asset', p.asset) = :native), 0)
       - coalesce((select sum(o.units) from address_outflows o
                    where o.chain = w.chain and o.watch_key = w.watch_key and o.asset = :native), 0)
"""
_OPEN: Final = Sql(
    f"""{_EXPECTED}
  from payments p join watched_addresses w on w.chain = p.chain and w.watch_key = p.watch_key
 where p.chain = :chain and p.asset = :native and not p.final and not p.expired and p.closed is null
 order by p.requested_at desc limit {MOST_OPEN}"""
)
_ROUND: Final = Sql(
    f"""{_EXPECTED}
  from watched_addresses w join payments p on p.chain = w.chain and p.watch_key = w.watch_key
 where w.chain = :chain and w.watch_key > (
   select case when r.chain is null or r.reached <> '' then coalesce(r.reached, '')
               when r.began_at <= clock_timestamp() - interval '1 day' then '' end
     from (select 1) one left join look_rounds r on r.chain = :chain)
 order by w.watch_key limit {ROUND}"""
)
_REACHED: Final = Sql(
    "insert into look_rounds as r (chain, reached, began_at) values (:chain, :reached, clock_timestamp())"
    " on conflict (chain) do update set reached = excluded.reached,"
    " began_at = case when r.reached = '' then excluded.began_at else r.began_at end"
)
_ENDED: Final = Sql("update look_rounds set reached = '' where chain = :chain and reached <> ''")
_BASES: Final = Sql(
    "update watched_addresses w set base = b.units from jsonb_to_recordset(:bases::jsonb)"
    " as b(watch_key text, units numeric) where w.chain = :chain and w.watch_key = b.watch_key and w.base is null"
)
_KEPT: Final = Sql(
    "select watch_key, base from watched_addresses where chain = :chain and watch_key = any(:keys::text[])"
    " and base is not null"
)
_LEFT: Final = Sql(
    "select watch_key, sum(units) from address_outflows where chain = :chain and asset = :native"
    " and watch_key = any(:keys::text[]) and height < :first::bigint group by 1"
)
_TAKE_BACK: Final = Sql("delete from address_outflows where chain = :chain and height > :fork::bigint")
_OUTFLOWS: Final = Sql(
    "insert into address_outflows (chain, txid, watch_key, asset, units, height)"
    " select :chain, txid, watch_key, asset, units, height from jsonb_to_recordset(:outflows::jsonb)"
    " as o(txid text, watch_key text, asset text, units numeric, height bigint) on conflict do nothing"
)


class PostgresBooks:
    """Fulfils `shared.payments.watch_ports.Books`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def open(self, turn: Turn, native: Asset) -> Sequence[Account]:
        """Return the receivers of payments in the chain's own coin that are neither final nor over."""
        return [_account(row) for row in await self._db.run(_OPEN, chain=turn.chain, native=native)]

    async def round(self, turn: Turn, native: Asset) -> Sequence[Account]:
        """Return the next receivers of the daily round, none while it waits for tomorrow."""
        rows = await self._db.run(_ROUND, chain=turn.chain, native=native)
        if not rows:
            await self._db.run(_ENDED, chain=turn.chain)
        return [_account(row) for row in rows]

    async def reached(self, turn: Turn, last: Sequence[Account]) -> None:
        """Note that the round has passed these accounts; fewer than a whole piece end it."""
        key = last[-1].watch_key if len(last) == ROUND else ""
        await self._db.run(_REACHED, chain=turn.chain, reached=key)


def taken_back(connection: Connection, chain: str, fork: int) -> None:
    """Forget what left receivers in blocks above the fork."""
    connection.run(_TAKE_BACK, {"chain": chain, "fork": fork})


def standing(connection: Connection, observed: Observation) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Keep the bases that were found; return (bases, left before these blocks) of the receivers that were looked at."""
    keys = sorted({key for look in observed.looks for key in look.balances})
    if observed.bases:
        rows = [{"watch_key": key, "units": str(units)} for key, units in observed.bases.items()]
        connection.run(_BASES, {"chain": observed.chain, "bases": to_json(rows)})
    if not keys:
        return {}, {}
    asked = {"chain": observed.chain, "keys": keys}
    bases = {key: int(units) for key, units in connection.run(_KEPT, asked)}
    first = observed.blocks[0].ref.height
    left = connection.run(_LEFT, {**asked, "native": observed.native, "first": first})
    return bases, {key: int(units) for key, units in left}


def keep_outflows(connection: Connection, observed: Observation) -> None:
    """Keep what left receivers in these blocks."""
    rows = [
        {
            "txid": out.txid,
            "watch_key": out.account,
            "asset": out.asset,
            "units": str(out.units),
            "height": block.ref.height,
        }
        for block in observed.blocks
        for out in block.outflows
    ]
    if rows:
        connection.run(_OUTFLOWS, {"chain": observed.chain, "outflows": to_json(rows)})


def _account(row: Row) -> Account:
    key, since, base, expected = row
    return Account(key, int(expected), since, None if base is None else int(base))
