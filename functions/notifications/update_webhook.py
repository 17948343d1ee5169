"""PUT /v1/webhooks/{webhook_id}: change what a webhook listens to or where, switch it on or off."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.notifications import update_webhook as rule
from shared.notifications.webhook_model import UpdateWebhook, WebhookPath, WebhookView
from shared.wiring.edge import http_function
from shared.wiring.webhooks import issuing, webhooks


@http_function
async def update_webhook(request: Request[UpdateWebhook, WebhookPath]) -> Reply[WebhookView]:
    """PUT /v1/webhooks/{webhook_id}: change what a webhook listens to or where, switch it on or off."""
    return await rule.update_webhook(
        request.params.webhook_id,
        request.body,
        if_match=request.if_match,
        by=request.by,
        using=webhooks(),
        issuing=issuing(),
    )
