"""JSON out of plain values: ids and enums are the strings they are."""

import msgspec
from msgspec import Raw

__all__ = ["Raw", "plain", "to_json"]


def plain(value: object) -> str:
    """Return an id or enum as the plain string it is: msgspec encodes no subclass of str by itself."""
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"JSON here carries no {type(value).__name__}")


_ENCODER = msgspec.json.Encoder(enc_hook=plain)


def to_json(value: object) -> str:
    """Return `value` (dicts, lists, strings, integers, None) as compact JSON text."""
    return _ENCODER.encode(value).decode()
