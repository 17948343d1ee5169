"""delete_webhook: a merchant is told nothing more there."""

from shared.kernel.decision import By, Stored
from shared.kernel.ids import WebhookId
from shared.kernel.reply import Reply
from shared.notifications import webhook_lifecycle
from shared.notifications.webhook_lifecycle import own
from shared.notifications.webhook_model import Webhook, WebhookView
from shared.notifications.webhook_ports import Webhooks


async def delete_webhook(webhook_id: WebhookId, *, if_match: int | None, by: By, using: Webhooks) -> Reply[WebhookView]:
    """Return the webhook as it was, switched off; what still waited for it is dropped. Raises NotFound."""
    now = using.clock.now()

    def answer(stored: Stored[Webhook]) -> Reply[WebhookView]:
        return Reply(WebhookView.of(stored.state, stored.version, now=now), version=stored.version)

    stored = await using.store.decide(
        webhook_id,
        lambda webhook: webhook_lifecycle.delete(own(webhook, by), by=by, now=now),
        by=by,
        now=now,
        reply=answer,
        if_match=if_match,
    )
    return answer(stored)
