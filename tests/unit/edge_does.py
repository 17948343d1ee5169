"""What the functions of the edge's tests do next, and what they were given. Apart, for the framework reloads those."""

from typing import Any

DOES: dict[str, Any] = {}
SEEN: list[Any] = []
