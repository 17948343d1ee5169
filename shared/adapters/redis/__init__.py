"""The region's Redis: a versioned cache, the geo index of shops, rate limits. Down means slower, never wrong."""

import importlib
import sys
from types import ModuleType
from typing import Final, cast

_UNUSED: Final[tuple[str, ...]] = ("opentelemetry.metrics", "opentelemetry.sdk.metrics")
"""What redis-py imports where it is installed, for metrics of its own that nobody here asks for: a third of a start."""


def _import_library() -> None:
    """Import redis-py as if OpenTelemetry's metrics were not there; others may import them afterwards as ever."""
    modules = cast(dict[str, ModuleType | None], sys.modules)
    held = {name: modules[name] for name in _UNUSED if name in modules}
    modules.update(dict.fromkeys(_UNUSED))  # None makes an import of that name fail
    try:
        importlib.import_module("redis.asyncio")
    finally:
        for name in _UNUSED:
            del modules[name]
        modules.update(held)


_import_library()
