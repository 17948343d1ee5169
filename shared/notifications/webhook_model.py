"""Values of webhooks: what a merchant asks for, what is kept, what is shown of deliveries."""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from shared.claims import facts as claims
from shared.kernel.ids import DeliveryId, EventId, MerchantId, ShopId, WebhookId
from shared.kernel.money import Frozen
from shared.kernel.text import Line
from shared.notifications.webhook_facts import DisableReason
from shared.orders import facts as orders
from shared.payments import facts as payments

Told = (
    orders.OrderPlaced
    | orders.OrderConfirmed
    | orders.OrderHalted
    | orders.OrderResumed
    | orders.OrderPreparing
    | orders.OrderReady
    | orders.OrderCompleted
    | orders.OrderCancelled
    | orders.OrderExpired
    | payments.PaymentSeen
    | payments.PaymentSettled
    | payments.PaymentFinal
    | payments.PaymentReversed
    | payments.PaymentExpired
    | payments.PaymentClosed
    | payments.RefundBroadcast
    | payments.RefundConfirmed
    | claims.ClaimRedeemed
)
"""The facts that merchants can be told of: what `queue_webhooks` is called with. None of them says a secret."""

EVENTS: Final = tuple(fact.type for fact in get_args(Told))
MOST_WEBHOOKS: Final = 16
"""Of one merchant."""
_HOST: Final = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?\Z"
)
"""A host name as DNS has it; the last label begins with a letter, so that no number in disguise is one."""
_PRINTABLE: Final = re.compile(r"[!-~]+\Z")


def _event(name: str) -> str:
    if name not in EVENTS:
        raise ValueError("not a fact that webhooks are told of; see the list in the API description")
    return name


EventName = Annotated[
    str, Field(strict=True), AfterValidator(_event), WithJsonSchema({"type": "string", "enum": list(EVENTS)})
]


def _url(text: str) -> str:
    """Return an address that a webhook may have by its form. Where it leads is looked at before each connection."""
    if not _PRINTABLE.match(text):
        raise ValueError("write it in ASCII, without blanks: names with other letters as xn--…, the rest with %")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as wrong:
        raise ValueError("not an address that can be called") from wrong
    if parts.scheme not in ("https", "http"):
        raise ValueError("must begin with https://")
    if parts.username is not None or parts.password is not None or parts.fragment or "\\" in text:
        raise ValueError("must have no user name, password or fragment in it")
    if port == 0 or not (_HOST.match(host) or ":" in host or _is_ipv4(host)):
        raise ValueError("must name a host")
    return text


def _is_ipv4(host: str) -> bool:
    parts = host.split(".")
    return len(parts) == 4 and all(part.isdigit() and len(part) < 4 and str(int(part)) == part for part in parts)


Url = Annotated[
    str,
    Field(min_length=10, max_length=500, strict=True, examples=["https://example.com/hooks/cortado"]),
    AfterValidator(_url),
]
Events = Annotated[tuple[EventName, ...], Field(min_length=1, max_length=len(EVENTS))]


class WebhookSettings(Frozen):
    """Where to tell what."""

    url: Url = Field(description="https; called by POST. Redirects are not followed")
    events: Events
    description: Line = ""

    @model_validator(mode="after")
    def _each_once(self) -> "WebhookSettings":
        if len(set(self.events)) != len(self.events):
            raise ValueError("an event is named twice")
        return self


class RegisterWebhook(WebhookSettings):
    """A webhook as a merchant asks for it; for all their shops, or one."""

    shop_id: ShopId | None = None


class UpdateWebhook(WebhookSettings):
    """What a webhook is from now on. `enabled: true` switches one on again that was switched off."""

    enabled: bool = Field(default=True, strict=True)


class RotateSecret(Frozen):
    """For how long the secret in use still signs beside the new one; 0 for a secret that somebody else knows."""

    overlap_hours: int = Field(default=24, ge=0, le=168, strict=True)


class WebhookPath(Frozen):
    """Names one webhook."""

    webhook_id: WebhookId


class DeliveryPath(WebhookPath):
    """Names one delivery of a webhook."""

    delivery_id: DeliveryId


