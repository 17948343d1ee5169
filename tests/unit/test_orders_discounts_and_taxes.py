"""What an order costs with discounts and taxes: total = lines − discount + exclusive tax, in whole minor units."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog.facts import Discount, MenuItem, Tax
from shared.kernel.ids import DiscountId, ItemId, ShopId
from shared.orders import pricing
from shared.orders.discounts import DiscountNotApplicable, DiscountUsedUp, OfferedDiscount
from shared.orders.facts import OrderLine, discount_of
from shared.orders.model import LineRequest, PlaceOrder, added_up
from shared.orders.ports import PricedMenu

NOON = datetime(2026, 5, 6, 12, tzinfo=UTC)
COFFEE = MenuItem(item_id=ItemId.new(), name="Flat white", category="Coffee", price=420)
CAKE = MenuItem(item_id=ItemId.new(), name="Cake", category="Food", price=350)
TAP = MenuItem(item_id=ItemId.new(), name="Tap water", category="Water", price=0)
SHOP_ID = ShopId.new()
VAT = Tax(name="VAT", rate_bp=1900, inclusion="inclusive")
FOOD = Tax(name="VAT", rate_bp=700, inclusion="inclusive", categories=("Food",))
STATE = Tax(name="State", rate_bp=725, inclusion="exclusive")
CITY = Tax(name="City", rate_bp=125, inclusion="exclusive")


def off(**terms: object) -> Discount:
    return Discount.model_validate({"discount_id": DiscountId.new(), "name": "Less", **terms})


def lines(
    *ordered: tuple[MenuItem, int],
    taxes: tuple[Tax, ...] = (),
    discounts: tuple[Discount | OfferedDiscount, ...] = (),
    code: str | None = None,
    now: datetime = NOON,
) -> tuple[OrderLine, ...]:
    """The lines of an order of so many of each item."""
    menu = PricedMenu(SHOP_ID, 1, "EUR", {item.item_id: item for item, _ in ordered}, {}, taxes=taxes)
    wanted = tuple(LineRequest(item_id=item.item_id, quantity=quantity) for item, quantity in ordered)
    command = PlaceOrder(shop_id=SHOP_ID, lines=wanted, discount_code=code)
    offered = [each if isinstance(each, OfferedDiscount) else OfferedDiscount(each) for each in discounts]
    return pricing.lines_of(command, menu, offered, timezone="Europe/Berlin", now=now, at=now)


def total(found: tuple[OrderLine, ...]) -> int:
    return sum(line.payable for line in found)


def taken_off(found: tuple[OrderLine, ...]) -> list[int]:
    return [line.discount.units if line.discount else 0 for line in found]


def tax_of(line: OrderLine) -> list[tuple[str, int]]:
    return [(tax.name, tax.units) for tax in line.taxes]


def test_an_inclusive_tax_is_part_of_the_price_and_an_exclusive_one_comes_on_top() -> None:
    (inside,) = lines((COFFEE, 1), taxes=(VAT,))
    assert (inside.payable, tax_of(inside)) == (420, [("VAT", 67)])  # 420 · 19 / 119 = 67.06
    (outside,) = lines((COFFEE, 1), taxes=(STATE, CITY))
    assert (outside.payable, tax_of(outside)) == (455, [("State", 30), ("City", 5)])  # 30.45, 5.25
    (both,) = lines((COFFEE, 1), taxes=(CITY, VAT))
    assert (both.payable, tax_of(both)) == (424, [("VAT", 67), ("City", 4)])  # 1.25 % of 353


def test_the_tax_of_an_item_or_category_takes_the_place_of_the_general_one() -> None:
    free = Tax(name="VAT", rate_bp=0, inclusion="inclusive", items=(CAKE.item_id,))
    for taxes, rates in (((VAT, FOOD), [1900, 700]), ((VAT, FOOD, free), [1900, 0])):
        found = lines((COFFEE, 1), (CAKE, 1), taxes=taxes)
        assert [tax.rate_bp for line in found for tax in line.taxes] == rates


def test_half_a_minor_unit_is_rounded_up_per_line() -> None:
    half = Tax(name="Half", rate_bp=5000, inclusion="exclusive")
    cent = MenuItem(item_id=ItemId.new(), name="Cent", category="x", price=1)
    assert total(lines((cent, 1), taxes=(half,))) == 2
    assert total(lines((cent, 2), taxes=(half,))) == 3
    assert total(lines((cent, 1), (cent, 1), taxes=(half,))) == 4


def test_taxes_of_lines_are_added_up_for_the_order() -> None:
    found = lines((COFFEE, 2), (CAKE, 1), (COFFEE, 1), taxes=(VAT, FOOD, STATE))
    assert [(tax.name, tax.rate_bp, tax.units) for tax in added_up(found)] == [
        ("VAT", 1900, 201),
        ("State", 725, 77),
        ("VAT", 700, 23),
    ]


def test_a_rate_is_taken_off_and_shared_out_by_what_lines_cost() -> None:
    tenth = off(rate_bp=1000)
    found = lines((COFFEE, 1), (CAKE, 1), discounts=(tenth,))
    assert (taken_off(found), total(found)) == ([42, 35], 693)
    assert discount_of(found) == tenth.discount_id
    assert taken_off(lines((COFFEE, 1), (CAKE, 2), discounts=(off(rate_bp=1000, categories=["Food"]),))) == [0, 70]
    assert taken_off(lines((COFFEE, 2), discounts=(off(rate_bp=5000, maximum="100"),))) == [100]


def test_tax_is_reckoned_on_what_is_left_after_the_discount() -> None:
    (line,) = lines((COFFEE, 1), taxes=(VAT, STATE), discounts=(off(amount="100"),))
    assert (taken_off((line,)), tax_of(line)) == ([100], [("VAT", 51), ("State", 20)])
    assert line.payable == 340


def test_an_amount_takes_off_no_more_than_its_things_cost() -> None:
    assert taken_off(lines((COFFEE, 1), (CAKE, 1), discounts=(off(amount="500", categories=["Food"]),))) == [0, 350]


def test_without_a_code_an_order_gets_what_is_worth_most_to_it() -> None:
    tenth, fifty = off(rate_bp=1000), off(amount="50")
    assert sum(taken_off(lines((COFFEE, 1), discounts=(tenth, fifty)))) == 50
    assert sum(taken_off(lines((COFFEE, 2), discounts=(tenth, fifty)))) == 84
    assert taken_off(lines((COFFEE, 1), discounts=(off(rate_bp=1000, code="SECRET"),))) == [0]
    assert discount_of(lines((COFFEE, 1))) is None


def test_a_code_counts_instead_of_what_everybody_gets_in_capital_or_small_letters() -> None:
    everybody, coded = off(amount="200"), off(rate_bp=1000, code="WELCOME-10")
    for code in ("WELCOME-10", "welcome-10"):
        assert taken_off(lines((COFFEE, 1), discounts=(everybody, coded), code=code)) == [42]


def test_a_code_that_gives_nothing_is_refused() -> None:
    now = NOON
    over, to_come = off(rate_bp=1, code="AAA", ends_at=now), off(rate_bp=1, code="AAA", starts_at=now + timedelta(1))
    told = set()
    for discount in (over, to_come, off(rate_bp=1, code="AAA", active=False), off(rate_bp=1, code="BBB")):
        with pytest.raises(DiscountNotApplicable) as refused:
            lines((COFFEE, 1), discounts=(discount,), code="AAA")
        told.add(refused.value.detail)
    assert len(told) == 1, "whoever guesses learns nothing"
    with pytest.raises(DiscountNotApplicable) as refused:
        lines((COFFEE, 1), discounts=(off(rate_bp=1000, code="AAA", minimum="421"),), code="AAA")
    assert refused.value.fields == {"minimum": "421"}
    with pytest.raises(DiscountNotApplicable):
        lines((COFFEE, 1), discounts=(off(amount="100", code="AAA", items=[CAKE.item_id]),), code="AAA")
    in_force = off(rate_bp=1000, code="AAA", ends_at=now + timedelta(1))
    assert taken_off(lines((COFFEE, 1), discounts=(in_force,), code="AAA")) == [42]


def test_what_is_used_up_is_refused_by_its_code_and_left_out_without_one() -> None:
    with pytest.raises(DiscountUsedUp):
        lines((COFFEE, 1), discounts=(OfferedDiscount(off(rate_bp=1000, code="AAA"), 0),), code="AAA")
    for left, taken in ((0, 0), (-3, 0), (1, 42), (None, 42)):
        assert taken_off(lines((COFFEE, 1), discounts=(OfferedDiscount(off(rate_bp=1000), left),))) == [taken]


def test_a_discount_too_small_to_be_paid_is_none() -> None:
    assert discount_of(lines((TAP, 3), discounts=(off(rate_bp=10_000),))) is None
    cent = MenuItem(item_id=ItemId.new(), name="Cent", category="x", price=1)
    assert discount_of(lines((cent, 1), discounts=(off(rate_bp=1000),))) is None


priced = st.builds(
    lambda price, category: MenuItem(item_id=ItemId.new(), name="x", category=category, price=price),
    st.integers(0, 10**9),
    st.sampled_from(["Coffee", "Food"]),
)
scopes = st.sampled_from([(), ("Coffee",), ("Food",)])
taxes = st.lists(
    st.builds(
        lambda rate, inclusion, categories: Tax(name="T", rate_bp=rate, inclusion=inclusion, categories=categories),
        st.integers(0, 10_000),
        st.sampled_from(["inclusive", "exclusive"]),
        scopes,
    ),
    max_size=4,
)
rates = st.fixed_dictionaries({"rate_bp": st.integers(1, 10_000)}, optional={"maximum": st.integers(1, 10**6)})
amounts = st.fixed_dictionaries({"amount": st.integers(1, 10**9)})
discounts = st.lists(
    st.builds(
        lambda terms, minimum, categories: off(**terms, minimum=minimum, categories=categories),
        st.one_of(rates, amounts),
        st.integers(0, 10**6),
        scopes,
    ),
    max_size=3,
)


@given(st.lists(st.tuples(priced, st.integers(1, 100)), min_size=1, max_size=5), taxes, discounts)
def test_every_total_is_lines_less_discount_plus_exclusive_tax(
    ordered: list[tuple[MenuItem, int]], taxed: list[Tax], given_: list[Discount]
) -> None:
    found = lines(*ordered, taxes=tuple(taxed), discounts=tuple(given_))
    gross = sum(item.price * quantity for item, quantity in ordered)
    exclusive = sum(tax.units for line in found for tax in line.taxes if tax.inclusion == "exclusive")
    less = sum(taken_off(found))
    assert total(found) == gross - less + exclusive
    assert 0 <= less <= gross
    assert len({line.discount.discount_id for line in found if line.discount}) <= 1
    for line in found:
        left = line.total - (line.discount.units if line.discount else 0)
        inside = [tax for tax in line.taxes if tax.inclusion == "inclusive"]
        assert all(type(tax.units) is int and tax.units >= 0 for tax in line.taxes)
        assert 0 <= sum(tax.units for tax in inside) <= left
        within = sum(tax.rate_bp for tax in inside)
        assert abs(sum(tax.units for tax in inside) - Fraction(left * within, 10_000 + within)) <= Fraction(1, 2)
        assert OrderLine.model_validate_json(line.model_dump_json()) == line


@given(st.lists(st.tuples(priced, st.integers(1, 100)), min_size=1, max_size=5), st.integers(1, 10_000))
def test_a_rate_shared_out_is_what_it_is_of_the_whole(ordered: list[tuple[MenuItem, int]], rate_bp: int) -> None:
    found = lines(*ordered, discounts=(off(rate_bp=rate_bp),))
    gross = sum(item.price * quantity for item, quantity in ordered)
    assert abs(sum(taken_off(found)) - Fraction(gross * rate_bp, 10_000)) <= Fraction(1, 2)
    for line, less in zip(found, taken_off(found), strict=True):
        assert 0 <= less <= line.total
        assert abs(less - Fraction(line.total * rate_bp, 10_000)) < 2
