"""Published facts of notifications."""

from datetime import datetime
from typing import ClassVar

from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId, NotificationId, UserId
from shared.notifications.webhook_facts import WebhookDeleted as WebhookDeleted
from shared.notifications.webhook_facts import WebhookDisabled as WebhookDisabled
from shared.notifications.webhook_facts import WebhookRegistered as WebhookRegistered
from shared.notifications.webhook_facts import WebhookSecretRotated as WebhookSecretRotated
from shared.notifications.webhook_facts import WebhookUpdated as WebhookUpdated


class NotificationQueued(Fact):
    """A message to a person was decided on; one piece of work per channel carries it."""

    type: ClassVar = "notification.queued.v1"
    notification_id: NotificationId
    user_id: UserId
    merchant_id: MerchantId
    template: str
    language: str
    channels: tuple[str, ...]
    about: str
    """The order, shop or webhook it is about."""
    at: datetime
    held_until: datetime | None = None
    """The person is not to be disturbed before that."""


class NotificationReleased(Fact):
    """The quiet hours that held it are over; one piece of work per channel carries it now."""

    type: ClassVar = "notification.released.v1"
    notification_id: NotificationId
    user_id: UserId
    at: datetime


class NotificationAttempted(Fact):
    """A channel is about to be tried: recorded first, so that an unknown outcome is not sent again."""

    type: ClassVar = "notification.attempted.v1"
    notification_id: NotificationId
    user_id: UserId
    channel: str
    at: datetime


class NotificationSent(Fact):
    """The provider took the message."""

    type: ClassVar = "notification.sent.v1"
    notification_id: NotificationId
    user_id: UserId
    channel: str
    provider_id: str
    at: datetime


class NotificationFailed(Fact):
    """The provider refused the message for good, or the outcome is unknown."""

    type: ClassVar = "notification.failed.v1"
    notification_id: NotificationId
    user_id: UserId
    channel: str
    reason: str
    at: datetime


class NotificationDeferred(Fact):
    """The provider was not reached, or turned us away for now: nothing was sent, and it is tried again."""

    type: ClassVar = "notification.deferred.v1"
    notification_id: NotificationId
    user_id: UserId
    channel: str
    reason: str
    at: datetime
