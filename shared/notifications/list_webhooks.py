"""list_webhooks: where a merchant is told, and of what."""

from shared.kernel.decision import By
from shared.kernel.ids import ShopId
from shared.kernel.reply import Reply
from shared.notifications.webhook_lifecycle import merchant_of, runs
from shared.notifications.webhook_model import WebhookList, WebhookView
from shared.notifications.webhook_ports import Webhooks


async def list_webhooks(shop_id: ShopId | None, *, by: By, using: Webhooks) -> Reply[WebhookList]:
    """Return the merchant's webhooks, newest first, without their secrets. A staff key of a shop sees that shop's."""
    merchant, now = merchant_of(by), using.clock.now()
    found = await using.store.of_merchant(merchant, shop_id)
    shown = [one for one in found if runs(by, merchant, one.state.shop_id)]
    return Reply(WebhookList(webhooks=tuple(WebhookView.of(one.state, one.version, now=now) for one in shown)))
