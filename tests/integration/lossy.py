"""A relay in front of a node that loses it: calls that never arrive, answers that never come back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

_HEADERS_END = b"\r\n\r\n"


@dataclass
class Relay:
    """What the relay does with calls of a method ("" is each). `url` is the node's, through the relay."""

    url: str
    lost_calls: set[str] = field(default_factory=set)
    lost_answers: set[str] = field(default_factory=set)
    passed: list[str] = field(default_factory=list)

    def mend(self) -> None:
        """Lose nothing from now on."""
        self.lost_calls.clear()
        self.lost_answers.clear()

    def hit(self, body: bytes, methods: set[str]) -> bool:
        return any(f'"method":"{method}'.encode() in body for method in methods)


@asynccontextmanager
async def relay(node_url: str) -> AsyncIterator[Relay]:
    """Run a relay for the length of a block."""
    parts = urlsplit(node_url)
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        onward_reader, onward_writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            while call := await _message(reader):
                if lossy.hit(call, lossy.lost_calls):
                    return
                onward_writer.write(call)
                answer = await _message(onward_reader)
                if lossy.hit(call, lossy.lost_answers):
                    return
                writer.write(answer)
                await writer.drain()
        finally:
            writer.close()
            onward_writer.close()
            serving.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    place = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    lossy = Relay(urlunsplit(parts._replace(netloc=f"{place}127.0.0.1:{port}")))
    try:
        yield lossy
    finally:
        server.close()
        for task in list(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def _message(reader: asyncio.StreamReader) -> bytes:
    """Return the next HTTP message with its body, b"" at the end. Chunked bodies are taken whole as they are."""
    try:
        head = await reader.readuntil(_HEADERS_END)
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return b""
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    if b"content-length" in fields:
        return head + await reader.readexactly(int(fields[b"content-length"]))
    body = b""
    while fields.get(b"transfer-encoding") == b"chunked" and not body.endswith(b"\r\n0\r\n\r\n"):
        body += await reader.readuntil(b"\r\n")
    return head + body
