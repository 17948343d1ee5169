"""Published facts of the catalog. Every one of them makes a new version of its shop's menu."""

from typing import ClassVar

from pydantic import Field

from shared.kernel.facts import Fact
from shared.kernel.ids import ItemId, MenuId, MerchantId, ModifierGroupId, ModifierId, ShopId
from shared.kernel.money import Currency, Frozen, Units


class Modifier(Frozen):
    """One choice: oat milk, +50 cents."""

    modifier_id: ModifierId
    name: str = Field(min_length=1, max_length=80)
    price_delta: Units = Field(description="Added to the item's price, in minor units of the shop's currency")
    available: bool = True


class ModifierGroup(Frozen):
    """Choices that belong together; a customer takes at least `min` and at most `max` of them."""

    group_id: ModifierGroupId
    name: str = Field(min_length=1, max_length=80)
    min: int = Field(ge=0, le=20)
    max: int = Field(ge=1, le=20)
    modifiers: tuple[Modifier, ...] = Field(min_length=1, max_length=50)
    defaults: tuple[ModifierId, ...] = ()


class MenuItem(Frozen):
    """Something a shop sells. `sku` is the stock one portion takes; None for what is never counted."""

    item_id: ItemId
    name: str = Field(min_length=1, max_length=120)
    description: str = Field(default="", max_length=1000)
    category: str = Field(min_length=1, max_length=60)
    price: Units = Field(description="In minor units of the shop's currency")
    sku: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    modifier_groups: tuple[ModifierGroupId, ...] = Field(default=(), max_length=10)
    allergens: tuple[str, ...] = Field(default=(), max_length=20)
    available: bool = True


class MenuItemPut(Fact):
    """An item was added or replaced."""

    type: ClassVar = "product.menu_item_put.v1"
    menu_id: MenuId
    shop_id: ShopId
    merchant_id: MerchantId
    currency: Currency
    item: MenuItem


class ModifierGroupPut(Fact):
    """A modifier group was added or replaced."""

    type: ClassVar = "product.modifier_group_put.v1"
    menu_id: MenuId
    shop_id: ShopId
    merchant_id: MerchantId
    currency: Currency
    group: ModifierGroup


class MenuImported(Fact):
    """The whole menu was replaced by one that came from elsewhere."""

    type: ClassVar = "product.menu_imported.v1"
    menu_id: MenuId
    shop_id: ShopId
    merchant_id: MerchantId
    currency: Currency
    items: tuple[MenuItem, ...]
    groups: tuple[ModifierGroup, ...] = ()
