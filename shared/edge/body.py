"""Reading a request body in bounded time and memory, and refusing JSON that two parsers would read differently."""

import asyncio
import json
import re
from typing import Final

from shared.edge.answer import Receive
from shared.edge.problem import BodyTooLarge, BodyTooSlow
from shared.kernel.errors import Invalid

READ_TIMEOUT_S: Final = 10.0
MAX_DEPTH: Final = 32

_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
"""Strings, one that never ends too. Possessive: a search that steps back would read the rest again for each quote."""
_NOT_BRACKETS = re.compile(rb"[^][{}]+")
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


async def read_body(receive: Receive, declared: bytes | None, limit: int) -> bytes:
    """Return the whole request body. `declared` is the Content-Length header, if there is one.

    Raises BodyTooLarge as soon as more than `limit` bytes are announced or there, BodyTooSlow after READ_TIMEOUT_S.
    """
    if declared is not None and (len(declared) > 15 or not declared.isdigit() or int(declared) > limit):
        raise BodyTooLarge(f"At most {limit} bytes are taken here.")
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await _rest(receive, body, limit)
        except TimeoutError:
            raise BodyTooSlow(f"Send the whole body within {READ_TIMEOUT_S:.0f} s.") from None
    if len(body) > limit:
        raise BodyTooLarge(f"At most {limit} bytes are taken here.")
    return body


async def _rest(receive: Receive, first: bytes, limit: int) -> bytes:
    parts, size, more = [first], len(first), True
    while more:
        if size > limit:
            raise BodyTooLarge(f"At most {limit} bytes are taken here.")
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Invalid("The body ended before it was complete.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
    if size > limit:
        raise BodyTooLarge(f"At most {limit} bytes are taken here.")
    return b"".join(parts)


def must_be_clear_json(body: bytes) -> None:
    """Refuse JSON that is malformed, too deep, has a key twice, NaN or Infinity, or a NUL character in a string.

    Raises Invalid. Duplicate keys and NaN are what parsers disagree about; NUL is what the database can't store.
    """
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _too_deep(body):
        raise Invalid(f"JSON is taken to a depth of {MAX_DEPTH}.")
    if b"\\u0000" in body and _NUL.search(body):
        raise Invalid("NUL characters are not taken.")
    try:
        _CLEAR.decode(body.decode())
    except UnicodeDecodeError as wrong:
        raise Invalid("The body is not UTF-8.") from wrong
    except json.JSONDecodeError as wrong:
        raise Invalid(f"The body is not JSON: {wrong.msg} at line {wrong.lineno}, column {wrong.colno}.") from wrong


def _too_deep(body: bytes) -> bool:
    depth = 0
    for bracket in _NOT_BRACKETS.sub(b"", _STRINGS.sub(b"", body)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def _once(pairs: list[tuple[str, object]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        raise Invalid("A key stands twice in an object.")


def _no_constant(name: str) -> None:
    raise Invalid(f"{name} is no JSON number.")


_CLEAR = json.JSONDecoder(
    object_pairs_hook=_once, parse_constant=_no_constant, parse_int=lambda _: None, parse_float=lambda _: None
)
