"""rotate_webhook_secret: deliveries are signed with another secret, for a while with the one before too."""

from datetime import timedelta

from shared.kernel.decision import By
from shared.kernel.ids import WebhookId
from shared.kernel.reply import Reply
from shared.notifications import webhook_lifecycle
from shared.notifications.register_webhook import told_once
from shared.notifications.update_webhook import shown
from shared.notifications.webhook_lifecycle import own
from shared.notifications.webhook_model import RotateSecret, WebhookView
from shared.notifications.webhook_ports import Issuing, Webhooks
from shared.notifications.webhook_signing import new_secret


async def rotate_webhook_secret(
    webhook_id: WebhookId, command: RotateSecret, *, by: By, using: Webhooks, issuing: Issuing
) -> Reply[WebhookView]:
    """Return the webhook with its new secret. A secret older than the one before signs no more. Raises NotFound."""
    now, secret = using.clock.now(), new_secret()
    sealed, overlap = issuing.secrets.seal(webhook_id, secret), timedelta(hours=command.overlap_hours)
    stored = await using.store.decide(
        webhook_id,
        lambda webhook: webhook_lifecycle.rotate(own(webhook, by), sealed=sealed, overlap=overlap, by=by, now=now),
        by=by,
        now=now,
        reply=lambda stored: shown(stored, now=now),
    )
    return told_once(shown(stored, now=now), secret)
