"""The connection to Redis: opened when first used, kept for the life of the instance."""

from collections.abc import Awaitable
from typing import Final, cast

import redis.asyncio
from redis.exceptions import RedisError

from shared.adapters.resilience import Guard, Limits
from shared.settings import RedisSettings

OUTAGES: Final = (RedisError, OSError)


def connect(settings: RedisSettings) -> redis.asyncio.Redis:
    """Return a client with raw bytes both ways. Nothing is sent before the first command."""
    client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(
        settings.url,
        max_connections=settings.connections,
        socket_connect_timeout=settings.timeout_s,
        socket_timeout=settings.timeout_s,
        retry=None,
    )
    return client


def guard(settings: RedisSettings, target: str) -> Guard:
    """Return what every call of one port goes through: no second try, a miss is cheaper."""
    limits = Limits(timeout_s=settings.timeout_s, concurrent=settings.connections, failures=5, open_s=1.0)
    return Guard(target, limits, OUTAGES)


def answer(pending: object) -> Awaitable[object]:
    """Return a command's awaitable; the client's types allow the synchronous answer as well."""
    return cast(Awaitable[object], pending)
