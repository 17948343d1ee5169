"""Ways to spoil a good JSON body: as bytes, and one member after the other."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any, Final

JSON = dict[str, Any]
BOMB: Final = gzip.compress(bytes(10_000_000))
"""10 MB of zeros in 10 KB."""
_AS_WRITTEN: Final = {"<infinite>": "1e400", "<long>": "9" * 5000}
"""Numbers that Python would not write."""
WRONG_ANYWHERE: Final[dict[str, object]] = {
    "a NUL": "\0",
    "a lone surrogate": "\ud800",
    "an object": {"surprise": 1},
    "deep lists": [[[[]]]],
    "an infinite number": "<infinite>",
    "a huge number": 10**100,
    "a number of 5,000 digits": "<long>",
    "a long text": "x" * 9000,
}
"""No member of any body takes one of these."""


def spoiled_bytes(good: bytes, limit: int) -> Iterator[tuple[str, bytes]]:
    """Yield bodies that no parser should take, none longer than `limit`."""
    half = len(good) // 2
    key = json.dumps(next(iter(json.loads(good)))).encode()
    quotes = b"[" * 33 + b'"'
    yield from {
        "half of it": good[:half],
        "all but the last byte": good[:-1],
        "nothing": b"",
        "blanks": b" \r\n\t ",
        "null": b"null",
        "a list": b"[]",
        "a list of it": b"[" + good + b"]",
        "a text": b'"{}"',
        "a number": b"1",
        "with a byte order mark": b"\xef\xbb\xbf" + good,
        "in UTF-16": good.decode().encode("utf-16"),
        "with an overlong NUL": good[:1] + b'"\xc0\x80":1,' + good[1:],
        "with a byte of Latin-1": good[:1] + b'"\xe4":1,' + good[1:],
        "with an encoded surrogate": good[:1] + b'"\xed\xa0\x80":1,' + good[1:],
        "with a raw NUL": good[:1] + b"\0" + good[1:],
        "with a control character": good[:1] + b'"\x01":1,' + good[1:],
        "with another behind it": good + good,
        "with a key twice": good[:1] + key + b":null," + good[1:],
        "with an unknown field": good[:1] + b'"surprise":1,' + good[1:],
        "with a prototype": good[:1] + b'"__proto__":{"role":"owner"},' + good[1:],
        "with NaN": good[:1] + b'"surprise":NaN,' + good[1:],
        "with Infinity": good[:1] + b'"surprise":-Infinity,' + good[1:],
        "with a comment": good[:1] + b"/* */" + good[1:],
        "with a comma too many": good[:-1] + b",}",
        "in single quotes": good.replace(b'"', b"'"),
        "brackets": b"[" * limit,
        "brackets, closed": b"[" * (limit // 2) + b"]" * (limit // 2),
        "objects": b'{"a":' * (limit // 5),
        "a text without end": quotes + b'\\"' * ((limit - len(quotes)) // 2),
        "backslashes": quotes + b"\\" * (limit - len(quotes)),
        "quotes": quotes + b'"' * (limit - len(quotes)),
        "a number without end": b'{"surprise":' + b"9" * (limit - 13) + b"}",
        "a key without end": b'{"' + b"k" * (limit - 6) + b'":1}',
        "keys without end": b"{" + b",".join(b'"%d":1' % n for n in range(limit // 12)) + b"}",
        "one byte too long": b" " * (limit + 1 - len(good)) + good,
        "compressed": gzip.compress(good),
    }.items()


def spoiled_members(good: JSON) -> Iterator[tuple[str, bytes]]:
    """Yield the body with each of its members in turn, at every depth, replaced by what is wrong anywhere."""
    for path in _paths(good):
        for what, wrong in WRONG_ANYWHERE.items():
            yield f"/{'/'.join(map(str, path))}: {what}", changed(good, path, wrong)
    for path in _paths(good):
        if isinstance(_at(good, path), dict):
            yield f"/{'/'.join(map(str, path))}: an unknown field", changed(good, (*path, "surprise"), 1)


def changed(good: JSON, path: tuple[str | int, ...], value: object) -> bytes:
    """Return the body with `value` at a path, as bytes."""
    whole = json.loads(json.dumps(good))
    where = _at(whole, path[:-1])
    where[path[-1]] = value
    text = json.dumps(whole)
    for name, written in _AS_WRITTEN.items():
        text = text.replace(f'"{name}"', written)
    return text.encode()


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def _paths(value: Any, before: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for step, each in inner:
        yield (*before, step)
        yield from _paths(each, (*before, step))
