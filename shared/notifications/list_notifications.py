"""list_notifications: what a person was told, over which channels, and what became of it."""

from shared.kernel.decision import By
from shared.kernel.ids import DeviceId
from shared.kernel.reply import Reply
from shared.notifications.model import (
    ChannelView,
    Kind,
    ListNotifications,
    Notification,
    NotificationPage,
    NotificationView,
)
from shared.notifications.ports import Notifications
from shared.notifications.register_device import person


async def list_notifications(wanted: ListNotifications, *, by: By, using: Notifications) -> Reply[NotificationPage]:
    """Return a page of the caller's own messages, newest first, without addresses. Raises Forbidden for staff keys."""
    found, following = await using.store.of_person(person(by), before=wanted.cursor, limit=wanted.limit)
    return Reply(NotificationPage(notifications=tuple(shown(one) for one in found), next=following))


def shown(notification: Notification) -> NotificationView:
    """Return a message as its person sees it."""
    channels = []
    for channel, delivery in sorted(notification.deliveries.items()):
        kind, _, device = channel.partition(":")
        channels.append(
            ChannelView(
                kind=Kind(kind),
                device_id=DeviceId(device) if device else None,
                status=delivery.status,
                at=delivery.at,
                reason=delivery.reason,
            )
        )
    return NotificationView(
        **notification.model_dump(
            include={"notification_id", "template", "language", "about", "queued_at", "held_until"}
        ),
        channels=tuple(channels),
    )
