"""Values of the catalog: what a merchant sends, what is kept, what is shown."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from shared.catalog.facts import (
    Daypart,
    ItemImage,
    MenuItem,
    Modifier,
    ModifierGroup,
    Nutrition,
    SoldOutMark,
    Tax,
)
from shared.kernel.hours import Opening
from shared.kernel.ids import ItemId, MenuId, MerchantId, ModifierGroupId, ModifierId, ShopId
from shared.kernel.money import Asset, Currency, Frozen, Money, Units
from shared.kernel.text import Label, Name, Note, Sku

MAX_ITEMS: Final = 300
MAX_GROUPS: Final = 100
MAX_DAYPARTS: Final = 20
MAX_TAXES: Final = 50
MAX_SPANS: Final = 42
"""Of a daypart: six a day."""
MAX_CHOICES: Final = 20
"""That a line of an order can name."""
MAX_PRICE: Final = 10**9
"""In minor units: ten million euros."""


def _affordable(units: int) -> int:
    if units > MAX_PRICE:
        raise ValueError(f"a price is at most {MAX_PRICE} minor units")
    return units


Allergen = Literal[
    "celery",
    "crustaceans",
    "egg",
    "fish",
    "gluten",
    "lupin",
    "milk",
    "molluscs",
    "mustard",
    "nuts",
    "peanuts",
    "sesame",
    "soy",
    "sulphites",
]
"""The fourteen that have to be declared in the European Union (Regulation 1169/2011, Annex II)."""
ALLERGENS: Final[tuple[Allergen, ...]] = get_args(Allergen)
Diet = Literal["dairy-free", "gluten-free", "halal", "kosher", "nut-free", "vegan", "vegetarian"]
_NOT_IN: Final[dict[str, frozenset[str]]] = {
    "dairy-free": frozenset({"milk"}),
    "gluten-free": frozenset({"gluten"}),
    "nut-free": frozenset({"nuts", "peanuts"}),
    "vegan": frozenset({"crustaceans", "egg", "fish", "milk", "molluscs"}),
    "vegetarian": frozenset({"crustaceans", "fish", "molluscs"}),
}
"""What is in nothing that is for a diet."""


Price = Annotated[Units, AfterValidator(_affordable)]


def _each_once(values: Sequence[object], what: str) -> None:
    if len(set(values)) != len(values):
        raise ValueError(f"{what}: one stands there twice")


class PutModifier(Frozen):
    """One choice: oat milk, +50 cents."""

    modifier_id: ModifierId
    name: Label
    price_delta: Price = Field(description="Added to the item's price, in minor units of the shop's currency")
    available: bool = True
    allergens: tuple[Allergen, ...] = Field(default=(), max_length=20, description="What it brings with it")

    @model_validator(mode="after")
    def _distinct(self) -> "PutModifier":
        _each_once(self.allergens, "allergens")
        return self

    def modifier(self) -> Modifier:
        """Return it as a fact carries it."""
        return Modifier.model_validate(dict(self))


class PutModifierGroup(Frozen):
    """A group of choices as it shall be; a customer takes at least `min` and at most `max` of them."""

    name: Label
    min: int = Field(ge=0, le=20, strict=True)
    max: int = Field(ge=1, le=20, strict=True)
    modifiers: tuple[PutModifier, ...] = Field(min_length=1, max_length=50)
    defaults: tuple[ModifierId, ...] = Field(
        default=(), max_length=20, description="Taken where a customer chooses nothing from the group"
    )

    @model_validator(mode="after")
    def _can_be_chosen(self) -> "PutModifierGroup":
        choices = [modifier.modifier_id for modifier in self.modifiers]
        _each_once(choices, "modifiers")
        _each_once(self.defaults, "defaults")
        if not self.min <= self.max <= len(choices):
            raise ValueError("min ≤ max ≤ number of choices")
        if not set(self.defaults) <= set(choices):
            raise ValueError("defaults are choices of the group")
        if self.defaults and not self.min <= len(self.defaults) <= self.max:
            raise ValueError("as many defaults as one may choose: min to max")
        return self

    def group(self, group_id: ModifierGroupId) -> ModifierGroup:
        """Return it as a fact carries it."""
        return ModifierGroup(
            group_id=group_id,
            name=self.name,
            min=self.min,
            max=self.max,
            modifiers=tuple(modifier.modifier() for modifier in self.modifiers),
            defaults=self.defaults,
        )


class PutMenuItem(Frozen):
    """An item as it shall be. `sku` is the stock that one portion takes; without one it is never counted."""

    name: Name
    description: Note = ""
    category: Label
    price: Price = Field(description="In minor units of the shop's currency")
    sku: Sku | None = None
    modifier_groups: tuple[ModifierGroupId, ...] = Field(default=(), max_length=10)
    allergens: tuple[Allergen, ...] = Field(default=(), max_length=20)
    available: bool = True
    diets: tuple[Diet, ...] = Field(default=(), max_length=10, description="For whom it is, as it is served by itself")
    nutrition: Nutrition | None = None

    @model_validator(mode="after")
    def _distinct(self) -> "PutMenuItem":
        _each_once(self.modifier_groups, "modifier_groups")
        _each_once(self.allergens, "allergens")
        _each_once(self.diets, "diets")
        for diet in self.diets:
            if _NOT_IN.get(diet, frozenset()) & set(self.allergens):
                raise ValueError(f"what is {diet} has none of the allergens {', '.join(sorted(_NOT_IN[diet]))}")
        return self

    def item(self, item_id: ItemId) -> MenuItem:
        """Return it as a fact carries it."""
        return MenuItem.model_validate({"item_id": item_id, **dict(self)})


class SetItemAvailability(Frozen):
    """Whether an item of this shop is sold out. Without `until`: until somebody says that it is there again."""

    sold_out: bool
    until: AwareDatetime | None = Field(default=None, description="When it is there again by itself")

    @model_validator(mode="after")
    def _until_what(self) -> "SetItemAvailability":
        if self.until is not None and not self.sold_out:
            raise ValueError("`until` is for what is sold out")
        return self


class Scoped(Frozen):
    """What it is for: items by id, or whole categories; naming neither, all that nothing closer is for."""

    items: tuple[ItemId, ...] = Field(default=(), max_length=MAX_ITEMS)
    categories: tuple[Label, ...] = Field(default=(), max_length=100)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        _each_once(self.items, "items")
        _each_once(self.categories, "categories")
        return self


class PutDaypart(Scoped):
    """Hours of the week, in the shop's own time, at which things are sold. Spans stand in order, none over another."""

    name: Label
    weekly: tuple[Opening, ...] = Field(min_length=1, max_length=MAX_SPANS)

    @model_validator(mode="after")
    def _in_order(self) -> "PutDaypart":
        for span in self.weekly:
            if span.opens >= span.closes:
                raise ValueError("a span opens before it closes; one through the night is two: to 24:00, from 00:00")
        for one, next_ in pairwise(self.weekly):
            if (one.weekday, one.opens) >= (next_.weekday, next_.opens):
                raise ValueError("spans stand in order of weekday and time")
            if one.weekday == next_.weekday and next_.opens < one.closes:
                raise ValueError("two spans of a day overlap")
        return self

    def daypart(self) -> Daypart:
        """Return it as a fact carries it."""
        return Daypart(name=self.name, weekly=self.weekly, items=self.items, categories=self.categories)


