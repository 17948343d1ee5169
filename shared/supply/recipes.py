"""The rules of recipes. Pure: an item or a choice takes quantities of SKUs, each in the unit the SKU is counted in."""

from collections.abc import Mapping
from hashlib import sha256

from shared.kernel.decision import By, Decided
from shared.kernel.errors import Bug, NotFound
from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId, RecipeId, ShopId
from shared.supply import facts
from shared.supply.facts import RecipeLine, Substitution
from shared.supply.lifecycle import UnitMismatch, fits, managed
from shared.supply.model import PutRecipe, Recipe, StockLevel
from shared.supply.units import base_of, in_base


def recipe_id_of(shop_id: ShopId, product_id: str) -> RecipeId:
    """Return the id of the recipe of an item or a choice at a shop: always the same."""
    return RecipeId(f"{RecipeId.prefix}_{sha256(f'{shop_id} {product_id}'.encode()).hexdigest()[:32]}")


def put(
    shop_id: ShopId,
    command: PutRecipe,
    *,
    sold: bool,
    shelf: Mapping[str, StockLevel],
    merchant_id: MerchantId,
    by: By,
) -> Decided:
    """Return the fact of a recipe. Raises NotFound for what the shop does not sell, Forbidden, UnitMismatch."""
    managed(merchant_id, by)
    if not sold:
        raise NotFound("The shop's menu has no such item or choice.", product_id=command.product_id)
    for line in command.takes:
        fits(line.sku, base_of(line.unit), shelf.get(line.sku))
    for swap in command.instead:
        _swappable(swap.sku, swap.by, shelf)
    takes = tuple(
        RecipeLine(sku=line.sku, quantity=in_base(line.quantity, line.unit), unit=base_of(line.unit))
        for line in command.takes
    )
    return Decided(
        (
            facts.RecipePut(
                shop_id=shop_id,
                merchant_id=merchant_id,
                product_id=command.product_id,
                takes=takes,
                instead=tuple(Substitution(sku=swap.sku, by=swap.by) for swap in command.instead),
            ),
        )
    )


def _swappable(sku: str, by: str, shelf: Mapping[str, StockLevel]) -> None:
    units = [shelf[each].unit if each in shelf else None for each in (sku, by)]
    if None in units:
        missing = sku if units[0] is None else by
        raise NotFound("One takes the place of another only where the shop knows both.", sku=missing)
    if units[0] is not units[1]:
        raise UnitMismatch(f"{sku} is counted in {units[0]}, {by} in {units[1]}.", sku=by, unit=units[1])


def evolve_recipe(_: Recipe | None, fact: Fact) -> Recipe:
    """Return the state after `fact`, which says all of it."""
    if not isinstance(fact, facts.RecipePut):
        raise Bug(f"{fact.type} can't happen to a recipe")
    return Recipe(
        recipe_id=recipe_id_of(fact.shop_id, fact.product_id),
        shop_id=fact.shop_id,
        merchant_id=fact.merchant_id,
        product_id=fact.product_id,
        takes=fact.takes,
        instead=fact.instead,
    )
