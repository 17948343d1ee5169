"""PUT /v1/shops/{shop_id}/menu/taxes: say how what is sold is taxed."""

from shared.catalog import set_taxes as rule
from shared.catalog.model import MenuChange, SetTaxes, ShopPath
from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.wiring.catalog import catalog
from shared.wiring.edge import http_function


@http_function
async def set_taxes(request: Request[SetTaxes, ShopPath]) -> Reply[MenuChange]:
    """PUT /v1/shops/{shop_id}/menu/taxes: say how what is sold is taxed."""
    return await rule.set_taxes(
        request.params.shop_id, request.body, if_match=request.if_match, by=request.by, using=catalog()
    )
