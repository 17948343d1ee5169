"""A menu as CSV (RFC 4180) for spreadsheets, and back, without loss. Pure.

One table: the column `record` says what a row is of. Lists stand in one cell, an entry a line. A cell that would be a
formula begins with an apostrophe, which is not part of it.
"""

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from shared.catalog.facts import Nutrition, Scope
from shared.catalog.model import ImportMenu, Menu
from shared.kernel.errors import Invalid

MEDIA_TYPE: Final = "text/csv; charset=utf-8; header=present"
COLUMNS: Final = (
    "record",
    "id",
    "of",
    "name",
    "description",
    "category",
    "price",
    "sku",
    "groups",
    "allergens",
    "diets",
    "nutrition",
    "available",
    "min",
    "max",
    "default",
    "hours",
    "items",
    "categories",
    "rate_bp",
    "inclusion",
)
"""`of` is the group of a choice; `price` of a choice is what it adds."""
MOST_ROWS: Final = 6_000
MAX_ERRORS: Final = 20
_FORMULA: Final = ("=", "+", "-", "@", "\t", "'")
_MEANT: Final = {"yes": True, "no": False}

Row = Mapping[str, str]
Said = dict[str, object]


def written(menu: Menu) -> str:
    """Return a menu as CSV."""
    out = io.StringIO(newline="")
    table = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\r\n")
    table.writeheader()
    for row in (*_groups(menu), *_items(menu), *_rules(menu)):
        table.writerow({name: _guarded(cell) for name, cell in row.items()})
    return out.getvalue()


def _groups(menu: Menu) -> Iterator[dict[str, str]]:
    for group in menu.groups:
        bounds = {"min": str(group.min), "max": str(group.max)}
        yield {"record": "group", "id": group.group_id, "name": group.name, **bounds}
        for choice in group.modifiers:
            chosen = choice.modifier_id in group.defaults
            yield {
                "record": "choice",
                "id": choice.modifier_id,
                "of": group.group_id,
                "name": choice.name,
                "price": str(choice.price_delta),
                "allergens": _listed(choice.allergens),
                "available": _said(choice.available),
                "default": str(group.defaults.index(choice.modifier_id) + 1) if chosen else "",
            }


def _items(menu: Menu) -> Iterator[dict[str, str]]:
    for item in menu.items:
        yield {
            "record": "item",
            "id": item.item_id,
            "name": item.name,
            "description": item.description,
            "category": item.category,
            "price": str(item.price),
            "sku": item.sku or "",
            "groups": _listed(item.modifier_groups),
            "allergens": _listed(item.allergens),
            "diets": _listed(item.diets),
            "nutrition": _nutrition(item.nutrition),
            "available": _said(item.available),
        }


def _nutrition(nutrition: Nutrition | None) -> str:
    if nutrition is None:
        return ""
    return _listed(f"{name} {value}" for name, value in nutrition if value is not None)


def _rules(menu: Menu) -> Iterator[dict[str, str]]:
    for daypart in menu.dayparts:
        hours = _listed(f"{span.weekday} {span.opens}-{span.closes}" for span in daypart.weekly)
        yield {"record": "daypart", "name": daypart.name, "hours": hours, **_scope(daypart)}
    for tax in menu.taxes:
        rate = {"rate_bp": str(tax.rate_bp), "inclusion": tax.inclusion}
        yield {"record": "tax", "name": tax.name, **rate, **_scope(tax)}


def _scope(rule: Scope) -> dict[str, str]:
    return {"items": _listed(rule.items), "categories": _listed(rule.categories)}


def _listed(entries: Iterable[str]) -> str:
    return "\n".join(entries)


def _said(value: bool) -> str:
    return "yes" if value else "no"


