"""What the drinks of the demo's first shops are made of: a few recipes, and the goods for them on opening day."""

from __future__ import annotations

from typing import Any, Final

JSON = dict[str, Any]

SHOPS: Final = range(3)
"""The shops, by number, that count beans and milk; the others count portions."""
GOODS: Final[tuple[JSON, ...]] = (
    {"sku": "beans", "quantity": 25, "unit": "kg"},
    {"sku": "milk", "quantity": 80, "unit": "l"},
    {"sku": "oat-drink", "quantity": 40, "unit": "l"},
)
DISHES: Final[dict[str, tuple[JSON, ...]]] = {
    "Flat White": (
        {"sku": "beans", "quantity": 18, "unit": "g"},
        {"sku": "milk", "quantity": 160, "unit": "ml"},
    ),
    "Cortado": (
        {"sku": "beans", "quantity": 18, "unit": "g"},
        {"sku": "milk", "quantity": 6, "unit": "cl"},
    ),
    "Doppio": ({"sku": "beans", "quantity": 18, "unit": "g"},),
}
CHOICES: Final[dict[tuple[str, str], JSON]] = {
    ("milk", "Oat drink"): {"instead": [{"sku": "milk", "by": "oat-drink"}]},
    ("extras", "Extra shot"): {"takes": [{"sku": "beans", "quantity": 9, "unit": "g"}]},
}
"""By group and name."""
