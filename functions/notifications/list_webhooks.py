"""GET /v1/webhooks: where you are told, and of what."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.notifications import list_webhooks as rule
from shared.notifications.webhook_model import ListWebhooks, WebhookList
from shared.wiring.edge import http_function
from shared.wiring.webhooks import webhooks


@http_function
async def list_webhooks(request: Request[Nothing, ListWebhooks]) -> Reply[WebhookList]:
    """GET /v1/webhooks: where you are told, and of what."""
    return await rule.list_webhooks(request.params.shop_id, by=request.by, using=webhooks())
