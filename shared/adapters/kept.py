"""What a process keeps for some seconds of things read often: bounded, and loaded once however many ask at once."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Kept(Generic[K, V]):
    """A process cache in front of `load`. A failed load is not kept."""

    def __init__(self, load: Callable[[K], Awaitable[V]], *, ttl_s: float, size: int) -> None:
        self._load = load
        self._ttl_s = ttl_s
        self._size = size
        self._values: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._loading: dict[K, asyncio.Future[V]] = {}

    async def get(self, key: K) -> V:
        """Return the value, at most `ttl_s` seconds old. Raises what `load` raises."""
        found = self._values.get(key)
        if found is not None and time.monotonic() - found[0] < self._ttl_s:
            return found[1]
        under_way = self._loading.get(key)
        if under_way is None:
            under_way = self._loading[key] = asyncio.ensure_future(self._fill(key))
        return await asyncio.shield(under_way)

    def forget(self, key: K) -> None:
        """Load the key anew next time; what is being loaded now is for those who wait for it, and not kept."""
        self._values.pop(key, None)
        self._loading.pop(key, None)

    async def _fill(self, key: K) -> V:
        me = asyncio.current_task()
        try:
            value = await self._load(key)
            if self._loading.get(key) is me:
                self._keep(key, value)
            return value
        finally:
            if self._loading.get(key) is me:
                del self._loading[key]

    def _keep(self, key: K, value: V) -> None:
        self._values[key] = (time.monotonic(), value)
        self._values.move_to_end(key)
        while len(self._values) > self._size:
            self._values.popitem(last=False)
