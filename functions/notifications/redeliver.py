"""POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver: bring an event to a webhook once more."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.notifications import redeliver as rule
from shared.notifications.webhook_model import DeliveryPath, HookDeliveryView
from shared.wiring.edge import http_function
from shared.wiring.webhooks import webhooks


@http_function
async def redeliver(request: Request[Nothing, DeliveryPath]) -> Reply[HookDeliveryView]:
    """POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver: bring an event to a webhook once more."""
    return await rule.redeliver(request.params.webhook_id, request.params.delivery_id, by=request.by, using=webhooks())
