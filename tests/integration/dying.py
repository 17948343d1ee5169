"""A database whose client process ends at a given point: before or after any statement, BEGIN and COMMIT included."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar, cast

from shared.adapters.postgres.database import Connection, Database, Row, Sql
from shared.settings import PostgresSettings
from tests.waiting import until

T = TypeVar("T")
_OPEN = Sql(
    "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    " and backend_type = 'client backend' and xact_start is not null"
)


class Killed(BaseException):
    """The process ended here. Nobody catches it: a process that has ended catches nothing."""


class DyingDatabase(Database):
    """Ends the process at point `point` of its statements, counted over all connections from 0.

    Each statement has two points: before it is sent, and after the server has done it but nobody has heard.
    """

    def __init__(self, url: str, point: int) -> None:
        super().__init__(PostgresSettings(url))
        self._left = point

    async def call(self, work: Callable[[Connection], T]) -> T:
        """Run `work`; its connection is closed where the process ends, and the server undoes what was open."""
        return await super().call(lambda connection: work(cast(Connection, _Dying(connection, self._passed))))

    def _passed(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Killed


class _Dying:
    """A connection between two points."""

    def __init__(self, connection: Connection, passed: Callable[[], None]) -> None:
        self._connection = connection
        self._passed = passed

    def run(self, sql: Sql, params: dict[str, Any]) -> Sequence[Row]:
        """Run a statement, with a point before and after it."""
        self._passed()
        rows = self._connection.run(sql, params)
        self._passed()
        return rows

    def execute(self, text: str) -> Sequence[Row]:
        """Run plain SQL, with a point before and after it."""
        self._passed()
        rows = self._connection.execute(text)
        self._passed()
        return rows

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


async def until_done(url: str, act: Callable[[Database], Awaitable[None]]) -> int:
    """Act until nothing ends the process any more: it ends at point 0, then at 1, …; return how often it ended."""
    deaths = 0
    while True:
        dying = DyingDatabase(url, deaths)
        try:
            await act(dying)
        except Killed:
            deaths += 1
        else:
            return deaths
        finally:
            dying.close()
            await _forgotten(url)


async def _forgotten(url: str) -> None:
    """Wait until the server has noticed who is gone: whatever skips locked rows would skip theirs till then."""
    db = Database(PostgresSettings(url))
    try:
        await until(lambda: _nothing_open(db), "the server notices who is gone")
    finally:
        db.close()


async def _nothing_open(db: Database) -> bool:
    return bool((await db.run(_OPEN))[0][0] == 0)
