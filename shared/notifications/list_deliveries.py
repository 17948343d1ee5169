"""list_deliveries: what was brought to a webhook, what waits, what failed and why."""

from shared.kernel.decision import By
from shared.kernel.reply import Reply
from shared.notifications.webhook_lifecycle import own
from shared.notifications.webhook_model import HookDeliveryPage, HookDeliveryStatus, ListDeliveries
from shared.notifications.webhook_ports import Webhooks


async def list_deliveries(wanted: ListDeliveries, *, by: By, using: Webhooks) -> Reply[HookDeliveryPage]:
    """Return a page of a webhook's deliveries, newest first. They are kept for thirty days. Raises NotFound."""
    found = await using.store.load(wanted.webhook_id)
    webhook = own(found.state if found else None, by)
    status = HookDeliveryStatus(wanted.status) if wanted.status else None
    deliveries, following = await using.deliveries.listed(
        webhook.webhook_id, status=status, before=wanted.cursor, limit=wanted.limit
    )
    return Reply(HookDeliveryPage(deliveries=tuple(deliveries), next=following))
