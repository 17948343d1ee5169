"""A finished reply: status, encoded headers, bytes. Nothing is left to compute when it is sent."""

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from starlette.responses import Response

Scope = MutableMapping[str, Any]  # ASGI's own type: the values differ by key
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
RawHeaders = list[tuple[bytes, bytes]]

NOSNIFF: Final = (b"x-content-type-options", b"nosniff")


_UNSENDABLE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Answer(Response):
    """A response whose headers are encoded already: the framework's own would encode them again."""

    background = None

    def __init__(self, status: int, headers: RawHeaders, body: bytes) -> None:
        self.status_code = status
        self.raw_headers = headers
        self.body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. A HEAD request gets the headers alone, with the length that GET would have."""
        start, body = self.messages(scope["method"])
        await send(start)
        await send(body)

    def messages(self, method: str) -> tuple[Message, Message]:
        """Return the two messages that are sent in answer to a request of this method."""
        status, body, headers = self.status_code, self.body, self.raw_headers
        if status != 204 and status != 304:
            headers = [*headers, (b"content-length", b"%d" % len(body))]
        start = {"type": "http.response.start", "status": status, "headers": headers}
        return start, {"type": "http.response.body", "body": b"" if method == "HEAD" else body}


WHOLE: Final[dict[type, Callable[[Any, Answer], bool]]] = {}
"""How a server writes an answer at once, by the type of what its `send` belongs to; False means: not this one."""


def encoded(headers: Mapping[str, str]) -> RawHeaders:
    """Return headers as ASGI wants them. Raises ValueError for a line break, which would start another header."""
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    for name, value in raw:
        if _UNSENDABLE.search(value) or b"\n" in name:
            raise ValueError("a header has a line break or another control character in it")
    return raw
