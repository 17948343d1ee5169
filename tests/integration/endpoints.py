"""Other people's servers on loopback: one that takes everything, and all the ways in which one may not."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_REPLIES = {
    "ok": b"HTTP/1.1 204 No Content\r\n\r\n",
    "broken": b"HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\noops",
    "busy": b"HTTP/1.1 503 Busy\r\nretry-after: 90\r\ncontent-length: 0\r\n\r\n",
    "gone": b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n",
    "redirect": b"HTTP/1.1 302 Found\r\nlocation: /ok\r\ncontent-length: 0\r\n\r\n",
    "garbage": b"\x00\x01\x02 this is no HTTP at all\r\n\r\n",
    "hang-up": b"",
}


@dataclass
class Received:
    """One call, as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Endpoint:
    """A server that does what the path says: `/ok`, `/hang`, `/drip`, `/endless`, … `/told` does as `does` says."""

    port: int = 0
    does: str = "ok"
    calls: list[Received] = field(default_factory=list)
    open: int = 0
    most_open: int = 0

    def url(self, path: str = "told") -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def of(self, path: str) -> list[Received]:
        return [call for call in self.calls if call.path == f"/{path}"]

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            path = head[0].split(" ")[1]
            self.calls.append(Received(path, headers, body))
            self.open += 1
            self.most_open = max(self.most_open, self.open)
            try:
                await self._reply(self.does if path == "/told" else path[1:], reader, writer)
            finally:
                self.open -= 1
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _reply(self, how: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if how == "hang":
            await reader.read()  # until the caller hangs up
        elif how == "drip":
            while not reader.at_eof() and not writer.is_closing():
                writer.write(b"H")
                await writer.drain()
                await asyncio.sleep(0.02)
        elif how == "endless":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while not writer.is_closing():
                writer.write(b"x" * 65_536)
                await writer.drain()
        else:
            writer.write(_REPLIES[how])
            await writer.drain()


@asynccontextmanager
async def endpoint(tls: ssl.SSLContext | None = None) -> AsyncIterator[Endpoint]:
    """Serve for the length of the block."""
    served = Endpoint()
    server = await asyncio.start_server(served._answer, "127.0.0.1", 0, ssl=tls)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
