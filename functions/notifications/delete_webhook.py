"""DELETE /v1/webhooks/{webhook_id}: be told nothing more there."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.notifications import delete_webhook as rule
from shared.notifications.webhook_model import WebhookPath, WebhookView
from shared.wiring.edge import http_function
from shared.wiring.webhooks import webhooks


@http_function
async def delete_webhook(request: Request[Nothing, WebhookPath]) -> Reply[WebhookView]:
    """DELETE /v1/webhooks/{webhook_id}: be told nothing more there."""
    return await rule.delete_webhook(
        request.params.webhook_id, if_match=request.if_match, by=request.by, using=webhooks()
    )
