"""GET /v1/notifications: what you were told, over which channels, and what became of it."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.notifications import list_notifications as rule
from shared.notifications.model import ListNotifications, NotificationPage
from shared.wiring.edge import http_function
from shared.wiring.notifications import notifications


@http_function
async def list_notifications(request: Request[Nothing, ListNotifications]) -> Reply[NotificationPage]:
    """GET /v1/notifications: what you were told, over which channels, and what became of it."""
    return await rule.list_notifications(request.params, by=request.by, using=notifications())
