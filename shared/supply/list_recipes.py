"""list_recipes: what a shop's items and choices take of its stock, for its staff."""

from shared.kernel.decision import By
from shared.kernel.reply import Reply
from shared.supply import lifecycle
from shared.supply.model import ListRecipes, RecipePage, RecipeView
from shared.supply.ports import Supply


async def list_recipes(asked: ListRecipes, *, by: By, using: Supply) -> Reply[RecipePage]:
    """Return a page of the shop's recipes, by the ids of items and choices. Raises NotFound."""
    merchant_id = await using.shops.merchant_of(asked.shop_id)
    lifecycle.staffed(merchant_id, by)
    found, after = await using.recipes.of_shop(asked.shop_id, merchant_id, after=asked.cursor, limit=asked.limit)
    return Reply(RecipePage(recipes=tuple(map(RecipeView.of, found)), next=after))
