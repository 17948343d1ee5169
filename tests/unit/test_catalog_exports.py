"""export_menu, import_menu and import_menu_csv: a menu goes out as JSON or CSV and comes back as it was."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.catalog import lifecycle, menu_csv
from shared.catalog.export_menu import document_of
from shared.catalog.facts import MenuItem
from shared.catalog.model import ALLERGENS, ImportMenu, Menu
from shared.catalog.ports import ShopTerms
from shared.kernel.encoding import to_json
from shared.kernel.errors import Invalid
from shared.kernel.ids import ItemId, MenuId, MerchantId, ModifierGroupId, ModifierId, ShopId
from shared.kernel.money import Asset

SHOP = ShopTerms(ShopId.new(), MerchantId.new(), "EUR", (Asset.BTC,))
JSON = dict[str, object]

line = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Co", "Zl", "Zp", "Cn", "Cf")), max_size=12)
nasty = st.sampled_from(["=1+1", "+49", "-5", "@sum", "'quoted'", 'a "b", c', ";", "\t=", "a,b", "Ünïcode", "no"])
label = st.one_of(line, nasty).map(lambda text: f"x{text}".strip() if not text.strip() else text.strip()[:20])
note = st.lists(st.one_of(line, nasty.filter(lambda text: "\t" not in text)), max_size=3).map("\n".join)
units = st.integers(0, 10**9).map(str)


def labels(strategy: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return strategy.filter(lambda text: "\t" not in text)


@st.composite
def menus(draw: st.DrawFn) -> ImportMenu:
    """Any menu: groups, items with everything, dayparts, taxes."""
    groups: dict[str, JSON] = {}
    for _ in range(draw(st.integers(0, 3))):
        choices = [
            {
                "modifier_id": ModifierId.new(),
                "name": draw(labels(label)),
                "price_delta": draw(units),
                "allergens": draw(st.lists(st.sampled_from(ALLERGENS), max_size=2, unique=True)),
                "available": draw(st.booleans()),
            }
            for _ in range(draw(st.integers(1, 3)))
        ]
        most = draw(st.integers(1, len(choices)))
        least = draw(st.integers(0, most))
        ids = draw(st.permutations([choice["modifier_id"] for choice in choices]))
        some = ids[: draw(st.integers(least, most))] if draw(st.booleans()) else []
        groups[ModifierGroupId.new()] = {
            "name": draw(labels(label)), "min": least, "max": most, "modifiers": choices, "defaults": some,
        }  # fmt: skip
    items: dict[str, JSON] = {}
    for _ in range(draw(st.integers(1, 4))):
        items[ItemId.new()] = {
            "name": draw(labels(label)),
            "description": draw(note),
            "category": draw(st.sampled_from(["Coffee", "=Food", "Hot, dark"])),
            "price": draw(units),
            "sku": draw(st.sampled_from([None, "shot", "no"])),
            "modifier_groups": draw(st.lists(st.sampled_from([*groups]), unique=True)) if groups else [],
            "allergens": draw(st.lists(st.sampled_from(ALLERGENS), max_size=3, unique=True)),
            "diets": draw(st.lists(st.sampled_from(["halal", "kosher"]), unique=True)),
            "nutrition": draw(st.one_of(st.none(), st.builds(lambda kj, fat: {"energy_kj": kj, "fat_mg": fat},
                                                            st.integers(0, 9999), st.integers(0, 9999)))),
            "available": draw(st.booleans()),
        }  # fmt: skip
    scope = {"items": draw(st.lists(st.sampled_from([*items]), unique=True)), "categories": ["=Food"]}
    span = {"weekday": draw(st.integers(0, 6)), "opens": "07:00", "closes": draw(st.sampled_from(["11:00", "24:00"]))}
    daypart = {"name": draw(labels(label)), "weekly": [span], **scope}
    tax = {"name": draw(labels(label)), "rate_bp": draw(st.integers(0, 10_000)), "inclusion": "inclusive", **scope}
    dayparts, taxes = draw(st.sampled_from([[], [daypart]])), draw(st.sampled_from([[], [tax]]))
    return ImportMenu.model_validate({"items": items, "groups": groups, "dayparts": dayparts, "taxes": taxes})


def menu_of(command: ImportMenu, before: Menu | None = None) -> Menu:
    (fact,) = lifecycle.import_menu(command, shop=SHOP)
    return lifecycle.evolve(before, fact)


@given(menus())
@settings(max_examples=60)
def test_what_is_exported_and_imported_again_is_the_same_menu(command: ImportMenu) -> None:
    menu = menu_of(command)
    document = document_of(menu)
    as_json = ImportMenu.model_validate_json(to_json(document), strict=True)
    assert as_json == command
    assert menu_of(as_json) == menu
    as_csv = menu_csv.read(menu_csv.written(menu))
    assert menu_of(as_csv) == menu
    assert menu_of(as_csv, menu) == menu


@given(menus())
@settings(max_examples=30)
def test_no_cell_is_a_formula_and_a_spreadsheet_may_write_it_its_own_way(command: ImportMenu) -> None:
    text = menu_csv.written(menu_of(command))
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert not [cell for row in rows for cell in row if cell[:1] in ("=", "+", "-", "@", "\t")]
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
        [[*row[5:], *row[:5]] for row in rows]  # columns in another order
    )
    assert menu_csv.read("\ufeff" + out.getvalue()) == menu_csv.read(text)


def test_what_was_put_before_a_rule_was_made_is_exported_and_told_on_import() -> None:
    item = MenuItem(item_id=ItemId.new(), name="a", category="b", price=1, allergens=("Milch",))
    menu = Menu(menu_id=MenuId.like(SHOP.shop_id), shop_id=SHOP.shop_id, merchant_id=SHOP.merchant_id, currency="EUR")
    menu = menu.model_copy(update={"items": (item,)})
    assert "Milch" in to_json(document_of(menu))
    assert "Milch" in menu_csv.written(menu)
    with pytest.raises(Invalid) as refused:
        menu_csv.read(menu_csv.written(menu))
    assert "allergens" in str(refused.value.fields["errors"])


def table(*rows: JSON) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, menu_csv.COLUMNS, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


ITEM: JSON = {"record": "item", "id": ItemId.new(), "name": "a", "category": "b", "price": "1", "available": "yes"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "record,id\n",
        "x" * 9000,
        '"',
        table(),
        table(ITEM, ITEM),
        table({**ITEM, "record": "dish"}),
        table({**ITEM, "available": "maybe"}),
        table({**ITEM, "price": "4.20"}),
        table({**ITEM, "price": "-1"}),
        table({**ITEM, "id": "itm_0"}),
        table({**ITEM, "groups": ModifierGroupId.new() + " "}),
        table({**ITEM, "nutrition": "energy_kj"}),
        table({**ITEM, "nutrition": "joy 3"}),
        table({**ITEM, "allergens": "mlik"}),
        table(ITEM, {"record": "choice", "id": ModifierId.new(), "of": "mod_" + "0" * 32, "available": "yes"}),
        table(ITEM, {"record": "group", "id": ModifierGroupId.new(), "name": "Milk", "min": "1", "max": "1"}),
        table(ITEM, {"record": "group", "id": ModifierGroupId.new(), "name": "Milk", "min": "x", "max": "1"}),
        table(ITEM, {"record": "tax", "name": "VAT", "rate_bp": "19 %", "inclusion": "inclusive"}),
        table(ITEM, {"record": "daypart", "name": "Morning", "hours": "Monday 07:00-11:00"}),
        table(ITEM, {"record": "daypart", "name": "Morning", "hours": "0 11:00-07:00"}),
        table(ITEM) + "one,cell\n",
    ],
    ids=range(22),
)
def test_a_table_that_is_no_menu_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        menu_csv.read(text)


def test_every_wrong_row_is_told_by_its_number() -> None:
    with pytest.raises(Invalid) as refused:
        menu_csv.read(table(ITEM, {**ITEM, "record": "dish"}, {**ITEM, "id": "itm_1", "available": ""}))
    errors = refused.value.fields["errors"]
    assert isinstance(errors, list)
    assert [error["row"] for error in errors] == [2, 3]
