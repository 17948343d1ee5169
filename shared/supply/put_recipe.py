"""put_recipe: what an item or a choice takes of a shop's stock, from the next order on."""

from shared.kernel.decision import By, Decided, Stored
from shared.kernel.ids import ShopId
from shared.kernel.reply import Reply
from shared.supply import recipes
from shared.supply.model import PutRecipe, Recipe, RecipeView
from shared.supply.ports import Supply


async def put_recipe(shop_id: ShopId, command: PutRecipe, *, by: By, using: Supply) -> Reply[RecipeView]:
    """Return the recipe; one that takes nothing is none.

    Raises NotFound, Forbidden, UnitMismatch, VersionConflict, AlreadyAnswered, KeyReused, Transient.
    """
    merchant_id = await using.shops.merchant_of(shop_id)
    sold = await using.menus.sells(shop_id, command.product_id)
    skus = {line.sku for line in command.takes} | {sku for swap in command.instead for sku in (swap.sku, swap.by)}

    async def rule(_: Recipe | None) -> Decided:
        shelf = await using.shelves.of(shop_id, sorted(skus))
        return recipes.put(shop_id, command, sold=sold, shelf=shelf, merchant_id=merchant_id, by=by)

    recipe_id = recipes.recipe_id_of(shop_id, command.product_id)
    return _shown(await using.recipes.decide(recipe_id, rule, by=by, now=using.clock.now(), reply=_shown))


def _shown(stored: Stored[Recipe]) -> Reply[RecipeView]:
    return Reply(RecipeView.of(stored.state), version=stored.version, stream=stored.state.recipe_id)
