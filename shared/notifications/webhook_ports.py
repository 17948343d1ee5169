"""What webhooks need from outside: their own store, the deliveries, a safe for secrets, and somebody who calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.kernel.clock import Clock
from shared.kernel.decision import By, Page, Stored
from shared.kernel.ids import DeliveryId, EventId, MerchantId, ShopId, WebhookId
from shared.kernel.store import Store
from shared.notifications.ports import Orders
from shared.notifications.webhook_model import HookDeliveryStatus, HookDeliveryView, Try, Webhook
from shared.notifications.webhook_signing import Recounted

LEASE_S = 60
"""How long an attempt may take with everything around it; after that somebody else may try."""
AT_ONCE = 4
"""Attempts under way to one endpoint at a time: a dead one holds so many workers for a quarter of a minute, once."""
TIRED = 3
"""After as many failures in a row an endpoint is called by one attempt at a time, with growing pauses."""


class WebhookStore(Store[Webhook], Protocol):
    """The webhooks' own store."""

    async def of_merchant(self, merchant_id: MerchantId, shop_id: ShopId | None) -> Sequence[Stored[Webhook]]:
        """Return the webhooks that are not deleted, newest first; with `shop_id` those of this shop alone."""
        ...


@dataclass(frozen=True, slots=True)
class Listener:
    """A webhook that is to be told of an event. `paused`: its endpoint is not called for a while."""

    webhook_id: WebhookId
    paused: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that is this worker's for `LEASE_S`: everything it takes to make it.

    `number` is that of the attempt, counted over all rounds, and its lease; `failed` counts those of this round.
    """

    delivery_id: DeliveryId
    webhook: Webhook
    number: int
    failed: int
    told: Recounted


@dataclass(frozen=True, slots=True)
class Health:
    """How an endpoint has done: failures in a row, and since when."""

    failures: int
    failing_since: datetime


class Deliveries(Protocol):
    """Events on their way to webhooks: rows that are worked off, not folds of facts."""

    async def listeners(
        self, merchant_id: MerchantId, shop_id: ShopId, event_type: str, *, now: datetime
    ) -> Sequence[Listener]:
        """Return the webhooks that listen to this."""
        ...

    async def queue(
        self, listeners: Sequence[Listener], event_id: EventId, event_type: str, *, by: By, now: datetime
    ) -> None:
        """Queue one delivery for each, with its work, and take the event of `by`; all in one commit.

        An event is queued once for a webhook, whatever comes again. Raises AlreadyTaken.
        """
        ...

    async def claim(self, webhook_id: WebhookId, delivery_id: DeliveryId | None, *, now: datetime) -> Attempt | None:
        """Take an attempt of a delivery (None: of the one that is due longest) and return it.

        None where there is nothing to do: it is over, under way, or its endpoint has enough for now. It then waits
        until it is due for `due`.
        """
        ...

    async def delivered(self, attempt: Attempt, made: Try, *, now: datetime) -> None:
        """Note that the endpoint took it. Does nothing when the lease was over and another attempt began."""
        ...

    async def failed(self, attempt: Attempt, made: Try, *, again_at: datetime | None, now: datetime) -> Health | None:
        """Note that it did not, and when to try again (None: never); return how its endpoint does.

        None when the lease was over and another attempt began.
        """
        ...

    async def send_again(self, *, by: By, now: datetime) -> int:
        """Queue work for deliveries that are due, never more for an endpoint than it may have; return how many."""
        ...

    async def tidy(self, *, older_than: datetime, now: datetime) -> None:
        """Drop what waits for webhooks that are off; forget what ended before `older_than`. A bounded part of it."""
        ...

    async def renew(
        self, webhook_id: WebhookId, delivery_id: DeliveryId, *, by: By, now: datetime
    ) -> HookDeliveryView | None:
        """Begin anew with a delivery and queue its work, whatever its endpoint's pause; None when there is none.

        One that is being sent is left alone.
        """
        ...

    async def listed(
        self, webhook_id: WebhookId, *, status: HookDeliveryStatus | None, before: str | None, limit: int
    ) -> Page[HookDeliveryView]:
        """Return the deliveries of a webhook, newest first, after the cursor."""
        ...


class Secrets(Protocol):
    """Seals what deliveries are signed with."""

    def seal(self, webhook_id: WebhookId, secret: str) -> str:
        """Return a secret as a fact carries it."""
        ...

    def open(self, webhook_id: WebhookId, sealed: str) -> str:
        """Return the secret."""
        ...


@dataclass(frozen=True, slots=True)
class Answered:
    """The endpoint answered. `asked_s`: the pause that it asked for by Retry-After."""

    status: int
    ms: int
    asked_s: int | None = None


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Nothing came that could be understood, or the endpoint may not be called at all."""

    reason: str
    ms: int


class Endpoints(Protocol):
    """Calls the addresses that merchants name."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answered | Unanswered:
        """Send once, in bounded time, to a public address alone; never raises for what the other side does."""
        ...

    def refusal(self, url: str) -> str | None:
        """Return why an address will never be called, None when it may be. Looks at its form, asks nobody."""
        ...


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Everything the operations of webhooks are given, but who calls."""

    store: WebhookStore
    deliveries: Deliveries
    orders: Orders
    clock: Clock


@dataclass(frozen=True, slots=True)
class Issuing:
    """What those are given besides that make a webhook or its secret, or call it."""

    secrets: Secrets
    endpoints: Endpoints
