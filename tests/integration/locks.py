"""Somebody else's lock in a database, and who waits for it."""

from __future__ import annotations

from shared.adapters.postgres.database import Connection
from shared.settings import PostgresSettings
from tests.waiting import until

_WAITING = "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"


class Locker:
    """Holds locks on one connection and looks around on another: within a transaction the view stands still."""

    def __init__(self, url: str) -> None:
        self._holding = Connection(PostgresSettings(url))
        self.admin = Connection(PostgresSettings(url))

    def hold(self, select_for_update: str) -> None:
        """Lock what the statement selects, until `release`."""
        self._holding.execute("begin")
        self._holding.execute(select_for_update)

    def release(self) -> None:
        """Let go of everything."""
        self._holding.execute("rollback")

    def commit(self) -> None:
        """Let go of everything, and keep what was done."""
        self._holding.execute("commit")

    async def waiting(self, backends: int, *, but: int = 0) -> list[int]:
        """Wait until so many backends, besides one, wait for a lock; return them."""

        def others() -> list[int]:
            return [row[0] for row in self.admin.execute(_WAITING) if row[0] != but]

        await until(lambda: len(others()) == backends, f"{backends} backends wait for a lock")
        return others()

    def close(self) -> None:
        """Let go and hang up."""
        self._holding.close()
        self.admin.close()