class ListWebhooks(Frozen):
    """All of the merchant's, or those that tell of one shop alone."""

    shop_id: ShopId | None = None


class ListDeliveries(WebhookPath):
    """Which deliveries of a webhook, newest first."""

    status: Literal["waiting", "sending", "delivered", "failed", "dropped"] | None = None
    cursor: DeliveryId | None = None
    limit: int = Field(default=20, ge=1, le=100)


class SealedSecret(Frozen):
    """A secret that only the platform can open. `until`: it signs no longer; None for the one in use."""

    sealed: str = Field(repr=False)
    made_at: datetime
    until: datetime | None = None


class Webhook(Frozen):
    """The state of a webhook: the fold of a stream `whk_…`, and one row of `webhooks`. Newest secret first."""

    webhook_id: WebhookId
    merchant_id: MerchantId
    shop_id: ShopId | None = None
    url: str
    events: tuple[str, ...]
    description: str = ""
    enabled: bool
    disabled_reason: DisableReason | None = None
    secrets: tuple[SealedSecret, ...]
    created_at: datetime
    changed_at: datetime
    deleted_at: datetime | None = None

    def live_secrets(self, now: datetime) -> tuple[SealedSecret, ...]:
        """Return the one or two secrets that sign at this moment."""
        return tuple(one for one in self.secrets if one.until is None or one.until > now)


class WebhookView(Frozen):
    """A webhook as its merchant sees it. `secret` is told once, when it is made; a repeated request lacks it."""

    webhook_id: WebhookId
    shop_id: ShopId | None = None
    url: str
    events: tuple[EventName, ...]
    description: str
    enabled: bool
    disabled_reason: DisableReason | None = Field(
        default=None, description="failing: nothing was taken for days. gone: it answered 410"
    )
    previous_secret_until: datetime | None = None
    created_at: datetime
    changed_at: datetime
    version: int
    secret: str | None = Field(default=None, repr=False, description="`whsec_…`: keep it, it is shown this once")

    @classmethod
    def of(cls, webhook: Webhook, version: int, *, now: datetime, secret: str | None = None) -> "WebhookView":
        """Return what is shown of a webhook."""
        previous = [one.until for one in webhook.live_secrets(now) if one.until is not None]
        return cls(
            webhook_id=webhook.webhook_id,
            shop_id=webhook.shop_id,
            url=webhook.url,
            events=webhook.events,
            description=webhook.description,
            enabled=webhook.enabled,
            disabled_reason=webhook.disabled_reason,
            previous_secret_until=max(previous, default=None),
            created_at=webhook.created_at,
            changed_at=webhook.changed_at,
            version=version,
            secret=secret,
        )


class WebhookList(Frozen):
    """The webhooks of a merchant, newest first; there are never more than sixteen."""

    webhooks: tuple[WebhookView, ...]


class HookDeliveryStatus(StrEnum):
    """waiting → sending → delivered; or waiting again, until it failed for good. dropped: its webhook was off."""

    WAITING = "waiting"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"
    DROPPED = "dropped"


class Try(Frozen):
    """One attempt: what was answered, or why nothing was."""

    at: datetime
    status: int | None = Field(default=None, description="The HTTP status of the answer")
    reason: str | None = Field(default=None, description="Why there was none: dns, timeout, tls, internal-address …")
    ms: int


class HookDeliveryView(Frozen):
    """One event on its way to one webhook, with its last twenty attempts."""

    delivery_id: DeliveryId
    event_id: EventId
    event_type: str
    status: HookDeliveryStatus
    attempts: int
    tries: tuple[Try, ...]
    next_attempt_at: datetime | None = None
    created_at: datetime
    ended_at: datetime | None = None


class HookDeliveryPage(Frozen):
    """A page of deliveries, newest first; `next` is the cursor of the following page."""

    deliveries: tuple[HookDeliveryView, ...]
    next: str | None = None


class HookDispatch(Frozen):
    """A piece of work: bring this delivery to its webhook."""

    webhook_id: WebhookId
    delivery_id: DeliveryId
