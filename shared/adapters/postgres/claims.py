"""Claims in Postgres: their streams, the count of wrong codes, and what they read of orders."""

from typing import Final

from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.statement import GuardedBy, StateTable, rows_sql
from shared.adapters.postgres.store import TAKE, StateStore, stored
from shared.claims.lifecycle import evolve
from shared.claims.model import Claim
from shared.claims.ports import OrderStanding
from shared.kernel.decision import By, Stored, Taking
from shared.kernel.errors import TooMany
from shared.kernel.ids import ClaimId, MerchantId, OrderId, ShopId, UserId

WRONG_TRIES: Final = 5
WINDOW_S: Final = 900

TABLE: Final = StateTable(
    name="claims", key="claim_id", model=Claim, evolve=evolve, guards=(GuardedBy("orders", "order_id"),)
)

_OF_PERSON: Final = rows_sql(
    TABLE, "where order_id = :order_id and (customer_id = :person::text or holder_id = :person::text)"
)
_KNOWN: Final = Sql("select exists (select from users where user_id = :user_id)")
# The row of `redeem_tries` is locked by the upsert, for right codes too: a thousand guesses at once come one after
# the other, and from the sixth on none is looked at. A right code adds nothing and takes nothing back. At somebody
# else's shop nothing is found and nothing counted.
_IN_WINDOW: Final = "t.window_start > clock_timestamp() - :window_s::int * interval '1 second'"
_WITH_CODE: Final = Sql(
    f"""
with own as (
  select shop_id from shops where shop_id = :shop_id and merchant_id = :merchant_id),
found as (
  select claim_id from claims
   where shop_id = (select shop_id from own) and merchant_id = :merchant_id and code_hash = :code_hash
   order by status = 'issued' desc, issued_at desc limit 1),
counted as (
  insert into redeem_tries as t (shop_id, caller, window_start, wrong)
  select shop_id, :caller::text, clock_timestamp(), case when exists (select from found) then 0 else 1 end from own
  on conflict (shop_id, caller) do update set
    wrong = excluded.wrong + case when {_IN_WINDOW} then t.wrong else 0 end,
    window_start = case when {_IN_WINDOW} and t.wrong > 0 then t.window_start else clock_timestamp() end
  where t.wrong < :most::int or not {_IN_WINDOW}
  returning 1)
select exists (select from own), exists (select from counted), (select claim_id from found),
       (select greatest(1, ceil(:window_s::int - extract(epoch from clock_timestamp() - window_start)))::int
          from redeem_tries where shop_id = :shop_id and caller = :caller)
"""
)
_STANDING: Final = Sql(
    "select shop_id, merchant_id, customer_id, status, halted, version from orders where order_id = :order_id"
)


class PostgresClaims(StateStore[Claim]):
    """The claims' own store."""

    def __init__(self, db: Database, *, region: str) -> None:
        super().__init__(db, TABLE, region=region)

    async def take(self, by: By) -> None:
        """Take the event of `by` without any facts."""
        if isinstance(by.once, Taking):
            await self._db.run(TAKE, operation=by.once.operation, event_id=by.once.event_id)

    async def with_code(self, shop_id: ShopId, merchant_id: MerchantId, code_hash: str, *, by: By) -> ClaimId | None:
        """Return the shop's claim with this code, an open one first; None for a wrong code, which is counted."""
        ((own, admitted, claim_id, wait_s),) = await self._db.run(
            _WITH_CODE,
            shop_id=shop_id,
            merchant_id=merchant_id,
            code_hash=code_hash,
            caller=by.actor,
            window_s=WINDOW_S,
            most=WRONG_TRIES,
        )
        if own and not admitted:
            raise TooMany(
                f"{WRONG_TRIES} wrong codes: no more are looked at for a while.", retry_after_s=wait_s or WINDOW_S
            )
        return ClaimId(claim_id) if claim_id else None

    async def of_person(self, order_id: OrderId, person: UserId) -> Stored[Claim] | None:
        """Return the order's claim, where it is the person's own or they are let pick up; else None."""
        rows = await self._db.run(_OF_PERSON, order_id=order_id, person=person)
        return stored(Claim, rows[0]) if rows else None


class PostgresKnownPeople:
    """What claims read of people."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def known(self, user_id: UserId) -> bool:
        """Return whether there is such a person."""
        ((known,),) = await self._db.run(_KNOWN, user_id=user_id)
        return bool(known)


class PostgresOrderStandings:
    """What claims read of orders."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def standing(self, order_id: OrderId) -> OrderStanding | None:
        """Return how the order stands now, or None when there is none."""
        rows = await self._db.run(_STANDING, order_id=order_id)
        if not rows:
            return None
        shop_id, merchant_id, customer_id, status, halted, version = rows[0]
        return OrderStanding(
            order_id, ShopId(shop_id), MerchantId(merchant_id), UserId(customer_id), status, halted, version
        )