class SetDayparts(Frozen):
    """All dayparts of a menu; none: everything is sold whenever the shop is open."""

    dayparts: tuple[PutDaypart, ...] = Field(max_length=MAX_DAYPARTS)

    @model_validator(mode="after")
    def _distinct(self) -> "SetDayparts":
        _each_once([daypart.name for daypart in self.dayparts], "dayparts")
        return self


class PutTax(Scoped):
    """A tax: part of the price (`inclusive`) or on top of it (`exclusive`), in 0.01 % of the price without tax."""

    name: Label
    rate_bp: int = Field(ge=0, le=10_000, strict=True)
    inclusion: Literal["inclusive", "exclusive"]

    def tax(self) -> Tax:
        """Return it as a fact carries it."""
        return Tax(
            name=self.name,
            rate_bp=self.rate_bp,
            inclusion=self.inclusion,
            items=self.items,
            categories=self.categories,
        )


class SetTaxes(Frozen):
    """All taxes of a menu; none: its prices are what is paid, and nothing is said about tax."""

    taxes: tuple[PutTax, ...] = Field(max_length=MAX_TAXES)

    @model_validator(mode="after")
    def _distinct(self) -> "SetTaxes":
        _taxes_once(self.taxes)
        return self


def _taxes_once(taxes: Sequence[PutTax]) -> None:
    _each_once([(tax.name, tax.rate_bp, tax.inclusion) for tax in taxes], "taxes")


