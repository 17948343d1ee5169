"""One POST to an address that somebody else named: looked up once, connected to that very address, in bounds.

The name is resolved here and nowhere else, every address it has must be public, and the connection goes to one of
those: a name that answers otherwise the second time (DNS rebinding) is never asked a second time. TLS checks the
certificate against the name. Redirects are answers, not followed; proxies of the environment are not used.
"""

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Final
from urllib.parse import urlsplit

import httpcore
from prometheus_client import Counter

from shared.adapters.webhooks.addresses import Address, literal, loopback, public
from shared.notifications.webhook_ports import Answered, Unanswered
from shared.settings import WebhookSettings

CONNECT_S: Final = 5.0
TOTAL_S: Final = 15.0
"""From looking the name up to the last byte that is read."""
MOST_BYTES: Final = 16 * 1024
"""As much of an answer is read; nobody looks at it, but a connection is not cut in the middle of a short one."""
MOST_ADDRESSES: Final = 3
"""Of a host, that are tried one after the other: an IPv6 one, say, that is not reached from here, and then the next."""
_LOOKERS: Final = 16
"""Threads that look names up: one name server that hangs holds one of them for each of its webhooks, no more."""
SENT: Final = Counter("webhook_attempts_total", "Attempts to deliver to a webhook", ["outcome"])

Lookup = Callable[[str, int], Awaitable[Sequence[Address]]]
_SOCKET_OPTION = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class Inside(Exception):
    """The name leads where nothing may be sent."""


class Unresolved(Exception):
    """The name leads nowhere."""


@dataclass(frozen=True, slots=True)
class _Pinned(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were looked at, whatever host httpcore names."""

    lookup: Lookup
    allowed: Callable[[Address], bool]
    inner: httpcore.AsyncNetworkBackend

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  as httpcore calls it
        local_address: str | None = None,
        socket_options: Iterable[_SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Look the host up and connect to the first of its addresses that answers.

        Raises Inside when any of them is not allowed, Unresolved when there is none, and what the last one raised.
        """
        addresses = await self.lookup(host, port)
        if not addresses:
            raise Unresolved
        if not all(self.allowed(address) for address in addresses):
            raise Inside
        first = addresses[:MOST_ADDRESSES]
        for number, address in enumerate(first, start=1):
            try:
                return await self.inner.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(first):
                    raise
        raise Unresolved

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109  as httpcore calls it
        socket_options: Iterable[_SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Refuse: a webhook is on the network."""
        raise Inside


class WebhookEndpoints:
    """Fulfils `shared.notifications.webhook_ports.Endpoints`."""

    def __init__(
        self,
        settings: WebhookSettings,
        *,
        total_s: float = TOTAL_S,
        lookup: Lookup | None = None,
        network: httpcore.AsyncNetworkBackend | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`lookup`, `network` and `tls`: whom to ask for addresses, how to connect, whose certificates to believe."""
        self._settings = settings
        self._total_s = total_s
        self._lookup = lookup or self._ask
        self._network = network or httpcore.AnyIOBackend()
        self._given_tls = tls

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return self._given_tls or ssl.create_default_context()

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(_LOOKERS, thread_name_prefix="webhook-names")

    def refusal(self, url: str) -> str | None:
        """Return why an address will never be called, None when it may be."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        address = literal(host)
        local = self._settings.allow_loopback and (host == "localhost" or (address is not None and loopback(address)))
        if local:
            return None
        if parts.scheme != "https":
            return "must begin with https://"
        if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
            return "must be reachable on the public internet"
        if address is not None and not public(address):
            return "must be reachable on the public internet"
        return None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answered | Unanswered:
        """Send once. Every outcome is a value; what is neither an answer nor a fault of the network is raised."""
        began = time.perf_counter()
        if self.refusal(url) is not None:
            return _told(Unanswered("internal-address", 0))
        try:
            async with asyncio.timeout(self._total_s):
                status, asked = await self._sent(url, headers, body)
        except (TimeoutError, httpcore.TimeoutException):
            return _told(Unanswered("timeout", _ms(began)))
        except Inside:
            return _told(Unanswered("internal-address", _ms(began)))
        except (Unresolved, OSError):
            return _told(Unanswered("dns", _ms(began)))
        except httpcore.ConnectError as error:
            return _told(Unanswered("tls" if _of_tls(error) else "refused", _ms(began)))
        except httpcore.NetworkError:
            return _told(Unanswered("hung-up", _ms(began)))
        except httpcore.ProtocolError:
            return _told(Unanswered("no-http", _ms(began)))
        return _told(Answered(status, _ms(began), asked))

    async def _sent(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, int | None]:
        only_local = urlsplit(url).scheme == "http"
        backend = _Pinned(self._lookup, loopback if only_local else self._allowed, self._network)
        sent = [
            (b"host", urlsplit(url).netloc.encode("ascii")),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"user-agent", b"Cortado-Webhooks/1"),
            (b"accept-encoding", b"identity"),
            (b"connection", b"close"),
            *((name.encode(), value.encode()) for name, value in headers.items()),
        ]
        limits = dict.fromkeys(("read", "write", "pool"), self._total_s) | {"connect": CONNECT_S}
        async with (
            httpcore.AsyncConnectionPool(self._tls, max_connections=1, network_backend=backend) as pool,
            pool.stream("POST", url, headers=sent, content=body, extensions={"timeout": limits}) as reply,
        ):
            read = 0
            async for part in reply.aiter_stream():
                read += len(part)
                if read > MOST_BYTES:
                    break
            return reply.status, _asked(reply.headers)

    def _allowed(self, address: Address) -> bool:
        return public(address) or (self._settings.allow_loopback and loopback(address))

    async def _ask(self, host: str, port: int) -> Sequence[Address]:
        """Return every address of a host, asked once. A literal is its own address."""
        known = literal(host)
        if known is not None:
            return (known,)
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return tuple(dict.fromkeys(ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found))


def _of_tls(error: BaseException | None) -> bool:
    """Return whether it is TLS that failed, whatever wrapped its error."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None


def _asked(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """Return the seconds of a Retry-After header; None for none, or for a date."""
    for name, value in headers:
        if name.lower() == b"retry-after" and value.isdigit() and len(value) < 9:
            return int(value)
    return None


def _ms(began: float) -> int:
    return int((time.perf_counter() - began) * 1000)


def _told(outcome: Answered | Unanswered) -> Answered | Unanswered:
    SENT.labels(f"{outcome.status // 100}xx" if isinstance(outcome, Answered) else outcome.reason).inc()
    return outcome
