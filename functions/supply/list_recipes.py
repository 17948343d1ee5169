"""GET /v1/shops/{shop_id}/recipes: what items and choices take of the stock, for the shop's staff."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.supply import list_recipes as rule
from shared.supply.model import ListRecipes, RecipePage
from shared.wiring.edge import http_function
from shared.wiring.supply import supply


@http_function
async def list_recipes(request: Request[Nothing, ListRecipes]) -> Reply[RecipePage]:
    """GET /v1/shops/{shop_id}/recipes: what items and choices take of the stock, for the shop's staff."""
    return await rule.list_recipes(request.params, by=request.by, using=supply())
