"""A small pool of pg8000 connections, each with its prepared statements, driven from asyncio.

pg8000 blocks, so calls run in a thread executor of the pool's size. A prepared call is one round trip. pg8000 can't
cancel: the server's `statement_timeout` is shorter than the socket's, and a connection that times out is dropped.
"""

import asyncio
import queue
import random
import select
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

from shared.adapters.postgres.refusals import READ_ONLY, STALE_PLAN, Lost, Undone, code_of, failure_of, unsent
from shared.kernel.errors import Bug, Problem
from shared.settings import PostgresSettings

Row = Sequence[Any]
T = TypeVar("T")

_SOCKET_MARGIN_S: Final = 2.0
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""A peer that vanished without a word is noticed after 45 s of silence; networks forget quiet connections later."""


@dataclass(frozen=True, slots=True)
class Sql:
    """One statement with `:name` parameters. Instances are module constants; identity is the prepared plan's key."""

    text: str

    @property
    def only_reads(self) -> bool:
        """Return whether running it twice is the same as running it once: it is a plain select."""
        return self.text.lstrip()[:7].lower().split() == ["select"]

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


def _dialled(host: str, port: int, timeout_s: float) -> socket.socket:
    """Return a connected socket with TCP_NODELAY: without it a 9 kB parameter takes 44 ms instead of 0.05."""
    sock = socket.create_connection((host, port), timeout=timeout_s)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        option = getattr(socket, name, None)  # macOS names some of them otherwise
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
    return sock


class Connection:
    """One server connection with the statements it has prepared so far. Used by one thread at a time."""

    def __init__(self, settings: PostgresSettings) -> None:
        """Connect and sign in, both within `connect_timeout_s`."""
        url = urlsplit(settings.url)
        host = url.hostname or "127.0.0.1"
        sock = _dialled(host, url.port or 5432, settings.connect_timeout_s)
        try:
            self._native = pg8000.native.Connection(
                user=unquote(url.username or "cortado"),
                password=unquote(url.password) if url.password else None,
                database=url.path.lstrip("/") or "cortado",
                host=host,
                sock=sock,
                ssl_context=ssl.create_default_context() if settings.tls else False,  # None would trust anybody
                application_name=settings.application_name,
                startup_params={
                    "statement_timeout": str(int(settings.statement_timeout_s * 1000)),
                    "timezone": "UTC",
                },
            )
        except BaseException:
            sock.close()
            raise
        wire: socket.socket = self._native._usock  # with TLS it is another one than was given
        wire.settimeout(settings.statement_timeout_s + _SOCKET_MARGIN_S)
        self._unasked = select.poll()
        self._unasked.register(wire.fileno(), select.POLLIN)
        self._prepared: dict[Sql, pg8000.native.PreparedStatement] = {}
        self._broken = False
        self.born = time.monotonic()

    @property
    def usable(self) -> bool:
        """Return whether it may be used again: idle, and the server neither closed it nor said a word unasked."""
        return not (self._broken or self.in_transaction or self._unasked.poll(0))

    @property
    def in_transaction(self) -> bool:
        """Return whether a transaction is open, or failed and not yet rolled back."""
        return self._native._transaction_status not in (None, pg8000.core.IDLE)

    def run(self, sql: Sql, params: dict[str, Any]) -> Sequence[Row]:
        """Run one prepared statement; prepare it first where needed, and once more when its plan went stale.

        Within a transaction a stale plan has spoilt all of it: that raises Undone.
        """
        try:
            return self._run(sql, params)
        except DatabaseError as error:
            if code_of(error) not in STALE_PLAN:
                raise
            stale = self._prepared.pop(sql, None)
            if self.in_transaction:
                raise Undone("The schema was just changed. Repeat with the same Idempotency-Key.") from error
            if stale is not None:
                stale.close()
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

    def rollback(self) -> None:
        """End the transaction without its effects. Never raises: it is called where something else already did."""
        try:
            self.execute("rollback")
        except (OSError, InterfaceError, DatabaseError):
            self._broken = True  # the server rolls back what a closed connection leaves open

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
        self._distrusted = 0.0  # connections born before this moment (monotonic) are not used again

    @property
    def wait_s(self) -> float:
        """Return how long a call may wait for a connection before it is turned away."""
        return self._settings.wait_s

    async def run(self, sql: Sql, **params: Any) -> Sequence[Row]:
        """Run a statement in a transaction of its own and return its rows.

        Raises the typed refusal that the statement raised, Undone when certainly nothing happened (no connection was
        free or to be had, a time limit, a deadlock), or Lost when the outcome is unknown; both are Transient. A plain
        select is asked once more on another connection before that.
        """

        def once(connection: Connection) -> Sequence[Row]:
            return connection.run(sql, params)

        try:
            return await self.call(once)
        except Lost:
            if not sql.only_reads:
                raise
        return await self.call(once)

    async def call(self, work: Callable[[Connection], T]) -> T:
        """Run `work` with a connection of its own in a pool thread; the connection survives only a clean end.

        Whoever waits longer than `wait_s` for a thread is turned away with Undone: `work` then never runs.
        """
        loop = asyncio.get_running_loop()
        turn = self._threads.submit(self._with_connection, work)
        turned_away = False

        def turn_away() -> None:
            nonlocal turned_away
            turned_away = turn.cancel()

        patience = loop.call_later(self._settings.wait_s, turn_away)
        try:
            return await asyncio.wrap_future(turn)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not turned_away or (task is not None and task.cancelling()):
                raise
            raise Undone("The database has more to do than it can. Repeat with the same Idempotency-Key.") from None
        finally:
            patience.cancel()

    async def transaction(self, work: Callable[[Connection], T]) -> T:
        """Run several statements in one transaction; anything raised rolls all of it back."""

        def bracketed(connection: Connection) -> T:
            connection.execute("begin")
            try:
                result = work(connection)
            except BaseException:
                connection.rollback()
                raise
            connection.execute("commit")
            return result

        return await self.call(bracketed)

    def _with_connection(self, work: Callable[[Connection], T]) -> T:
        connection = self._take()
        try:
            result = work(connection)
        except Problem:
            self._keep(connection)
            raise
        except (DatabaseError, InterfaceError, OSError) as error:
            failure = failure_of(error)
            if isinstance(failure, Lost) or code_of(error) == READ_ONLY:
                connection.close()
                self._distrusted = time.monotonic()  # whatever happened to it happened to the idle ones too
            else:
                self._keep(connection)
            raise failure from error
        except BaseException:
            connection.close()  # it may have stopped in the middle of a reply
            raise
        if connection.in_transaction:
            connection.close()
            raise Bug("a transaction was left open: nothing of it is committed")
        self._idle.put(connection)
        return result

    def _take(self) -> Connection:
        oldest = time.monotonic() - self._settings.connection_age_s * random.uniform(0.8, 1.0)  # not all at once
        while True:
            try:
                connection = self._idle.get_nowait()
            except queue.Empty:
                break
            if connection.born > max(oldest, self._distrusted) and connection.usable:
                return connection
            connection.close()
        try:
            return Connection(self._settings)
        except (DatabaseError, InterfaceError, OSError) as error:
            raise unsent(error) from error

    def _keep(self, connection: Connection) -> None:
        if connection.usable:
            self._idle.put(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close every idle connection and the threads."""
        self._threads.shutdown(wait=True)
        while not self._idle.empty():
            self._idle.get_nowait().close()
