"""update_webhook: what a webhook listens to, or where, is another; or it is switched on or off."""

from datetime import datetime

from shared.kernel.decision import By, Stored
from shared.kernel.ids import WebhookId
from shared.kernel.reply import Reply
from shared.notifications import webhook_lifecycle
from shared.notifications.register_webhook import must_be_callable
from shared.notifications.webhook_lifecycle import own
from shared.notifications.webhook_model import UpdateWebhook, Webhook, WebhookView
from shared.notifications.webhook_ports import Issuing, Webhooks


async def update_webhook(
    webhook_id: WebhookId, command: UpdateWebhook, *, if_match: int | None, by: By, using: Webhooks, issuing: Issuing
) -> Reply[WebhookView]:
    """Return the webhook as it is now. Raises NotFound, VersionConflict, Invalid for an address never called."""
    now = using.clock.now()
    must_be_callable(command.url, issuing)
    stored = await using.store.decide(
        webhook_id,
        lambda webhook: webhook_lifecycle.update(own(webhook, by), command, by=by, now=now),
        by=by,
        now=now,
        reply=lambda stored: shown(stored, now=now),
        if_match=if_match,
    )
    return shown(stored, now=now)


def shown(stored: Stored[Webhook], *, now: datetime) -> Reply[WebhookView]:
    """Return a webhook as an answer, without any secret."""
    view = WebhookView.of(stored.state, stored.version, now=now)
    return Reply(view, version=stored.version, stream=stored.state.webhook_id)
