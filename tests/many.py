"""How often chance is asked: a quarter as often in every run of the tests as `make prove` asks it."""

import os
from typing import Final

MANY: Final = bool(os.environ.get("MANY"))


def runs(whole: int) -> int:
    """Return as many runs as this one is for: all of them where MANY is set."""
    return whole if MANY else max(whole // 4, 1)
