"""Published facts of webhooks. A secret stands in them only sealed."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId, ShopId, WebhookId


class DisableReason(StrEnum):
    """Why the platform switched a webhook off by itself."""

    FAILING = "failing"
    GONE = "gone"


class WebhookFact(Fact):
    """What every fact of a webhook says. `shop_id` is named where it tells of one shop alone."""

    type: ClassVar = "notification.webhook.v1"
    webhook_id: WebhookId
    merchant_id: MerchantId
    shop_id: ShopId | None = None
    actor: str
    at: datetime


class WebhookRegistered(WebhookFact):
    """A merchant wants to be told of these facts at this address."""

    type: ClassVar = "notification.webhook_registered.v1"
    url: str
    events: tuple[str, ...]
    description: str = ""
    sealed_secret: str


class WebhookUpdated(WebhookFact):
    """What a webhook listens to, or where, is replaced; `enabled` switches it on again or off."""

    type: ClassVar = "notification.webhook_updated.v1"
    url: str
    events: tuple[str, ...]
    description: str = ""
    enabled: bool


class WebhookSecretRotated(WebhookFact):
    """A new secret signs; the one before signs beside it until `previous_until`, and any older one no more."""

    type: ClassVar = "notification.webhook_secret_rotated.v1"
    sealed_secret: str
    previous_until: datetime


class WebhookDisabled(WebhookFact):
    """The platform switched it off: nothing was taken there for days, or it said that it is gone for good."""

    type: ClassVar = "notification.webhook_disabled.v1"
    reason: DisableReason
    failing_since: datetime | None = None


class WebhookDeleted(WebhookFact):
    """It is told nothing more, and nobody sees it any more."""

    type: ClassVar = "notification.webhook_deleted.v1"
