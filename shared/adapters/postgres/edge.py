"""What the edge asks of Postgres: staff keys, stored replies, whether the database of this region answers."""

from typing import Final

from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.store import stored_reply
from shared.edge.ports import ApiKey
from shared.kernel.decision import Claim, Role, StoredReply
from shared.kernel.errors import Problem
from shared.kernel.ids import KeyId, MerchantId, ShopId

_API_KEY: Final = Sql(
    "select merchant_id, role, secret_hash, shop_id, shop_ids, revoked_at is not null from api_keys"
    " where key_id = :key_id"
)
_ALIVE: Final = Sql("select 1 as alive")


class PostgresEdge:
    """The tables `api_keys` and `idempotency`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def api_key(self, key_id: KeyId) -> ApiKey | None:
        """Return a staff key, revoked ones too, or None when there is none."""
        rows = await self._db.run(_API_KEY, key_id=key_id)
        if not rows:
            return None
        merchant_id, role, secret_hash, shop_id, shop_ids, revoked = rows[0]
        bound = frozenset(ShopId(each) for each in (shop_id, *shop_ids) if each) or None
        return ApiKey(key_id, MerchantId(merchant_id), Role(role), bytes(secret_hash), bound, bool(revoked))

    async def stored_reply(self, claim: Claim) -> StoredReply | None:
        """Return what was answered under this key, or None. Raises KeyReused for another body."""
        return await stored_reply(self._db, claim)

    async def ready(self) -> str:
        """Return 'ok', or 'down' and the kind of problem."""
        try:
            await self._db.run(_ALIVE)
        except Problem as problem:
            return f"down: {problem.type}"
        return "ok"
