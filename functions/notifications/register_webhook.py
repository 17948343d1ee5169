"""POST /v1/webhooks: be told of what happens at your shops, by signed calls to an address of yours."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.notifications import register_webhook as rule
from shared.notifications.webhook_model import RegisterWebhook, WebhookView
from shared.wiring.edge import http_function
from shared.wiring.webhooks import issuing, webhooks


@http_function
async def register_webhook(request: Request[RegisterWebhook, Nothing]) -> Reply[WebhookView]:
    """POST /v1/webhooks: be told of what happens at your shops, by signed calls to an address of yours."""
    return await rule.register_webhook(request.body, by=request.by, using=webhooks(), issuing=issuing())
