"""retry_webhooks: deliveries whose time has come are worked on again; those of webhooks that are off are dropped."""

from datetime import timedelta
from typing import Final

from shared.kernel.decision import By
from shared.notifications.webhook_ports import Webhooks

KEPT: Final = timedelta(days=30)


async def retry_webhooks(*, by: By, using: Webhooks) -> None:
    """Queue the work of what is due, a bounded number for each endpoint and in all; tidy up a bounded part."""
    now = using.clock.now()
    await using.deliveries.tidy(older_than=now - KEPT, now=now)
    await using.deliveries.send_again(by=by, now=now)
