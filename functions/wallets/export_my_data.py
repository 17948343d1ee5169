"""GET /v1/me/data: everything that is held about the caller."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.wallets import export_my_data as rule
from shared.wallets.personal_model import PersonalData
from shared.wiring.edge import http_function
from shared.wiring.personal import personal
from shared.wiring.resources import clock


@http_function
async def export_my_data(request: Request[Nothing, Nothing]) -> Reply[PersonalData]:
    """GET /v1/me/data: everything that is held about the caller."""
    return await rule.export_my_data(by=request.by, using=personal(), clock=clock())
