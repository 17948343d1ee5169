"""PUT /v1/preferences: how a person wants to be told."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.notifications import set_preferences as rule
from shared.notifications.model import PreferencesView, SetPreferences
from shared.wiring.edge import http_function
from shared.wiring.notifications import notifications


@http_function
async def set_preferences(request: Request[SetPreferences, Nothing]) -> Reply[PreferencesView]:
    """PUT /v1/preferences: how a person wants to be told."""
    return await rule.set_preferences(request.body, if_match=request.if_match, by=request.by, using=notifications())
