"""GET /v1/preferences: how you want to be told."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.notifications import get_preferences as rule
from shared.notifications.model import PreferencesView
from shared.wiring.edge import http_function
from shared.wiring.notifications import notifications


@http_function
async def get_preferences(request: Request[Nothing, Nothing]) -> Reply[PreferencesView]:
    """GET /v1/preferences: how you want to be told."""
    return await rule.get_preferences(by=request.by, using=notifications())
