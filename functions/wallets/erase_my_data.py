"""POST /v1/me/erase: the caller is forgotten; what stays tells of orders and coins, and of nobody."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.wallets import erase_my_data as rule
from shared.wallets.personal_model import ErasedView, EraseMe
from shared.wiring.edge import http_function
from shared.wiring.personal import personal
from shared.wiring.resources import clock


@http_function
async def erase_my_data(request: Request[EraseMe, Nothing]) -> Reply[ErasedView]:
    """POST /v1/me/erase: the caller is forgotten; what stays tells of orders and coins, and of nobody."""
    return await rule.erase_my_data(request.body, by=request.by, using=personal(), clock=clock())
