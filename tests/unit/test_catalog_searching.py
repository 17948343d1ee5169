"""search_menu: what is found for what people type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog.model import ShownItem
from shared.catalog.searching import likeness, search, trigrams, words
from shared.kernel.ids import ItemId

DISHES = {
    "Flat White": ("Coffee", "Double ristretto, silky milk"),
    "Cappuccino": ("Coffee", ""),
    "Latte Macchiato": ("Coffee", ""),
    "Espresso": ("Coffee", ""),
    "Çay": ("Tea", "Small glass"),
    "Matcha Latte": ("Tea", ""),
    "Franzbrötchen": ("Bakery", ""),
    "Açaí Bowl": ("Bowls", "Banana, granola, coconut"),
    "Cold Brew": ("Filter", "Eighteen hours in the fridge"),
}
MENU = [
    ShownItem(item_id=ItemId.new(), name=name, category=category, description=description, price=1, prices=())
    for name, (category, description) in DISHES.items()
]


def found(query: str, limit: int = 10) -> list[str]:
    return [item.name for item, _ in search(MENU, query, limit=limit)]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("flat white", "Flat White"),
        ("flat wite", "Flat White"),
        ("FLATWHITE", "Flat White"),
        ("capuchino", "Cappuccino"),
        ("cappu", "Cappuccino"),
        ("expresso", "Espresso"),
        ("cay", "Çay"),
        ("mtcha", "Matcha Latte"),
        ("franzbrotchen", "Franzbrötchen"),
        ("acai", "Açaí Bowl"),
        ("ristretto", "Flat White"),
        ("cold brwe", "Cold Brew"),
    ],
)
def test_what_was_meant_comes_first(query: str, name: str) -> None:
    assert found(query)[0] == name


@pytest.mark.parametrize("query", ["", "  ", "!?", "sushi", "flat sushi", "xqzzy"])
def test_what_is_not_there_is_not_found(query: str) -> None:
    assert found(query) == []


def test_a_name_is_worth_more_than_a_category_and_that_more_than_a_description() -> None:
    scores = {item.name: score for item, score in search(MENU, "latte", limit=10)}
    assert scores == {"Latte Macchiato": 100, "Matcha Latte": 100}
    assert [score for _, score in search(MENU, "coffee", limit=2)] == [70, 70]
    assert [score for _, score in search(MENU, "granola", limit=2)] == [50]


def test_no_more_is_returned_than_was_asked_for_in_the_menus_order() -> None:
    assert found("coffee", 2) == ["Flat White", "Cappuccino"]


@given(st.sampled_from(sorted(DISHES)), st.integers(0, 20), st.sampled_from(["drop", "swap", "double", "other"]))
def test_one_slip_in_a_long_word_is_forgiven(name: str, place: int, slip: str) -> None:
    word = max(words(name), key=len)
    if len(word) < 6:
        return
    at = place % (len(word) - 1)
    typed = {
        "drop": word[:at] + word[at + 1 :],
        "swap": word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        "double": word[:at] + word[at] + word[at:],
        "other": word[:at] + "x" + word[at + 1 :],
    }[slip]
    assert name in found(typed)


@given(st.text(max_size=100))
def test_anything_may_be_typed(query: str) -> None:
    for _, score in search(MENU, query, limit=5):
        assert 1 <= score <= 100


def test_likeness_is_that_of_trigrams() -> None:
    assert trigrams("cat") == {"  c", " ca", "cat", "at "}
    assert likeness("cat", "cat") == 1
    assert likeness("cat", "dog") == 0
    assert likeness("word", "two") == 0
