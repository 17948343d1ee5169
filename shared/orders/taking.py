"""What an order takes of the stock: by the recipes of its items and choices, else one portion of an item's own SKU."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from shared.kernel.errors import Invalid
from shared.orders.facts import OrderLine, OrderPlaced, Taken
from shared.orders.ports import Takes

MOST: Final = 1_000_000
"""Of one SKU, in base units: more than a tonne, or a thousand litres, is no order of coffee."""


def by_recipes(placed: OrderPlaced, recipes: Mapping[str, Takes]) -> OrderPlaced:
    """Return the order with what it takes, where a recipe says so. Raises Invalid for more than can be held."""
    if not recipes or not any(product in recipes for line in placed.lines for product in _products(line)):
        return placed
    taken: defaultdict[str, int] = defaultdict(int)
    for line in placed.lines:
        for sku, quantity in _of_one(line, recipes).items():
            taken[sku] += quantity * line.quantity
    for sku, quantity in taken.items():
        if quantity > MOST:
            raise Invalid("The order takes more than can be held for one order.", sku=sku)
    takes = tuple(Taken(sku=sku, quantity=quantity) for sku, quantity in sorted(taken.items()))
    return placed.model_copy(update={"takes": takes})


def _products(line: OrderLine) -> tuple[str, ...]:
    return line.item_id, *(modifier.modifier_id for modifier in line.modifiers)


def _of_one(line: OrderLine, recipes: Mapping[str, Takes]) -> dict[str, int]:
    """Return what one of the line's items takes: what choices replace first, then what they add."""
    recipe = recipes.get(line.item_id)
    own = dict(recipe.takes) if recipe is not None else {line.sku: 1} if line.sku is not None else {}
    choices = [recipes[product] for product in _products(line)[1:] if product in recipes]
    for choice in choices:
        for sku, instead in choice.instead.items():
            quantity = own.pop(sku, 0)
            if quantity:
                own[instead] = own.get(instead, 0) + quantity
    for choice in choices:
        for sku, quantity in choice.takes.items():
            own[sku] = own.get(sku, 0) + quantity
    return own
