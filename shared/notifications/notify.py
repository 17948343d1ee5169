"""notify: something happened to an order; decide whether its customer is told, in which words, over which channels."""

from datetime import datetime
from typing import Final

from shared.kernel.decision import By, Decided, Work
from shared.kernel.errors import Bug
from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId, NotificationId, UserId
from shared.notifications.facts import NotificationQueued
from shared.notifications.lifecycle import STALE
from shared.notifications.messages import News, kinds_for, message_of
from shared.notifications.model import Kind, Notification
from shared.notifications.ports import Notifications, OrderStanding
from shared.notifications.quiet import quiet_until

TOPICS: Final = {Kind.PUSH: "push-notifications", Kind.EMAIL: "emails"}


async def notify(
    fact: News,
    *,
    happened_at: datetime,
    by: By,
    using: Notifications,
) -> None:
    """Queue the message of this event with one piece of work per channel, in one commit; at most once per event.

    Nothing is queued for what is no longer true of the order, too long ago, or for somebody who can't be reached.
    """
    about = await using.orders.standing(fact.order_id)
    await queue(
        fact, fact.customer_id, about, merchant_id=fact.merchant_id, happened_at=happened_at, by=by, using=using
    )


async def queue(
    fact: Fact,
    person: UserId,
    order: OrderStanding | None,
    *,
    merchant_id: MerchantId,
    happened_at: datetime,
    by: By,
    using: Notifications,
) -> None:
    """Queue what a fact is worth to a person, as the order (or the shop) stands now; nothing where it is worth none.

    In their quiet hours, what is not urgent is held until these end: `release_notifications` sends it on its way.
    """
    now = using.clock.now()
    message = message_of(fact, order) if order else None
    if order is None or message is None or now - happened_at > STALE:
        await using.store.take(by)
        return
    reach = await using.people.reach(person)
    channels = reach.channels(kinds_for(fact, message), message.topic)
    if not channels:
        await using.store.take(by)
        return
    queued = NotificationQueued(
        notification_id=_id_of(by),
        user_id=person,
        merchant_id=merchant_id,
        template=message.template,
        language=reach.language,
        channels=channels,
        about=order.order_id,
        at=now,
        held_until=None if message.urgent else quiet_until(reach.quiet_hours, now),
    )
    work = () if queued.held_until else work_of(queued.notification_id, person, channels)

    def rule(present: Notification | None) -> Decided:
        return Decided((queued,), work=work) if present is None else Decided(())

    await using.store.decide(queued.notification_id, rule, by=by, now=now)


def _id_of(by: By) -> NotificationId:
    """Return the id of the message about an event: the event's digits, so that there is never a second one."""
    if by.causation is None:
        raise Bug("a message is always about an event")
    return NotificationId.like(by.causation)


def work_of(notification_id: NotificationId, user_id: UserId, channels: tuple[str, ...]) -> tuple[Work, ...]:
    """Return one piece of work for each channel of a message."""
    return tuple(
        Work(
            topic=TOPICS[Kind(channel.partition(":")[0])],
            key=notification_id,
            body={"notification_id": notification_id, "user_id": user_id, "channel": channel},
        )
        for channel in channels
    )