def _guarded(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


@dataclass
class _Read:
    """What rows have said so far, as an `ImportMenu` has it; a group's choices and defaults beside it."""

    items: dict[str, Said] = field(default_factory=dict)
    groups: dict[str, Said] = field(default_factory=dict)
    choices: dict[str, list[Said]] = field(default_factory=dict)
    defaults: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    dayparts: list[Said] = field(default_factory=list)
    taxes: list[Said] = field(default_factory=list)

    def menu(self) -> Said:
        """Return what makes an `ImportMenu`."""
        groups = {
            group_id: {
                **group,
                "modifiers": self.choices[group_id],
                "defaults": [modifier_id for _, modifier_id in sorted(self.defaults[group_id])],
            }
            for group_id, group in self.groups.items()
        }
        return {"items": self.items, "groups": groups, "dayparts": self.dayparts or None, "taxes": self.taxes or None}


def read(text: str) -> ImportMenu:
    """Return the menu that a CSV says. Raises Invalid with `errors`, each of a row (1 is the first below the header).

    Without a row of them, dayparts and taxes stay as they are.
    """
    said = _Read()
    errors: list[dict[str, object]] = []
    for number, row in enumerate(_table(text), 1):
        try:
            _take(row, said)
        except ValueError as wrong:
            errors.append({"row": number, "message": str(wrong)})
    if errors:
        raise Invalid("Some rows are not understood; see `errors`.", errors=errors[:MAX_ERRORS])
    try:
        return ImportMenu.model_validate(said.menu())
    except ValidationError as wrong:
        found = wrong.errors(include_url=False, include_input=False, include_context=False)[:MAX_ERRORS]
        told = [{"pointer": "/".join(map(str, ("", *error["loc"])))[:200], "message": error["msg"]} for error in found]
        raise Invalid("The rows do not make a menu; see `errors`.", errors=told) from None


def _table(text: str) -> Sequence[Row]:
    """Return the rows below the header. Raises Invalid for what is no such table."""
    try:
        table = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True))
    except csv.Error as wrong:
        raise Invalid("This is not CSV.") from wrong
    if not table or sorted(table[0]) != sorted(COLUMNS):
        raise Invalid("The first row names the columns, as an export has them.", columns=list(COLUMNS))
    if len(table) > MOST_ROWS:
        raise Invalid(f"A menu has at most {MOST_ROWS} rows.")
    short = [number for number, row in enumerate(table[1:], 1) if row and len(row) != len(COLUMNS)]
    if short:
        raise Invalid("Some rows have other columns.", rows=short[:MAX_ERRORS])
    return [dict(zip(table[0], map(_plain, row), strict=True)) for row in table[1:] if row]


def _plain(cell: str) -> str:
    return cell.removeprefix("'").replace("\r\n", "\n")


def _take(row: Row, said: _Read) -> None:
    """Take what a row says. Raises ValueError."""
    kinds = {"group": _group, "choice": _choice, "item": _item, "daypart": _daypart, "tax": _tax}
    kind = kinds.get(row["record"])
    if kind is None:
        raise ValueError(f"`record` is one of {', '.join(kinds)}")
    kind(row, said)


def _group(row: Row, said: _Read) -> None:
    _new(row, said.groups)
    said.groups[row["id"]] = {"name": row["name"], "min": _number(row, "min"), "max": _number(row, "max")}
    said.choices[row["id"]], said.defaults[row["id"]] = [], []


def _choice(row: Row, said: _Read) -> None:
    if row["of"] not in said.groups:
        raise ValueError("the group of a choice stands before it: `of` is its id")
    choice: Said = {"modifier_id": row["id"], "name": row["name"], "price_delta": row["price"]}
    choice |= {"allergens": _list(row["allergens"]), "available": _yes(row)}
    said.choices[row["of"]].append(choice)
    if row["default"]:
        said.defaults[row["of"]].append((_number(row, "default"), row["id"]))


def _item(row: Row, said: _Read) -> None:
    _new(row, said.items)
    nutrition = dict(entry.partition(" ")[::2] for entry in _list(row["nutrition"]))
    said.items[row["id"]] = {
        "name": row["name"],
        "description": row["description"],
        "category": row["category"],
        "price": row["price"],
        "sku": row["sku"] or None,
        "modifier_groups": _list(row["groups"]),
        "allergens": _list(row["allergens"]),
        "diets": _list(row["diets"]),
        "nutrition": {name: _whole(value, "nutrition") for name, value in nutrition.items()} or None,
        "available": _yes(row),
    }


def _daypart(row: Row, said: _Read) -> None:
    spans = []
    for entry in _list(row["hours"]):
        weekday, _, span = entry.partition(" ")
        opens, _, closes = span.partition("-")
        spans.append({"weekday": _whole(weekday, "hours"), "opens": opens, "closes": closes})
    said.dayparts.append({"name": row["name"], "weekly": spans, **_of(row)})


def _tax(row: Row, said: _Read) -> None:
    tax: Said = {"name": row["name"], "rate_bp": _number(row, "rate_bp"), "inclusion": row["inclusion"]}
    said.taxes.append({**tax, **_of(row)})


def _of(row: Row) -> Said:
    return {"items": _list(row["items"]), "categories": _list(row["categories"])}


def _new(row: Row, known: Collection[str]) -> None:
    if row["id"] in known:
        raise ValueError("an id stands there twice")


def _list(cell: str) -> tuple[str, ...]:
    return tuple(cell.split("\n")) if cell else ()


def _number(row: Row, name: str) -> int:
    return _whole(row[name], name)


def _whole(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise ValueError(f"`{name}`: a whole number is missing")
    return int(text)


def _yes(row: Row) -> bool:
    if row["available"] not in _MEANT:
        raise ValueError("`available` is yes or no")
    return _MEANT[row["available"]]
