"""PUT /v1/shops/{shop_id}/menu/dayparts: say at which hours things are sold."""

from shared.catalog import set_dayparts as rule
from shared.catalog.model import MenuChange, SetDayparts, ShopPath
from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.wiring.catalog import catalog
from shared.wiring.edge import http_function


@http_function
async def set_dayparts(request: Request[SetDayparts, ShopPath]) -> Reply[MenuChange]:
    """PUT /v1/shops/{shop_id}/menu/dayparts: say at which hours things are sold."""
    return await rule.set_dayparts(
        request.params.shop_id, request.body, if_match=request.if_match, by=request.by, using=catalog()
    )
