"""The inbox by itself: for operations whose effect is a projection, repeated harmlessly, and no commit of their own."""

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.store import TAKE
from shared.kernel.decision import By, Taking


class PostgresInbox:
    """Which events an operation has taken."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def take(self, by: By) -> None:
        """Note that the event in `by.once` needs nothing more from this operation. Taking it twice is harmless."""
        if isinstance(by.once, Taking):
            await self._db.run(TAKE, operation=by.once.operation, event_id=by.once.event_id)
