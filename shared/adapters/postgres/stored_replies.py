"""Replies under Idempotency-Keys: how they are forgotten. They are stored in the commits of what they answer."""

from typing import Final

from shared.adapters.postgres.database import Database, Sql

_FORGET: Final = Sql("""
with over as (
  select caller, route, key from idempotency
   where expires_at < clock_timestamp()
   order by expires_at limit :most::bigint for update skip locked)
delete from idempotency i using over o where i.caller = o.caller and i.route = o.route and i.key = o.key
returning 1
""")


class PostgresStoredReplies:
    """Fulfils `shared.orders.ports.StoredReplies`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def forget(self, *, most: int) -> int:
        """Delete up to `most` replies whose time is over, the oldest first, and return how many."""
        return len(await self._db.run(_FORGET, most=most))
