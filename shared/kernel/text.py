"""Text that people send: bounded, without control characters, in Unicode's composed form (NFC)."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field


def _printable(value: str) -> str:
    composed = unicodedata.normalize("NFC", value)
    if any(unicodedata.category(c) in {"Cc", "Cs", "Co", "Cn"} and c != "\n" for c in composed):
        raise ValueError("control characters are not allowed")
    return composed


def _one_line(value: str) -> str:
    if "\n" in value:
        raise ValueError("must be a single line")
    return value.strip()


Note = Annotated[str, Field(max_length=500, strict=True), AfterValidator(_printable)]
"""Up to 500 characters, line feeds allowed."""
Line = Annotated[str, Field(max_length=200, strict=True), AfterValidator(_printable), AfterValidator(_one_line)]
"""Up to 200 characters on one line."""
Name = Annotated[
    str, Field(min_length=1, max_length=120, strict=True), AfterValidator(_printable), AfterValidator(_one_line)
]
"""1 to 120 characters on one line."""
Sku = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", strict=True)]
"""A stock-keeping unit: lower-case letters, digits and hyphens."""
