"""The pool of receive addresses in Postgres: claimed with skipped locks, filled under the lock of a counter.

An address is shown by the statement that appends its payment (`payments.REQUESTED`), which claims nothing: it only goes
through while the row still names this very payment. So a claim that was given back meanwhile can't be shown.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from shared.adapters.postgres.database import Connection, Database, Sql
from shared.kernel.encoding import to_json
from shared.kernel.errors import Bug
from shared.kernel.ids import PaymentId, ShopId
from shared.payments.addresses import Derive, TakenAddress, Thirsty
from shared.payments.chain import ReceiveAddress
from shared.shops.facts import PayoutAccount

_CLAIM: Final = Sql(
    """
update receive_addresses set payment_id = :payment_id, claimed_at = clock_timestamp()
 where (fingerprint, family, derivation_index) =
       (select fingerprint, family, derivation_index from receive_addresses
         where fingerprint = :fingerprint and family = :family and payment_id is null
         order by derivation_index limit 1 for update skip locked)
returning derivation_index, address, watch_key
"""
)
_NEXT_INDEX: Final = Sql(
    "insert into derivation_counters as c (fingerprint, family, next) values (:fingerprint, :family, 1)"
    " on conflict (fingerprint, family) do update set next = c.next + 1 returning next - 1"
)
_ADD: Final = Sql(
    "insert into receive_addresses (fingerprint, family, derivation_index, address, watch_key, payment_id, claimed_at)"
    " values (:fingerprint, :family, :index::bigint, :address, :watch_key, :payment_id, clock_timestamp())"
)
_RELEASE: Final = Sql(
    "update receive_addresses set payment_id = null, claimed_at = null"
    " where payment_id = :payment_id and shown_at is null"
)
_RECYCLE: Final = Sql(
    """
with stale as (
  select fingerprint, family, derivation_index from receive_addresses
   where payment_id is not null and shown_at is null
     and claimed_at < clock_timestamp() - make_interval(secs => :older_s::float8)
   limit 1000 for update skip locked),
freed as (
  update receive_addresses a set payment_id = null, claimed_at = null from stale
   where (a.fingerprint, a.family, a.derivation_index) = (stale.fingerprint, stale.family, stale.derivation_index)
  returning 1)
select count(*) from freed
"""
)
_THIRSTY: Final = Sql(
    """
select s.shop_id, c.family, s.account::text
  from derivation_counters c
  cross join lateral (
    select shop_id, payout -> 'bitcoin' as account from shops
     where c.family = 'bitcoin' and payout -> 'bitcoin' ->> 'fingerprint' = c.fingerprint
    union all
    select shop_id, payout -> 'evm' from shops
     where c.family = 'evm' and payout -> 'evm' ->> 'fingerprint' = c.fingerprint
     limit 1) s
 where (select count(*) from (select from receive_addresses a
         where a.fingerprint = c.fingerprint and a.family = c.family and a.payment_id is null
         limit :below::int) f) < :below::int
 order by c.fingerprint, c.family limit :limit::int
"""
)
_COUNTER: Final = Sql(
    "select next from derivation_counters where fingerprint = :fingerprint and family = :family for update"
)
_FREE: Final = Sql(
    "select count(*) from receive_addresses"
    " where fingerprint = :fingerprint and family = :family and payment_id is null"
)
_FILL: Final = Sql(
    """
with filled as (
  insert into receive_addresses (fingerprint, family, derivation_index, address, watch_key)
  select :fingerprint, :family, index, address, watch_key
    from jsonb_to_recordset(:addresses::jsonb) as a(index bigint, address text, watch_key text))
update derivation_counters set next = next + :count::bigint
 where fingerprint = :fingerprint and family = :family and next = :first::bigint
returning 1
"""
)
_DISCARD: Final = Sql(
    "with gone as (delete from receive_addresses where shown_at is null returning 1) select count(*) from gone"
)


class PostgresAddressPool:
    """Fulfils `shared.payments.addresses.AddressPool`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def claim(self, account: PayoutAccount, family: str, payment_id: PaymentId) -> TakenAddress | None:
        """Return the free address with the lowest index, now this payment's; None when none is free."""
        rows = await self._db.run(_CLAIM, fingerprint=account.fingerprint, family=family, payment_id=payment_id)
        if not rows:
            return None
        index, address, watch_key = rows[0]
        return TakenAddress(account, family, index, ReceiveAddress(address, watch_key))

    async def next_index(self, account: PayoutAccount, family: str) -> int:
        """Return an index below the account key that was never handed out; committed at once."""
        rows = await self._db.run(_NEXT_INDEX, fingerprint=account.fingerprint, family=family)
        return int(rows[0][0])

    async def add(self, taken: TakenAddress, payment_id: PaymentId) -> None:
        """Note an address that was derived for this payment on the spot."""
        await self._db.run(
            _ADD,
            fingerprint=taken.account.fingerprint,
            family=taken.family,
            index=taken.index,
            address=taken.receive.address,
            watch_key=taken.receive.key,
            payment_id=payment_id,
        )

    async def release(self, payment_id: PaymentId) -> None:
        """Give back what the payment claimed, unless it was shown."""
        await self._db.run(_RELEASE, payment_id=payment_id)

    async def recycle(self, *, older_than: timedelta) -> int:
        """Give back what was claimed longer ago and never shown; return how many addresses."""
        return int((await self._db.run(_RECYCLE, older_s=older_than.total_seconds()))[0][0])

    async def thirsty(self, *, below: int, limit: int) -> Sequence[Thirsty]:
        """Return accounts in use, present ones of some shop, with fewer than `below` free addresses."""
        rows = await self._db.run(_THIRSTY, below=below, limit=limit)
        return [
            Thirsty(ShopId(shop_id), family, PayoutAccount.model_validate_json(account))
            for shop_id, family, account in rows
        ]

    async def fill(self, account: PayoutAccount, family: str, derive: Derive, *, up_to: int) -> int:
        """Derive until `up_to` are free, take their indexes, add them, in one commit; return how many were added."""
        which = {"fingerprint": account.fingerprint, "family": family}

        def work(connection: Connection) -> int:
            ((first,),) = connection.run(_COUNTER, which)
            ((free,),) = connection.run(_FREE, which)
            count = up_to - int(free)
            if count <= 0:
                return 0
            derived = enumerate(derive(first, count), first)
            rows = [{"index": index, "address": each.address, "watch_key": each.key} for index, each in derived]
            filled = {**which, "addresses": to_json(rows), "count": count, "first": first}
            if not connection.run(_FILL, filled):
                raise Bug(f"the counter of {account.fingerprint} moved under its lock")
            return count

        return await self._db.transaction(work)

    async def discard(self) -> int:
        """Forget every address that was not shown, as far as this database knows; return how many.

        For a database that was promoted without all that its predecessor had: there, one of them may have been shown.
        """
        return int((await self._db.run(_DISCARD))[0][0])
