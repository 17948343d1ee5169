"""queue_webhooks: something happened; whichever webhooks listen to it get a delivery."""

from datetime import datetime, timedelta
from typing import Final

from shared.kernel.decision import By
from shared.kernel.ids import EventId
from shared.notifications.webhook_model import Told
from shared.notifications.webhook_ports import Webhooks

STALE: Final = timedelta(days=3)
"""A fact that is told so late (redelivered after an outage) is news to nobody."""


async def queue_webhooks(fact: Told, *, id: EventId, happened_at: datetime, by: By, using: Webhooks) -> None:
    """Queue one delivery for each webhook that listens, with its work, in one commit; once per event and webhook."""
    now = using.clock.now()
    listeners = await using.deliveries.listeners(fact.merchant_id, fact.shop_id, fact.type, now=now)
    if now - happened_at > STALE:
        listeners = ()
    await using.deliveries.queue(listeners, id, fact.type, by=by, now=now)
