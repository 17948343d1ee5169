"""PUT /v1/shops/{shop_id}/recipes: what an item or a choice takes of the stock."""

from shared.edge.http import Request
from shared.kernel.reply import Reply
from shared.supply import put_recipe as rule
from shared.supply.model import PutRecipe, RecipeView, ShopPath
from shared.wiring.edge import http_function
from shared.wiring.supply import supply


@http_function
async def put_recipe(request: Request[PutRecipe, ShopPath]) -> Reply[RecipeView]:
    """PUT /v1/shops/{shop_id}/recipes: what an item or a choice takes of the stock."""
    return await rule.put_recipe(request.params.shop_id, request.body, by=request.by, using=supply())
