"""Names of parametrized tests that are the same in every process: fresh ids in them are left out."""

from __future__ import annotations

import re

_DIGITS = re.compile(r"[0-9a-f]{32}")


def shown(value: object) -> str:
    """Return a value as a test is named by it."""
    return _DIGITS.sub("…", str(value))
