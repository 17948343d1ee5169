"""HTTP/1.1 on the wire: uvicorn's own protocol, bounded where it is not, refusing with problems where it writes text.

Uvicorn takes headers and trailers of any length and waits for them without end; the load balancer in front of the
cloud's functions does not, the local platform and its tests have none. Imported by what serves, never by functions.
"""

import asyncio
import os
from http import HTTPStatus
from typing import Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from shared.edge.answer import WHOLE, Answer
from shared.edge.problem import HeadersTooLarge
from shared.edge.serve import problem_answer
from shared.kernel.errors import Invalid, Problem

HEAD_LIMIT: Final = 32 * 1024
"""Request line and headers, in bytes. A token is at most 4 KiB, a query too."""
HEAD_TIMEOUT_S: Final = 10.0
REQUEST_LIMIT: Final = 4 * 1024 * 1024
"""A whole request, in bytes: more than any operation takes. Whoever was refused and sends on is cut off there."""
_END: Final = b"\r\n\r\n"


def _written(cycle: RequestResponseCycle, answer: Answer) -> bool:
    """Write head and body at once, as `cycle.send` would in two messages; return False where only that will do.

    Our answers are complete and their headers checked when they were made: what `send` looks at for each is known here.
    """
    if (
        type(answer) is not Answer
        or not cycle.keep_alive
        or cycle.disconnected
        or cycle.flow.write_paused
        or cycle.response_started
    ):
        return False
    start, content = answer.messages(cycle.scope["method"])
    head = [STATUS_LINE[answer.status_code]]
    for name, value in (*cycle.default_headers, *start["headers"]):
        if name == b"connection":
            return False
        head += (name, b": ", value, b"\r\n")
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(b"".join((*head, b"\r\n", content["body"])))
    cycle.message_event.set()
    cycle.on_response()
    return True


WHOLE[RequestResponseCycle] = _written


class Wire(HttpToolsProtocol):
    """One connection."""

    _size = 0
    """Bytes of the request that is arriving."""
    _tail = b""
    _deadline: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Pass on what arrived, unless the request it belongs to is too large already."""
        self._size += len(data)
        if self._size > HEAD_LIMIT and self._too_large(data):
            return
        super().data_received(data)
        cycle = self.cycle
        if cycle is None or cycle.scope is not self.scope:
            self._await_head(data)
            return
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline, self._tail = None, b""
        if not cycle.more_body:
            self._size = 0

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP with a problem, and end the connection."""
        self._refuse(Invalid("This is not HTTP/1.1 as RFC 9112 has it."))

    def _too_large(self, data: bytes) -> bool:
        """Return whether the request was cut off here; in silence within a body, whose function has long answered."""
        if self.cycle is not None and self.cycle.more_body:
            if self._size > REQUEST_LIMIT:
                self.transport.close()
            return self._size > REQUEST_LIMIT
        begun = self._size - len(data)
        if (self._tail + data).find(_END, 0, HEAD_LIMIT - begun + len(self._tail)) >= 0:
            return False
        self._refuse(HeadersTooLarge(f"Request line and headers have at most {HEAD_LIMIT} bytes."))
        return True

    def _await_head(self, data: bytes) -> None:
        """Remember what a later read needs, and give the head an end."""
        self._tail = (self._tail + data[-3:])[-3:]
        if self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.close)

    def _refuse(self, problem: Problem) -> None:
        if self.transport.is_closing():
            return
        answer = problem_answer(problem, "none", os.environ.get("PUBLIC_URL", ""))
        status = HTTPStatus(answer.status_code)
        lines = [b"HTTP/1.1 %d %s" % (status, status.phrase.encode())]
        lines += [name + b": " + value for name, value in answer.raw_headers if name != b"connection"]
        lines += [b"content-length: %d" % len(answer.body), b"connection: close", b"", b""]
        self.transport.write(b"\r\n".join(lines) + answer.body)
        self.transport.close()
