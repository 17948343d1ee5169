"""notify_owner: something happened to where a shop's money or news go, or runs low; its owner is told."""

from datetime import datetime

from shared.kernel.decision import By
from shared.kernel.ids import UserId
from shared.notifications.messages import OwnerNews
from shared.notifications.notify import queue
from shared.notifications.ports import Notifications
from shared.notifications.webhook_facts import WebhookDisabled


async def notify_owner(fact: OwnerNews, *, happened_at: datetime, by: By, using: Notifications) -> None:
    """Queue the message of this event to the person that the merchant is, at most once per event."""
    id = fact.webhook_id if isinstance(fact, WebhookDisabled) else fact.shop_id
    about, owner = await using.orders.about(id), UserId.like(fact.merchant_id)
    await queue(fact, owner, about, merchant_id=fact.merchant_id, happened_at=happened_at, by=by, using=using)