class ImportMenu(Frozen):
    """A whole menu, which replaces the present one. Its order is the order in which it is shown."""

    items: dict[ItemId, PutMenuItem] = Field(min_length=1, max_length=MAX_ITEMS)
    groups: dict[ModifierGroupId, PutModifierGroup] = Field(default={}, max_length=MAX_GROUPS)
    dayparts: tuple[PutDaypart, ...] | None = Field(
        default=None, max_length=MAX_DAYPARTS, description="Left out: they stay as they are"
    )
    taxes: tuple[PutTax, ...] | None = Field(
        default=None, max_length=MAX_TAXES, description="Left out: they stay as they are"
    )

    @model_validator(mode="after")
    def _distinct(self) -> "ImportMenu":
        _each_once([daypart.name for daypart in self.dayparts or ()], "dayparts")
        _taxes_once(self.taxes or ())
        return self


class ItemPath(Frozen):
    """Names one item of a shop's menu; whoever adds an item makes its id, a UUIDv7."""

    shop_id: ShopId
    item_id: ItemId


class GroupPath(Frozen):
    """Names one modifier group of a shop's menu; whoever adds a group makes its id, a UUIDv7."""

    shop_id: ShopId
    group_id: ModifierGroupId


class ShopPath(Frozen):
    """Names one shop."""

    shop_id: ShopId


class Menu(Frozen):
    """The state of a menu: a pure fold of its facts, one row of `menus`, and one of `menu_versions` per version."""

    menu_id: MenuId
    shop_id: ShopId
    merchant_id: MerchantId
    currency: Currency
    items: tuple[MenuItem, ...] = ()
    groups: tuple[ModifierGroup, ...] = ()
    sold_out: tuple[SoldOutMark, ...] = ()
    dayparts: tuple[Daypart, ...] = ()
    taxes: tuple[Tax, ...] = ()
    images: tuple[ItemImage, ...] = ()


class MenuChange(Frozen):
    """A menu after a change: its id, its version, how much is on it."""

    menu_id: MenuId
    shop_id: ShopId
    version: int
    items: int
    groups: int


class LiveRate(Frozen):
    """What one whole coin is worth in the menu's currency, and how old that is."""

    rate: str = Field(description="Fiat per whole coin, a decimal number")
    at: datetime


class ShownItem(MenuItem):
    """An item with its present price in every coin the shop takes, in base units, rounded up."""

    prices: tuple[Money, ...] = Field(description="One for each accepted asset that has a fresh rate")
    on_sale: bool = Field(default=True, description="It can be ordered now: available, not sold out, at its hours")
    image_url: str | None = Field(default=None, description="Where its picture is")
    sold_out_until: datetime | None = Field(default=None, description="When what is sold out is there again")


class MenuView(Frozen):
    """A shop's menu. What counts for an order is the fiat price; coins are quoted when the order is paid."""

    menu_id: MenuId
    shop_id: ShopId
    version: int
    currency: Currency
    rates: dict[Asset, LiveRate]
    items: tuple[ShownItem, ...]
    groups: tuple[ModifierGroup, ...]
    dayparts: tuple[Daypart, ...] = ()
    taxes: tuple[Tax, ...] = ()


class SearchMenu(Frozen):
    """What somebody typed to find it on a shop's menu."""

    shop_id: ShopId
    q: str = Field(min_length=1, max_length=80, description="Words; typos are forgiven")
    on_sale: bool = Field(default=False, description="Only what can be ordered now")
    limit: int = Field(default=10, ge=1, le=50)


class FoundItem(Frozen):
    """An item that answers a search, and how well it does."""

    item: ShownItem
    score: int = Field(ge=1, le=100)


class SearchView(Frozen):
    """What was found on a menu, best first."""

    shop_id: ShopId
    version: int
    currency: Currency
    found: tuple[FoundItem, ...]


class ExportMenu(Frozen):
    """Whose menu, and in which form."""

    shop_id: ShopId
    format: Literal["json", "csv"] = "json"


class ImportMenuCsv(Frozen):
    """A whole menu as a table, which replaces the present one; `export_menu` shows its columns."""

    csv: str = Field(min_length=1, max_length=400_000, strict=True)
