"""The inbox by itself: an event that needed no write is noted as taken."""

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.store import TAKE
from shared.kernel.decision import By, Taking


class PostgresInbox:
    """Fulfils `shared.kernel.store.Inbox`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def take(self, by: By) -> None:
        """Note that the event in `by.once` needs nothing more from this operation. Taking it twice is harmless."""
        if isinstance(by.once, Taking):
            await self._db.run(TAKE, operation=by.once.operation, event_id=by.once.event_id)
