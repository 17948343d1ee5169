"""A shop that sells: what tests of versions, hours, tax and discounts start from."""

from __future__ import annotations

from shared.adapters.postgres.order_terms import PostgresMenus, PostgresShopTerms
from shared.adapters.postgres.orders import PostgresOrders, PostgresPaymentStandings
from shared.adapters.postgres.recipes import PostgresOrderRecipes
from shared.catalog.get_menu import get_menu
from shared.catalog.model import ItemPath, MenuView, PutMenuItem, SetItemAvailability
from shared.catalog.put_menu_item import put_menu_item
from shared.catalog.set_item_availability import set_item_availability
from shared.kernel.decision import By
from shared.kernel.ids import ItemId, ShopId
from shared.orders.create_order import create_order
from shared.orders.model import LineRequest, OrderView, PlaceOrder
from shared.orders.ports import Orders
from shared.shops.model import SetOpeningHours
from shared.shops.set_opening_hours import set_opening_hours
from tests.integration.ordering import ALWAYS, customer
from tests.integration.shopkeeping import Merchant, Shopkeeping, keyed


class Counter:
    """A shop that never closes, with a coffee and a cake that are never counted."""

    def __init__(self, at: Shopkeeping) -> None:
        self.at, self.anna = at, Merchant()
        self.coffee, self.cake = ItemId.new(), ItemId.new()
        self.store = PostgresOrders(at.db, region="test")

    async def opened(self) -> ShopId:
        at, owner = self.at, self.anna.owner
        self.shop_id = await at.opened(self.anna)
        hours = SetOpeningHours(weekly=ALWAYS)
        await set_opening_hours(self.shop_id, hours, if_match=None, by=keyed(owner), using=at.shops)
        await self.put(self.coffee, "420")
        await self.put(self.cake, "350", category="Food")
        return self.shop_id

    def path(self, item_id: ItemId) -> ItemPath:
        return ItemPath(shop_id=self.shop_id, item_id=item_id)

    async def put(self, item_id: ItemId, price: str, category: str = "Coffee", **more: object) -> int:
        command = PutMenuItem.model_validate({"name": category, "category": category, "price": price, **more})
        by = keyed(self.anna.owner)
        said = await put_menu_item(self.path(item_id), command, if_match=None, by=by, using=self.at.catalog)
        return said.view.version

    async def sold_out(self, item_id: ItemId, by: By | None = None, **said: object) -> int:
        command = SetItemAvailability.model_validate({"sold_out": True, **said})
        by = keyed(by or self.anna.barista)
        told = await set_item_availability(self.path(item_id), command, if_match=None, by=by, using=self.at.catalog)
        return told.view.version

    def orders(self) -> Orders:
        """Orders of a process that was just started: it has kept nothing."""
        at = self.at
        return Orders(
            store=self.store,
            shops=PostgresShopTerms(at.db),
            menus=PostgresMenus(at.db),
            recipes=PostgresOrderRecipes(at.db, ttl_s=0.0),
            payments=PostgresPaymentStandings(at.db),
            clock=at.clock,
        )

    async def order(self, item_id: ItemId, version: int | None = None, using: Orders | None = None) -> OrderView:
        command = PlaceOrder(shop_id=self.shop_id, menu_version=version, lines=(LineRequest(item_id=item_id),))
        reply = await create_order(command, by=customer(f"{ItemId.new()}"), using=using or self.orders())
        return reply.view

    async def shown(self) -> MenuView:
        return MenuView.model_validate_json((await get_menu(self.shop_id, using=self.at.catalog)).body)
