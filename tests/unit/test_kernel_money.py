"""Money: whole base units, exact in both directions, never mixed."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis.strategies import booleans, decimals, floats, integers, one_of, sampled_from, text
from pydantic import TypeAdapter, ValidationError

from shared.kernel.money import MAX_UNITS, MINOR_DIGITS, Asset, Fiat, Money, Units, units_down, units_up, whole

UNITS = TypeAdapter(Units)
any_units = integers(0, MAX_UNITS)
amounts = decimals(-(10**40), 10**40, allow_nan=False, allow_infinity=False, places=35)
places = integers(0, 18)


@given(any_units)
def test_units_are_an_integer_here_and_a_string_of_digits_in_json(units: int) -> None:
    assert UNITS.dump_json(units) == b'"%d"' % units
    assert UNITS.validate_json(b'"%d"' % units) == units


@given(one_of(booleans(), floats(), text().filter(lambda told: not told.isdigit()), integers(max_value=-1)))
def test_nothing_else_is_units(value: object) -> None:
    with pytest.raises(ValidationError):
        UNITS.validate_python(value)


@pytest.mark.parametrize("told", ["", "00", "01", "+1", "-1", "1.0", "1e3", " 1", "1\n", "٣", "1" + "0" * 78])
def test_a_string_is_units_in_exactly_one_way(told: str) -> None:
    with pytest.raises(ValidationError):
        UNITS.validate_python(told)


@given(any_units, places)
def test_whole_coins_are_written_exactly_and_read_back(units: int, digits: int) -> None:
    told = whole(units, digits)
    assert Fraction(told) * 10**digits == units
    assert "e" not in told.lower()
    assert told == "0" or not told.endswith(".")


@given(amounts, places)
def test_rounding_up_and_down_enclose_the_amount_by_less_than_one_unit(amount: Decimal, digits: int) -> None:
    exact = Fraction(amount) * 10**digits
    up, down = units_up(amount, digits), units_down(amount, digits)
    assert down <= exact <= up
    assert up - down == (0 if exact.denominator == 1 else 1)


def test_a_price_of_more_digits_than_decimal_keeps_by_itself_is_still_not_rounded_in_the_customers_favour() -> None:
    assert units_up(Decimal("1.0000000000000000000000000000000001"), 18) == 10**18 + 1
    assert units_down(Decimal("123456789012345.999999999999999999"), 18) == 123456789012345999999999999999999


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_amount_is_refused(amount: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        units_up(Decimal(amount), 8)


@given(integers(0, MAX_UNITS // 2), integers(0, MAX_UNITS // 2), sampled_from(sorted(MINOR_DIGITS)))
def test_what_is_added_can_be_taken_away_again(one: int, other: int, currency: str) -> None:
    a, b = Fiat(currency=currency, units=one), Fiat(currency=currency, units=other)
    assert a.plus(b).minus(b) == a
    assert a.plus(a) == a.times(2)


@given(any_units, any_units)
def test_a_difference_is_never_negative(one: int, other: int) -> None:
    a, b = Money(asset=Asset.BTC, units=min(one, other)), Money(asset=Asset.BTC, units=max(one, other))
    assert b.minus(a).units == abs(one - other)
    if one != other:
        with pytest.raises(ValueError, match="units"):
            a.minus(b)


def test_different_things_do_not_add_up() -> None:
    with pytest.raises(ValueError, match="don't add up"):
        Fiat(currency="EUR", units=1).plus(Fiat(currency="USD", units=1))
    with pytest.raises(ValueError, match="don't add up"):
        Money(asset=Asset.USDC, units=1).minus(Money(asset=Asset.USDT, units=1))
    with pytest.raises(ValidationError):
        Fiat(currency="XXX", units=1)


def test_a_sum_beyond_what_is_stored_is_refused() -> None:
    with pytest.raises(ValidationError):
        Fiat(currency="EUR", units=MAX_UNITS).plus(Fiat(currency="EUR", units=1))


def test_money_reads_as_people_write_it() -> None:
    assert str(Fiat(currency="EUR", units=420)) == "4.20 EUR"
    assert str(Fiat(currency="JPY", units=420)) == "420 JPY"
    assert str(Money(asset=Asset.BTC, units=12_000)) == "0.00012 BTC"
