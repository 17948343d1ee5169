"""POST /v1/preferences/email/confirm: show that the mailbox is yours, with the code that was sent there."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.notifications import confirm_email as rule
from shared.notifications.model import ConfirmEmail, PreferencesView
from shared.wiring.edge import http_function
from shared.wiring.notifications import notifications


@http_function
async def confirm_email(request: Request[ConfirmEmail, Nothing]) -> Reply[PreferencesView]:
    """POST /v1/preferences/email/confirm: show that the mailbox is yours, with the code that was sent there."""
    return await rule.confirm_email(request.body, by=request.by, using=notifications())
