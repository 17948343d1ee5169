"""GET /v1/webhooks/{webhook_id}/deliveries: what was brought to a webhook, what waits, what failed and why."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.notifications import list_deliveries as rule
from shared.notifications.webhook_model import HookDeliveryPage, ListDeliveries
from shared.wiring.edge import http_function
from shared.wiring.webhooks import webhooks


@http_function
async def list_deliveries(request: Request[Nothing, ListDeliveries]) -> Reply[HookDeliveryPage]:
    """GET /v1/webhooks/{webhook_id}/deliveries: what was brought to a webhook, what waits, what failed and why."""
    return await rule.list_deliveries(request.params, by=request.by, using=webhooks())
