"""A person's data in Postgres: read as a whole, and forgotten in one commit."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from shared.adapters.person_keys import PersonKey, PersonKeys
from shared.adapters.postgres.database import Connection, Database, Sql
from shared.adapters.postgres.statement import StateTable
from shared.adapters.sealing import Sealer
from shared.kernel.errors import Bug
from shared.kernel.ids import MerchantId, UserId
from shared.wallets.lifecycle import evolve_user
from shared.wallets.model import User
from shared.wallets.personal_model import MOST_ROWS

_MINE: Final = "customer_id = :user_id"
_THEIRS: Final = "user_id = :user_id"


def _rows(table: str, columns: str, condition: str, order: str) -> Sql:
    """Return a select of rows as one JSON list, newest first."""
    pairs = ", ".join(f"'{column}', {column}" for column in columns.split())
    return Sql(
        f"select coalesce(jsonb_agg(told), '[]')::text from (select jsonb_build_object({pairs}) as told from {table}"
        f" where {condition} order by {order} desc limit {MOST_ROWS + 1}) newest"
    )


_ORDERS_OF: Final = "(select order_id from orders where customer_id = :user_id)"
_MERCHANT: Final = "merchant_id = 'mer_' || substr(:user_id, 5)"
_READ: Final = {
    "devices": _rows("devices", "device_id platform label registered_at disabled_at", _THEIRS, "device_id"),
    "sign_ins": _rows("sign_ins", "at", _THEIRS, "at"),
    "orders": _rows(
        "orders",
        "order_id shop_id status halted lines currency total tip menu_version payment_id note pickup_at delivery"
        " placed_at pay_by changed_at dispatched_at",
        _MINE,
        "order_id",
    ),
    "payments": _rows(
        "payments",
        "payment_id order_id shop_id chain asset address due quote amount timing finality included transfers settled"
        " final expired refunds requested_at expires_at",
        _MINE,
        "payment_id",
    ),
    "claims": _rows(
        "claims",
        "claim_id order_id shop_id status holder_id issued_at redeemed_at redeemed_by",
        f"order_id in {_ORDERS_OF}",
        "claim_id",
    ),
    "ratings": _rows(
        "ratings", "rating_id order_id shop_id stars comment rated_at", f"order_id in {_ORDERS_OF}", "rating_id"
    ),
    "notifications": _rows(
        "notifications",
        "notification_id template language about deliveries queued_at",
        _THEIRS,
        "notification_id",
    ),
    "staff_keys": _rows("api_keys", "key_id role shop_id shop_ids label created_at revoked_at", _MERCHANT, "key_id"),
    "shops": _rows("shops", "shop_id name address registered_at", _MERCHANT, "shop_id"),
}
_PREFERENCES: Final = Sql(
    "select jsonb_build_object('language', language, 'channels', channels, 'quiet_hours', quiet_hours,"
    " 'changed_at', changed_at)::text, sealed_email from preferences where user_id = :user_id"
)
_KEY: Final = Sql("select sealed_key from person_keys where user_id = :user_id")
_STILL_OPEN: Final = Sql(
    """
select array_remove(array[
  case when exists (select from orders where customer_id = :user_id
                     and status in ('pending', 'confirmed', 'preparing', 'ready')) then 'orders' end,
  case when exists (select from payments p, jsonb_array_elements(p.refunds) r where p.customer_id = :user_id
                     and r ->> 'state' not in ('confirmed', 'declined', 'lapsed')) then 'refunds' end,
  case when exists (select from shops where merchant_id = :merchant_id) then 'shops' end,
  case when exists (select from api_keys where merchant_id = :merchant_id and revoked_at is null)
       then 'staff keys' end], null)
"""
)
ERASING: Final = StateTable(
    name="users",
    key="user_id",
    model=User,
    evolve=evolve_user,
    extra=""",
unkeyed as (delete from person_keys where user_id = :user_id returning 1),
unreached as (delete from preferences where user_id = :user_id returning 1),
unpushed as (delete from devices where user_id = :user_id returning 1),
unseen as (delete from sign_ins where user_id = :user_id returning 1),
unsaid as (delete from idempotency where caller = :user_id returning 1)""",
)
"""People, where they are erased: in the commit of the fact ends everything that is no fact."""


def _clear(text: str, key: PersonKey) -> str:
    """Return what was sealed in clear; what does not open was never sealed: people may write `sealed:` themselves."""
    try:
        return key.open(text)
    except (Bug, ValueError):
        return text


def opened(text: str, key: PersonKey) -> str:
    """Return a JSON text with everything in clear that was sealed with the person's key."""

    def clear(value: JsonValue) -> JsonValue:
        if isinstance(value, str):
            return _clear(value, key)
        if isinstance(value, list):
            return [clear(each) for each in value]
        if isinstance(value, dict):
            return {name: clear(each) for name, each in value.items()}
        return value

    return json.dumps(clear(json.loads(text))) if '"sealed:' in text else text


class PostgresRecords:
    """Fulfils `shared.wallets.personal_ports.Records`."""

    def __init__(self, db: Database, sealer: Sealer, keys: PersonKeys) -> None:
        self._db = db
        self._sealer = sealer
        self._keys = keys

    async def of(self, user_id: UserId) -> Mapping[str, str]:
        """Return by kind a JSON list of rows, all of one moment."""

        def work(connection: Connection) -> dict[str, str]:
            connection.execute("set transaction isolation level repeatable read read only")
            found = {name: str(connection.run(sql, {"user_id": user_id})[0][0]) for name, sql in _READ.items()}
            for (sealed_key,) in connection.run(_KEY, {"user_id": user_id}):
                key = self._keys.opened(user_id, bytes(sealed_key))
                found = {name: opened(text, key) for name, text in found.items()}
            return {**found, "preferences": self._preferences(connection, user_id)}

        return await self._db.transaction(work)

    def _preferences(self, connection: Connection, user_id: UserId) -> str:
        told = []
        for text, sealed_email in connection.run(_PREFERENCES, {"user_id": user_id}):
            email = self._sealer.open(bytes(sealed_email), context=f"email:{user_id}") if sealed_email else None
            told.append({**json.loads(text), "email": email})
        return json.dumps(told)

    async def still_open(self, user_id: UserId) -> Sequence[str]:
        """Return what keeps the person from being erased."""
        ((found,),) = await self._db.run(_STILL_OPEN, user_id=user_id, merchant_id=MerchantId.like(user_id))
        return list(found)
