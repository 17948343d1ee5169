"""A small pool of pg8000 connections, each with its prepared statements, driven from asyncio.

pg8000 blocks, so calls run in a thread executor of the pool's size. A prepared call is one round trip. pg8000 can't
cancel: the server's `statement_timeout` is shorter than the socket's, and a connection that times out is dropped.
"""

import asyncio
import queue
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

import pg8000.core
import pg8000.native
from pg8000.exceptions import DatabaseError, InterfaceError

from shared.adapters.postgres.refusals import refusal_of
from shared.kernel.errors import Problem, Transient
from shared.settings import PostgresSettings

Row = Sequence[Any]
T = TypeVar("T")

_STALE_PLAN: Final = {"0A000", "26000"}  # a DDL change made the plan unusable; the statement is gone
_PASSING: Final = {"40001", "40P01", "53300", "55P03", "57014", "57P01", "57P02", "57P03", "25006"}
_SOCKET_MARGIN_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Sql:
    """One statement with `:name` parameters. Instances are module constants; identity is the prepared plan's key."""

    text: str

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


class Connection:
    """One server connection with the statements it has prepared so far. Used by one thread at a time."""

    def __init__(self, settings: PostgresSettings) -> None:
        """Connect with TCP_NODELAY (pg8000 leaves it off: 44 ms for a 9 kB parameter instead of 0.05)."""
        url = urlsplit(settings.url)
        host, port = url.hostname or "127.0.0.1", url.port or 5432
        sock = socket.create_connection((host, port), timeout=settings.connect_timeout_s)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.settimeout(settings.statement_timeout_s + _SOCKET_MARGIN_S)
        self._native = pg8000.native.Connection(
            user=unquote(url.username or "cortado"),
            password=unquote(url.password) if url.password else None,
            database=url.path.lstrip("/") or "cortado",
            host=host,
            sock=sock,
            ssl_context=ssl.create_default_context() if settings.tls else None,
            application_name=settings.application_name,
            startup_params={
                "statement_timeout": str(int(settings.statement_timeout_s * 1000)),
                "timezone": "UTC",
            },
        )
        self._prepared: dict[Sql, pg8000.native.PreparedStatement] = {}
        self.born = time.monotonic()

    def run(self, sql: Sql, params: dict[str, Any]) -> Sequence[Row]:
        """Run one prepared statement; prepare it first where needed, and once more when its plan went stale."""
        try:
            return self._run(sql, params)
        except DatabaseError as error:
            if _code(error) not in _STALE_PLAN:
                raise
            self._prepared.pop(sql, None)
            return self._run(sql, params)

    def _run(self, sql: Sql, params: dict[str, Any]) -> Sequence[Row]:
        statement = self._prepared.get(sql)
        if statement is None:
            statement = self._prepared[sql] = self._native.prepare(sql.text)
        rows: Sequence[Row] | None = statement.run(**params)
        return rows or ()

    def execute(self, text: str) -> Sequence[Row]:
        """Run plain SQL without parameters: BEGIN, COMMIT, migrations."""
        rows: Sequence[Row] | None = self._native.run(text)
        return rows or ()

    def close(self) -> None:
        """Give the connection up, whatever state it is in."""
        try:
            self._native.close()
        except (OSError, InterfaceError, DatabaseError):
            return


class Database:
    """A pool of at most `settings.connections` connections, opened when first needed, each of bounded age."""

    def __init__(self, settings: PostgresSettings) -> None:
        self._settings = settings
        self._idle: queue.LifoQueue[Connection] = queue.LifoQueue()
        self._threads = ThreadPoolExecutor(settings.connections, thread_name_prefix="postgres")

    async def run(self, sql: Sql, **params: Any) -> Sequence[Row]:
        """Run a statement in a transaction of its own and return its rows.

        Raises the typed refusal that the statement raised, or Transient when the server can't be reached, is too
        slow, or the connection was lost (the outcome of a write is then unknown).
        """
        return await self.call(lambda connection: connection.run(sql, params))

    async def call(self, work: Callable[[Connection], T]) -> T:
        """Run `work` with a connection of its own in a pool thread; the connection survives only a clean end."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._with_connection, work)

    async def transaction(self, work: Callable[[Connection], T]) -> T:
        """Run several statements in one transaction; anything raised rolls all of it back."""

        def bracketed(connection: Connection) -> T:
            connection.execute("begin")
            try:
                result = work(connection)
            except BaseException:
                connection.execute("rollback")
                raise
            connection.execute("commit")
            return result

        return await self.call(bracketed)

    def _with_connection(self, work: Callable[[Connection], T]) -> T:
        connection: Connection | None = None
        try:
            connection = self._take()
            result = work(connection)
        except DatabaseError as error:
            code = _code(error)
            if connection is not None and (code is None or code.startswith(("08", "57P"))):
                connection.close()
            elif connection is not None:
                self._idle.put(connection)
            raise _typed(error, code) from error
        except (OSError, InterfaceError) as error:
            if connection is not None:
                connection.close()
            raise Transient("The database did not answer. Repeat with the same Idempotency-Key.") from error
        except Problem:
            if connection is not None:
                self._idle.put(connection)
            raise
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        self._idle.put(connection)
        return result

    def _take(self) -> Connection:
        while True:
            try:
                connection = self._idle.get_nowait()
            except queue.Empty:
                return Connection(self._settings)
            if time.monotonic() - connection.born < self._settings.connection_age_s:
                return connection
            connection.close()

    def close(self) -> None:
        """Close every idle connection and the threads."""
        self._threads.shutdown(wait=True)
        while not self._idle.empty():
            self._idle.get_nowait().close()


def _code(error: DatabaseError) -> str | None:
    told = error.args[0] if error.args else None
    return str(told["C"]) if isinstance(told, dict) and "C" in told else None


def _typed(error: Exception, code: str | None) -> Exception:
    refused = refusal_of(error)
    if refused is not None:
        return refused
    if code is None or code in _PASSING or code.startswith("08"):
        return Transient("The database is busy or restarting. Repeat with the same Idempotency-Key.")
    return error
