"""Text that people send: bounded, without control characters, in Unicode's composed form (NFC)."""

import unicodedata
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, Field

_REFUSED = {"Cc", "Cs", "Co", "Zl", "Zp"}
_OVERRIDES = {"\u202d", "\u202e"}
"""They write what follows backwards, whatever it is: a name that reads as another."""


def _printable(value: str) -> str:
    composed = unicodedata.normalize("NFC", value)
    if any(_controls(c) and c != "\n" for c in composed):
        raise ValueError("control characters are not allowed")
    return composed


def _controls(character: str) -> bool:
    """Return whether it is no character to be read. One that a later Unicode assigns (a new emoji) is let through."""
    code = ord(character)
    nothing = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    return nothing or character in _OVERRIDES or unicodedata.category(character) in _REFUSED


def _one_line(value: str) -> str:
    if "\n" in value:
        raise ValueError("must be a single line")
    return value.strip()


def _not_blank(value: str) -> str:
    if not value:
        raise ValueError("must not be blank")
    return value


def _no_longer(most: int) -> Callable[[str], str]:
    """Return a check of the composed text: composing can make some characters longer."""

    def check(value: str) -> str:
        if len(value) > most:
            raise ValueError(f"must have at most {most} characters in Unicode's composed form")
        return value

    return check


Note = Annotated[str, Field(max_length=500, strict=True), AfterValidator(_printable), AfterValidator(_no_longer(500))]
"""Up to 500 characters, line feeds allowed."""
Line = Annotated[
    str,
    Field(max_length=200, strict=True),
    AfterValidator(_printable),
    AfterValidator(_one_line),
    AfterValidator(_no_longer(200)),
]
"""Up to 200 characters on one line."""
Name = Annotated[
    str,
    Field(min_length=1, max_length=120, strict=True),
    AfterValidator(_printable),
    AfterValidator(_one_line),
    AfterValidator(_not_blank),
    AfterValidator(_no_longer(120)),
]
"""1 to 120 characters on one line, not only blanks."""
Label = Annotated[
    str,
    Field(min_length=1, max_length=60, strict=True),
    AfterValidator(_printable),
    AfterValidator(_one_line),
    AfterValidator(_not_blank),
    AfterValidator(_no_longer(60)),
]
"""1 to 60 characters on one line, not only blanks."""
Sku = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", strict=True)]
"""A stock-keeping unit: lower-case letters, digits and hyphens."""
