"""An answer that comes bit by bit: server-sent events. Head at once, then chunks until they end or the client goes."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from shared.edge.answer import Answer, RawHeaders, Receive, Scope, Send


class StreamedAnswer(Answer):
    """Chunks as they come, each sent at once."""

    def __init__(self, status: int, headers: RawHeaders, chunks: AsyncGenerator[bytes, None]) -> None:
        super().__init__(status, headers, b"")
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it until the chunks end or the client hangs up; the chunks are closed either way."""
        async with contextlib.aclosing(self._chunks):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope["method"] != "HEAD":
                await self._until_gone(receive, send)
            await send({"type": "http.response.body", "body": b""})

    async def _until_gone(self, receive: Receive, send: Send) -> None:
        sending, going = asyncio.ensure_future(self._sent(send)), asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait((sending, going), return_when=asyncio.FIRST_COMPLETED)
        finally:
            going.cancel()
            sending.cancel()
            results = await asyncio.gather(sending, going, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _sent(self, send: Send) -> None:
        async for chunk in self._chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _gone(receive: Receive) -> None:
    """Return when the client has hung up."""
    while (await receive())["type"] != "http.disconnect":
        continue
