"""Published facts of notifications."""

from datetime import datetime
from typing import ClassVar

from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId, NotificationId, UserId


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
    """The order it is about."""
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
