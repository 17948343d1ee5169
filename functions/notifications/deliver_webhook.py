"""Work `webhooks`: bring an event to a merchant's endpoint."""

from shared.edge.cloud_event import Work
from shared.notifications import deliver_webhook as rule
from shared.notifications.webhook_model import HookDispatch
from shared.wiring.edge import work_function
from shared.wiring.webhooks import issuing, webhooks


@work_function
async def deliver_webhook(work: Work[HookDispatch]) -> None:
    """Work `webhooks`: bring an event to a merchant's endpoint."""
    await rule.deliver_webhook(work.body, by=work.by, using=webhooks(), issuing=issuing())
