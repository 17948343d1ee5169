"""redeliver: an event is brought to a webhook once more, whatever became of it before."""

from shared.kernel.decision import By
from shared.kernel.errors import NotFound
from shared.kernel.ids import DeliveryId, WebhookId
from shared.kernel.reply import Reply
from shared.notifications.webhook_lifecycle import WebhookOff, own
from shared.notifications.webhook_model import HookDeliveryView
from shared.notifications.webhook_ports import Webhooks


async def redeliver(
    webhook_id: WebhookId, delivery_id: DeliveryId, *, by: By, using: Webhooks
) -> Reply[HookDeliveryView]:
    """Return 202 with the delivery, which waits again with all its attempts before it. Raises NotFound, WebhookOff.

    One that is being sent at this moment is left alone.
    """
    found = await using.store.load(webhook_id)
    webhook = own(found.state if found else None, by)
    if not webhook.enabled:
        raise WebhookOff("Switch it on first: `enabled: true`.")
    view = await using.deliveries.renew(webhook_id, delivery_id, by=by, now=using.clock.now())
    if view is None:
        raise NotFound("There is no such delivery.")
    return Reply(view, status=202)
