"""The decorators of every function, bound to this process's gateway. Functions import them from here.

    @http_function
    async def create_order(request: Request[PlaceOrder, Nothing]) -> Reply[OrderView]: ...

Nothing is opened, read or imported for the gateway before a call needs it.
"""

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from shared.edge import cloud_event, http
from shared.edge.auth import Callers
from shared.edge.cloud_event import Event, Tick, Work
from shared.edge.limits import Limits
from shared.edge.operation import Edge, EntryPoint
from shared.edge.ports import ApiKey
from shared.edge.request import Request
from shared.kernel.decision import Claim, StoredReply
from shared.kernel.facts import Fact
from shared.kernel.ids import KeyId
from shared.kernel.reply import Reply
from shared.settings import (
    CustomerTokenSettings,
    EdgeSettings,
    PostgresSettings,
    RedisSettings,
    ServiceIdentitySettings,
    declare_assets,
)
from triggers.registry import load

if TYPE_CHECKING:
    from shared.adapters.postgres.edge import PostgresEdge
    from shared.adapters.redis.limits import RedisLimits
    from shared.edge.identity import ServiceTokens
    from shared.edge.tokens import CustomerTokens

B = TypeVar("B", bound=BaseModel)
P = TypeVar("P", bound=BaseModel)
V = TypeVar("V")
F = TypeVar("F", bound=Fact)


def http_function(function: Callable[[Request[B, P]], Awaitable[Reply[V]]]) -> EntryPoint:
    """Make an HTTP operation of the registry callable; its entry is found by the function's name."""
    return http.http_function(function, edge=edge)


def event_function(function: Callable[[Event[F]], Awaitable[None]]) -> EntryPoint:
    """Make an operation that facts trigger callable."""
    return cloud_event.event_function(function, edge=edge)


def scheduled_function(function: Callable[[Tick], Awaitable[None]]) -> EntryPoint:
    """Make an operation that time triggers callable."""
    return cloud_event.scheduled_function(function, edge=edge)


def work_function(function: Callable[[Work[B]], Awaitable[None]]) -> EntryPoint:
    """Make an operation that Pub/Sub triggers callable."""
    return cloud_event.work_function(function, edge=edge)


@cache
def edge() -> Edge:
    """Return what the functions of this process share."""
    declare_assets()
    settings, gateway = EdgeSettings.from_env(), EngineGateway()
    callers = Callers(api_key=gateway.api_key, customers=customer_tokens, services=_service_tokens)
    return Edge(settings, gateway, callers)


@cache
def customer_tokens() -> "CustomerTokens":
    """Return what issues and verifies the tokens of people."""
    from shared.edge.tokens import CustomerTokens

    return CustomerTokens(CustomerTokenSettings.from_env())


@cache
def _service_tokens() -> "ServiceTokens":
    from shared.adapters.identity.jwks import JwksDocument
    from shared.edge.identity import ServiceTokens

    settings = ServiceIdentitySettings.from_env()
    return ServiceTokens(settings, JwksDocument(settings.jwks).read)


@cache
def _postgres() -> "PostgresEdge":
    from shared.adapters.postgres.edge import PostgresEdge
    from shared.wiring.resources import database

    return PostgresEdge(database())


@cache
def _replica() -> "PostgresEdge":
    from shared.adapters.postgres.database import Database
    from shared.adapters.postgres.edge import PostgresEdge

    settings = PostgresSettings.from_env()
    return PostgresEdge(Database(replace(settings, url=os.environ["DATABASE_REPLICA_URL"], connections=1)))


@cache
def _redis_limits() -> "RedisLimits":
    from shared.adapters.redis.client import connect
    from shared.adapters.redis.limits import RedisLimits

    settings = RedisSettings.from_env()
    return RedisLimits(connect(settings), settings)


class EngineGateway:
    """The gateway over this region's engines, each opened by the first call that needs it."""

    def __init__(self) -> None:
        settle = _settle if os.environ.get("REDIS_URL") else None
        self._limits = Limits(EdgeSettings.from_env().rate_per_minute, settle)

    async def api_key(self, key_id: KeyId) -> ApiKey | None:
        """Return a staff key."""
        return await _postgres().api_key(key_id)

    async def stored_reply(self, claim: Claim) -> StoredReply | None:
        """Return what was answered under this key before."""
        return await _postgres().stored_reply(claim)

    def allow(self, caller: str, operation: str) -> int | None:
        """Count a call."""
        return self._limits.allow(caller, operation)

    async def ready(self) -> Mapping[str, str]:
        """Return what this region's replica says, where there is one.

        The primary is not asked: it may be in another region, and its loss must not take every region out of service.
        """
        if not os.environ.get("DATABASE_REPLICA_URL"):
            return {}
        return {"replica": await _replica().ready()}


async def _settle(caller: str, operation: str, leases_per_minute: int) -> float | None:
    """Ask the region's Redis for a lease; functions that do not need Redis count for themselves."""
    if "redis" not in load()[operation].needs:
        return None
    from shared.adapters.redis.limits import Rate

    rate = Rate(operation, leases_per_minute, 60.0, leases_per_minute)
    return await _redis_limits().take(rate, caller)
