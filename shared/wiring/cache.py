"""The region's Redis, as the operations that need it use it."""

from functools import cache
from typing import TYPE_CHECKING

from shared.adapters.redis.cache import RedisCache
from shared.adapters.redis.client import connect
from shared.settings import RedisSettings

if TYPE_CHECKING:
    import redis.asyncio


@cache
def redis_settings() -> RedisSettings:
    """Return how to reach the region's Redis."""
    return RedisSettings.from_env()


@cache
def redis_client() -> "redis.asyncio.Redis":
    """Return the process's client; it connects with its first command."""
    return connect(redis_settings())


@cache
def document_cache() -> RedisCache:
    """Return the cache under documents, which are kept in the process as finished answers, not by the cache."""
    return RedisCache(redis_client(), redis_settings(), nearby_s=0.0, nearby_entries=1)
