"""What the demo's shops sell: a few kinds of shops, each with its own list, at prices that differ a little by shop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Choice = tuple[str, int]
"""Name, and what it adds to the price in cents."""


@dataclass(frozen=True)
class Group:
    """Choices that belong together. The first of a group that must be chosen from is its default."""

    name: str
    least: int
    most: int
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Dish:
    """An item as a shop's blackboard has it. `stock` is (SKU, portions on opening day); None is never counted."""

    category: str
    name: str
    cents: int
    description: str = ""
    groups: tuple[str, ...] = ()
    stock: tuple[str, int] | None = None
    allergens: tuple[str, ...] = ()


GROUPS: Final = {
    "milk": Group(
        "Milk",
        1,
        1,
        (("Cow's milk", 0), ("Oat drink", 50), ("Soy drink", 40), ("Almond drink", 60), ("Lactose-free milk", 30)),
    ),
    "size": Group("Size", 1, 1, (("Regular", 0), ("Large", 80))),
    "beans": Group("Beans", 1, 1, (("House blend", 0), ("Single origin of the week", 60), ("Decaf", 0))),
    "extras": Group(
        "Extras", 0, 3, (("Extra shot", 90), ("Vanilla syrup", 50), ("Caramel syrup", 50), ("Whipped cream", 60))
    ),
    "warm": Group("Served", 1, 1, (("As it is", 0), ("Warmed up", 0))),
    "spread": Group("With", 0, 2, (("Butter", 40), ("Apricot jam", 60), ("Hazelnut cream", 90))),
}

_SHOT, _BREW, _LEAF = ("espresso-shot", 5_000), ("filter-brew", 1_500), ("tea-pot", 800)
_MILKY = ("milk", "beans", "extras")

_COFFEE: Final = (
    Dish("Coffee", "Flat White", 420, "Double ristretto, silky milk", _MILKY, _SHOT, ("milk",)),
    Dish("Coffee", "Cortado", 360, "Half espresso, half milk, in a small glass", _MILKY, _SHOT, ("milk",)),
    Dish("Coffee", "Cappuccino", 390, "", ("milk", "size", "beans", "extras"), _SHOT, ("milk",)),
    Dish("Coffee", "Latte Macchiato", 430, "", ("milk", "size", "extras"), _SHOT, ("milk",)),
    Dish("Coffee", "Espresso", 240, "", ("beans",), _SHOT),
    Dish("Coffee", "Doppio", 310, "", ("beans",), _SHOT),
    Dish("Coffee", "Americano", 320, "Espresso, lengthened with hot water", ("size", "beans"), _SHOT),
)
_FILTER: Final = (
    Dish("Filter", "Batch Brew", 330, "What the roastery sent this week", ("size",), _BREW),
    Dish("Filter", "V60", 480, "Brewed by hand; takes five minutes", ("beans",), _BREW),
    Dish("Filter", "AeroPress", 460, "", ("beans",), _BREW),
    Dish("Filter", "Cold Brew", 450, "Eighteen hours in the fridge", (), ("cold-brew", 60)),
)
_COLD: Final = (
    Dish("Cold", "Iced Latte", 470, "", ("milk", "extras"), _SHOT, ("milk",)),
    Dish("Cold", "Espresso Tonic", 490, "With a slice of grapefruit", (), _SHOT),
    Dish("Cold", "Rhubarb Spritzer", 390, "From Werder, 0.4 l", (), ("rhubarb-spritzer", 90)),
)
_TEA: Final = (
    Dish("Tea", "Fresh Mint Tea", 380, "", (), _LEAF),
    Dish("Tea", "Darjeeling First Flush", 420, "", (), _LEAF),
    Dish("Tea", "Chai Latte", 440, "Spices boiled here", ("milk", "size"), _LEAF, ("milk",)),
    Dish("Tea", "Matcha Latte", 480, "", ("milk",), ("matcha-bowl", 200), ("milk",)),
)
_PASTRY: Final = (
    Dish("Bakery", "Butter Croissant", 270, "", ("warm", "spread"), ("croissant", 80), ("gluten", "milk", "egg")),
    Dish("Bakery", "Zimtschnecke", 340, "Cinnamon, cardamom", ("warm",), ("zimtschnecke", 60), ("gluten", "milk")),
    Dish("Bakery", "Banana Bread", 390, "Vegan, with walnuts", ("warm",), ("banana-bread", 40), ("gluten", "nuts")),
    Dish("Bakery", "Cheesecake", 450, "With a biscuit base", (), ("cheesecake", 32), ("gluten", "milk", "egg")),
)
_BREAD: Final = (
    Dish("Bakery", "Franzbrötchen", 290, "", ("warm",), ("franzbroetchen", 90), ("gluten", "milk")),
    Dish(
        "Bakery",
        "Schrippe with Cheese",
        380,
        "Mountain cheese, pickles",
        (),
        ("schrippe-cheese", 40),
        ("gluten", "milk"),
    ),
    Dish("Bakery", "Streuselkuchen", 320, "Plum or apple, by season", (), ("streuselkuchen", 48), ("gluten", "milk")),
    Dish("Bakery", "Sourdough Toast", 520, "Avocado, chilli, lemon", (), ("sourdough-toast", 45), ("gluten",)),
)
_TURKISH: Final = (
    Dish("Coffee", "Türk Kahvesi", 320, "In the cezve; say how sweet in the note", (), ("cezve", 400)),
    Dish("Tea", "Çay", 180, "Small glass", (), _LEAF),
    Dish("Bakery", "Simit", 220, "Sesame ring", ("warm", "spread"), ("simit", 120), ("gluten", "sesame")),
    Dish("Bakery", "Baklava", 350, "Three pieces, pistachio", (), ("baklava", 150), ("gluten", "nuts")),
)
_VEGAN: Final = (
    Dish("Bakery", "Carrot Cake", 430, "Vegan, cashew frosting", (), ("carrot-cake", 30), ("gluten", "nuts")),
    Dish("Bowls", "Overnight Oats", 540, "Berries, almond butter", (), ("overnight-oats", 35), ("nuts",)),
    Dish("Bowls", "Açaí Bowl", 790, "Banana, granola, coconut", (), ("acai-bowl", 25), ("nuts",)),
)
_BAR: Final = (
    Dish("Aperitivo", "Spritz Analcolico", 620, "Bitter orange, soda, no alcohol", (), ("spritz", 120)),
    Dish("Aperitivo", "Affogato", 540, "Vanilla ice cream, a hot espresso over it", (), _SHOT, ("milk", "egg")),
    Dish("Bakery", "Cannolo", 380, "Ricotta, candied orange", (), ("cannolo", 40), ("gluten", "milk")),
)

KINDS: Final = {
    "espresso bar": _COFFEE + _COLD + _PASTRY[:2],
    "roastery": _COFFEE + _FILTER + _PASTRY,
    "bakery": _COFFEE[:5] + _FILTER[:1] + _TEA[:1] + _PASTRY + _BREAD,
    "kahvehane": _COFFEE[:5] + _TURKISH + _TEA[:2],
    "vegan café": _COFFEE + _TEA + _VEGAN + _PASTRY[2:3],
    "tea house": _TEA + _COFFEE[:4] + _PASTRY[1:],
    "Italian bar": _COFFEE + _COLD[:2] + _BAR,
}
