"""Recipes on a real Postgres: what an order holds is by the recipe of its day, and is what comes back or is used."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from shared.adapters.postgres.database import Sql
from shared.kernel.decision import AlreadyAnswered
from shared.kernel.encoding import to_json
from shared.kernel.errors import NotFound
from shared.kernel.ids import ItemId, ModifierId
from shared.orders.ports import SoldOut
from shared.supply.consume_stock import consume_stock
from shared.supply.lifecycle import UnitMismatch
from shared.supply.list_recipes import list_recipes
from shared.supply.model import ListRecipes, PutRecipe, ReceiveStock, RecipeView
from shared.supply.put_recipe import put_recipe
from shared.supply.receive_stock import receive_stock
from shared.supply.release_stock import release_stock
from tests.integration.shopkeeping import keyed, woken
from tests.integration.stockkeeping import LAY_MENU, Counter, Interrupted

OAT = ModifierId.new()
COFFEE = [{"sku": "beans", "quantity": 18, "unit": "g"}, {"sku": "milk", "quantity": 160, "unit": "ml"}]
STOCK = Sql("select sku, unit, on_hand, reserved from stock order by sku")


@pytest.fixture
async def counter(database: str) -> Counter:
    counter = Counter(database)
    await counter.open()
    await counter.db.run(
        LAY_MENU,
        menu_id=counter.shop_id.replace("shp", "mnu"),
        shop_id=counter.shop_id,
        merchant_id=counter.merchant_id,
        items=to_json([{"item_id": counter.ordering.shop.item.item_id}]),
        groups=to_json([{"modifiers": [{"modifier_id": OAT}]}]),
    )
    return counter


async def put(counter: Counter, product_id: str, takes: object = (), instead: object = ()) -> RecipeView:
    command = PutRecipe.model_validate({"product_id": product_id, "takes": takes, "instead": instead})
    reply = await put_recipe(counter.shop_id, command, by=keyed(counter.manager), using=counter.supply)
    return reply.view


async def received(counter: Counter, sku: str, quantity: int, unit: str | None) -> None:
    command = ReceiveStock.model_validate({"lines": [{"sku": sku, "quantity": quantity, "unit": unit}]})
    await receive_stock(counter.shop_id, command, by=keyed(counter.manager), using=counter.supply)


async def stock(counter: Counter) -> dict[str, tuple[str, int, int]]:
    return {sku: (unit, on_hand, reserved) for sku, unit, on_hand, reserved in await counter.db.run(STOCK)}


async def test_a_flat_white_takes_its_beans_and_milk_and_a_changed_recipe_undoes_what_was_taken(
    counter: Counter,
) -> None:
    item = counter.ordering.shop.item.item_id
    await received(counter, "beans", 1, "kg")
    await put(counter, item, COFFEE)
    with pytest.raises(SoldOut) as refused:
        await counter.ordered()
    assert refused.value.fields["sku"] == "milk"
    await received(counter, "milk", 2, "l")
    called_off, made = await counter.ordered(3), await counter.ordered(2)
    assert await stock(counter) == {"beans": ("g", 1000, 90), "milk": ("ml", 2000, 800)}
    await put(counter, item, [{"sku": "beans", "quantity": 7, "unit": "g"}])
    later = await counter.ordered()
    await counter.cancelled(called_off)
    await release_stock(called_off, by=woken("release_stock"), using=counter.supply)
    assert await stock(counter) == {"beans": ("g", 1000, 43), "milk": ("ml", 2000, 320)}
    for order_id in (made, later):
        await counter.begun(order_id)
        await consume_stock(order_id, by=woken("consume_stock"), using=counter.supply)
    assert await stock(counter) == {"beans": ("g", 957, 0), "milk": ("ml", 1680, 0)}
    await put(counter, item)  # no recipe: a portion of the item's own SKU again
    with pytest.raises(SoldOut) as refused:
        await counter.ordered()
    assert refused.value.fields["sku"] == "flat-white"
    assert counter.stock_differences() == []


async def test_many_orders_by_recipe_at_once_never_take_more_than_there_is(counter: Counter) -> None:
    await put(counter, counter.ordering.shop.item.item_id, COFFEE)
    await received(counter, "beans", 10, "kg")
    await received(counter, "milk", 1_000, "ml")
    told = await asyncio.gather(*(counter.ordered(1 + n % 2) for n in range(30)), return_exceptions=True)
    assert {type(one) for one in told if isinstance(one, Exception)} == {SoldOut}
    _, on_hand, reserved = (await stock(counter))["milk"]
    assert 0 <= on_hand - reserved < 160 * 2
    assert counter.stock_differences() == []


async def test_a_skus_unit_is_fixed_by_what_names_it_first_even_of_two_at_once(counter: Counter) -> None:
    item = counter.ordering.shop.item.item_id
    for number in range(6):
        sku = f"sku-{number}"
        told = await asyncio.gather(
            put(counter, item, [{"sku": sku, "quantity": 1, "unit": "ml"}]),
            received(counter, sku, 2, "kg"),
            return_exceptions=True,
        )
        assert sorted(isinstance(one, UnitMismatch) for one in told) == [False, True], told
        expected = ("g", 2000, 0) if isinstance(told[0], UnitMismatch) else ("ml", 0, 0)
        assert (await stock(counter))[sku] == expected
    await received(counter, "cups", 5, None)
    with pytest.raises(UnitMismatch):
        await received(counter, "cups", 5, "g")
    await received(counter, "sku-0", 5, None)
    assert counter.stock_differences() == []


async def test_a_recipe_that_a_delivery_in_another_unit_gets_ahead_of_is_refused(counter: Counter) -> None:
    shelves = Interrupted(counter.supply.shelves, lambda: received(counter, "beans", 2, "dozen"))
    command = PutRecipe.model_validate({"product_id": counter.ordering.shop.item.item_id, "takes": COFFEE})
    using = replace(counter.supply, shelves=shelves)
    with pytest.raises(UnitMismatch):
        await put_recipe(counter.shop_id, command, by=keyed(counter.manager), using=using)
    assert await stock(counter) == {"beans": ("piece", 24, 0)}
    assert counter.stock_differences() == []


async def test_recipes_are_for_what_the_menu_has_and_are_listed_by_page(counter: Counter) -> None:
    item = counter.ordering.shop.item.item_id
    await put(counter, item, COFFEE)
    await received(counter, "oat-milk", 1, "l")
    assert (await put(counter, OAT, instead=[{"sku": "milk", "by": "oat-milk"}])).instead[0].by == "oat-milk"
    for unknown in (ItemId.new(), ModifierId.new()):
        with pytest.raises(NotFound):
            await put(counter, unknown, COFFEE)
    first = (
        await list_recipes(ListRecipes(shop_id=counter.shop_id, limit=1), by=counter.manager, using=counter.supply)
    ).view
    asked = ListRecipes(shop_id=counter.shop_id, limit=1, cursor=first.next)
    rest = (await list_recipes(asked, by=counter.manager, using=counter.supply)).view
    assert [one.product_id for one in (*first.recipes, *rest.recipes)] == [item, OAT]
    assert rest.next is None
    by = keyed(counter.manager, "same")
    command = PutRecipe.model_validate({"product_id": item, "takes": COFFEE})
    await put_recipe(counter.shop_id, command, by=by, using=counter.supply)
    with pytest.raises(AlreadyAnswered):
        await put_recipe(counter.shop_id, command, by=by, using=counter.supply)
