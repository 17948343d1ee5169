"""POST /v1/webhooks/{webhook_id}/secret: sign with a new secret, and with the old one too for a while."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.notifications import rotate_webhook_secret as rule
from shared.notifications.webhook_model import RotateSecret, WebhookPath, WebhookView
from shared.wiring.edge import http_function
from shared.wiring.webhooks import issuing, webhooks


@http_function
async def rotate_webhook_secret(request: Request[RotateSecret, WebhookPath]) -> Reply[WebhookView]:
    """POST /v1/webhooks/{webhook_id}/secret: sign with a new secret, and with the old one too for a while."""
    return await rule.rotate_webhook_secret(
        request.params.webhook_id, request.body, by=request.by, using=webhooks(), issuing=issuing()
    )
