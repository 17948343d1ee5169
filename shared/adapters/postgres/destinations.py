"""Where orders are brought to, sealed with the key of the person it is about: erasing them makes it unreadable."""

from typing import Final

from shared.adapters.person_keys import PersonKey, PersonKeys
from shared.adapters.postgres.database import Database, Sql
from shared.kernel.errors import Forbidden
from shared.kernel.ids import UserId

_KEY: Final = Sql("select sealed_key from person_keys where user_id = :user_id")
_MAKE: Final = Sql(
    "insert into person_keys (user_id, sealed_key) select :user_id, :sealed_key::bytea"
    " where not exists (select from users where user_id = :user_id and erased_at is not null) on conflict do nothing"
)


class SealedDestinations:
    """Fulfils `shared.orders.ports.Destinations`."""

    def __init__(self, db: Database, keys: PersonKeys) -> None:
        self._db = db
        self._keys = keys

    async def seal(self, customer_id: UserId, text: str) -> str:
        """Return the text as a fact carries it; who came before there were keys gets one. Raises Forbidden."""
        key = await self._key(customer_id)
        if key is None:
            _, sealed = self._keys.fresh(customer_id)
            await self._db.run(_MAKE, user_id=customer_id, sealed_key=sealed)
            key = await self._key(customer_id)
        if key is None:
            raise Forbidden("Who was forgotten has nothing brought to them. Sign in anew.")
        return key.seal(text)

    async def open(self, customer_id: UserId, sealed: str) -> str | None:
        """Return the text; None where its person was forgotten."""
        key = await self._key(customer_id)
        return None if key is None else key.open(sealed)

    async def _key(self, customer_id: UserId) -> PersonKey | None:
        rows = await self._db.run(_KEY, user_id=customer_id)
        return self._keys.opened(customer_id, rows[0][0]) if rows else None
