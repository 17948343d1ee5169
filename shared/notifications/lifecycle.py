"""The state machine of a message on one channel. Pure.

queued ──▶ attempted ──▶ sent
              │  ▲   └──▶ failed        An attempt whose outcome is not known ends as failed: it is not repeated.
              ▼  │
            deferred                    Only where surely nothing was sent.
"""

from datetime import datetime, timedelta
from typing import Final

from shared.kernel.errors import Bug, NotFound, Transient
from shared.kernel.facts import Fact
from shared.notifications.facts import (
    NotificationAttempted,
    NotificationDeferred,
    NotificationFailed,
    NotificationQueued,
    NotificationReleased,
    NotificationSent,
)
from shared.notifications.model import Delivery, DeliveryStatus, Notification
from shared.notifications.ports import NotNow, Outcome, Refused, Sent

IN_FLIGHT: Final = timedelta(seconds=30)
"""How long an attempt may be under way; longer than connecting, sending and recording take together."""
STALE: Final = timedelta(hours=6)
"""A message that could not leave for so long is dropped; what quiet hours held is counted from their end."""

_OPEN: Final = frozenset({DeliveryStatus.QUEUED, DeliveryStatus.DEFERRED})
_OVER: Final = frozenset({DeliveryStatus.SENT, DeliveryStatus.FAILED})

Step = NotificationAttempted | NotificationFailed | None


def begin(notification: Notification | None, channel: str, *, news: bool, now: datetime) -> Step:
    """Return what comes first: an attempt, or giving up; None when the channel is done.

    Raises NotFound, and Transient while another attempt is under way.
    """
    if notification is None or channel not in notification.deliveries:
        raise NotFound("There is no such message on this channel.")
    delivery = notification.deliveries[channel]
    if delivery.status is DeliveryStatus.ATTEMPTED:
        if now - delivery.at < IN_FLIGHT:
            raise Transient("Another attempt is under way.", retry_after_s=int(IN_FLIGHT.total_seconds()))
        return _failed(notification, channel, "outcome-unknown", now)
    if delivery.status not in _OPEN:
        return None
    if now - max(notification.queued_at, notification.held_until or notification.queued_at) > STALE:
        return _failed(notification, channel, "stale", now)
    if not news:
        return _failed(notification, channel, "overtaken", now)
    return NotificationAttempted(
        notification_id=notification.notification_id, user_id=notification.user_id, channel=channel, at=now
    )


def release(notification: Notification | None, *, now: datetime) -> tuple[NotificationReleased, ...]:
    """Return the fact that a message is held no longer; none before its time, or where it is not held."""
    if notification is None or not notification.held or (notification.held_until or now) > now:
        return ()
    who = {"notification_id": notification.notification_id, "user_id": notification.user_id}
    return (NotificationReleased(**who, at=now),)


def end(notification: Notification | None, channel: str, outcome: Outcome, *, now: datetime) -> Fact | None:
    """Return the fact of an outcome; None when the channel has one already (given up as unknown meanwhile, say).

    Without an attempt nothing can have been sent: then only a refusal is an outcome. Raises Bug for any other.
    """
    if notification is None:
        raise Bug("the outcome of a message that was never queued")
    status = notification.deliveries[channel].status
    if status in _OPEN and not isinstance(outcome, Refused):
        raise Bug("the outcome of an attempt that was never recorded")
    if status in _OVER:
        return None
    who = {"notification_id": notification.notification_id, "user_id": notification.user_id}
    match outcome:
        case Sent(provider_id):
            return NotificationSent(**who, channel=channel, provider_id=provider_id, at=now)
        case NotNow(reason):
            return NotificationDeferred(**who, channel=channel, reason=reason, at=now)
        case _:
            return _failed(notification, channel, outcome.reason, now)


def _failed(notification: Notification, channel: str, reason: str, now: datetime) -> NotificationFailed:
    return NotificationFailed(
        notification_id=notification.notification_id,
        user_id=notification.user_id,
        channel=channel,
        reason=reason,
        at=now,
    )


def evolve(notification: Notification | None, fact: Fact) -> Notification:
    """Return the state after `fact`. Total over the facts of this service; anything else is a Bug."""
    if notification is None and isinstance(fact, NotificationQueued):
        return Notification.model_validate(
            {
                **fact.model_dump(include={"notification_id", "user_id", "merchant_id", "template", "language"}),
                "about": fact.about,
                "queued_at": fact.at,
                "held": fact.held_until is not None,
                "held_until": fact.held_until,
                "deliveries": {
                    channel: Delivery(status=DeliveryStatus.QUEUED, at=fact.at) for channel in fact.channels
                },
            }
        )
    if notification is None:
        raise Bug(f"{fact.type} can't happen to no message")
    match fact:
        case NotificationReleased():
            return notification.model_copy(update={"held": False})
        case NotificationAttempted():
            delivery = Delivery(status=DeliveryStatus.ATTEMPTED, at=fact.at)
        case NotificationSent():
            delivery = Delivery(status=DeliveryStatus.SENT, at=fact.at, provider_id=fact.provider_id)
        case NotificationDeferred():
            delivery = Delivery(status=DeliveryStatus.DEFERRED, at=fact.at, reason=fact.reason)
        case NotificationFailed():
            delivery = Delivery(status=DeliveryStatus.FAILED, at=fact.at, reason=fact.reason)
        case _:
            raise Bug(f"a message does not know {fact.type}")
    return notification.model_copy(update={"deliveries": {**notification.deliveries, fact.channel: delivery}})
