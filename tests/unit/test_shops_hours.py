"""Special days, pauses, last orders and what everybody reads of a shop: set_special_hours, pause_shop, update_shop."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.kernel.decision import By, Role
from shared.kernel.errors import Forbidden, Invalid, NotFound
from shared.kernel.hours import Opening, Span, SpecialDay, Week, changes_at, open_window
from shared.kernel.ids import KeyId, MerchantId, ShopId
from shared.kernel.money import Asset
from shared.shops import lifecycle
from shared.shops.model import (
    MAX_AHEAD,
    MAX_PAUSE,
    PauseShop,
    SetOpeningHours,
    SetSpecialHours,
    SetSpreads,
    Shop,
    UpdateShop,
)
from tests.unit.test_shops_rules import BY, NOON, day, shop_state

BERLIN = "Europe/Berlin"
WEEKDAYS = day(*((number, "08:00", "18:00") for number in range(5)))
ALWAYS = day(*((number, "00:00", "24:00") for number in range(7)))
STAFF = By(KeyId.new(), frozenset({Role.BARISTA}), BY.merchant_id)


def special(on: date, *spans: tuple[str, str], label: str = "") -> SpecialDay:
    return SpecialDay(day=on, label=label, spans=tuple(Span(opens=opens, closes=closes) for opens, closes in spans))


def opened(weekly: tuple[Opening, ...] = ALWAYS, last_order_min: int = 0) -> Shop:
    shop = shop_state()
    command = SetOpeningHours(weekly=weekly, last_order_min=last_order_min)
    return lifecycle.evolve(shop, lifecycle.set_hours(shop, command, by=BY)[0])


def test_a_special_day_replaces_the_hours_of_its_weekday_and_no_other() -> None:
    christmas, noon = date(2026, 12, 25), datetime(2026, 12, 25, 11, tzinfo=UTC)
    closed = (special(christmas, label="Christmas"),)
    assert open_window(WEEKDAYS, BERLIN, noon) is not None
    assert open_window(WEEKDAYS, BERLIN, noon, closed) is None
    assert open_window(WEEKDAYS, BERLIN, noon - timedelta(days=7), closed) is not None
    # Friday the 25th is closed: it opens again on Monday at 08:00 of Berlin.
    assert changes_at(WEEKDAYS, BERLIN, noon, closed) == datetime(2026, 12, 28, 7, tzinfo=UTC)
    short = (special(christmas, ("10:00", "11:00"), ("13:00", "14:00")),)
    assert open_window(WEEKDAYS, BERLIN, noon, short) is None
    assert changes_at(WEEKDAYS, BERLIN, noon, short) == noon + timedelta(hours=1)


def test_a_shop_that_never_closes_closes_on_a_special_day_far_ahead_and_weeks_of_holiday_end() -> None:
    far = date(2026, 8, 1)
    assert changes_at(ALWAYS, BERLIN, NOON, (special(far),)) == datetime(2026, 7, 31, 22, tzinfo=UTC)
    holiday = tuple(special(date(2026, 5, 4) + timedelta(days=number)) for number in range(30))
    assert changes_at(WEEKDAYS, BERLIN, NOON, holiday) == datetime(2026, 6, 3, 6, tzinfo=UTC)
    assert changes_at((), BERLIN, NOON, (special(far, ("09:00", "12:00")),)) == datetime(2026, 8, 1, 7, tzinfo=UTC)


def test_new_years_eve_goes_on_after_midnight() -> None:
    nights = (special(date(2026, 12, 31), ("18:00", "24:00")), special(date(2027, 1, 1), ("00:00", "02:00")))
    at = datetime(2026, 12, 31, 20, tzinfo=UTC)
    assert changes_at(WEEKDAYS, BERLIN, at, nights) == datetime(2027, 1, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("on", "opens", "closes", "hours"),
    [
        (date(2026, 3, 29), "01:00", "04:00", 2),  # 02:00 to 03:00 does not exist
        (date(2026, 10, 25), "01:00", "04:00", 4),  # 02:00 to 03:00 exists twice
    ],
)
def test_a_special_night_on_which_the_clocks_change_is_as_long_as_it_is(
    on: date, opens: str, closes: str, hours: int
) -> None:
    night = (special(on, (opens, closes)),)
    start = datetime(on.year, on.month, on.day, tzinfo=UTC) - timedelta(hours=3)
    first = changes_at((), BERLIN, start, night)
    assert first is not None
    last = changes_at((), BERLIN, first, night)
    assert last == first + timedelta(hours=hours)


@given(
    days=st.lists(st.integers(0, 40), unique=True, max_size=5).map(sorted),
    hour=st.integers(0, 23),
    minutes=st.integers(0, 20 * 24 * 60),
)
def test_changes_at_is_the_first_moment_at_which_it_is_otherwise(days: list[int], hour: int, minutes: int) -> None:
    at = datetime(2026, 3, 20, tzinfo=UTC) + timedelta(minutes=minutes)
    known = tuple(special(date(2026, 3, 20) + timedelta(days=n), (f"{hour:02}:00", "24:00")) for n in days)
    hours = (WEEKDAYS, BERLIN, at, known)
    is_open, change = open_window(*hours) is not None, changes_at(*hours)
    assert Week(WEEKDAYS, BERLIN, known).standing(at) == (is_open, change)
    assert change is not None
    assert (open_window(WEEKDAYS, BERLIN, change, known) is not None) is not is_open
    step = at
    while step < change:
        assert (open_window(WEEKDAYS, BERLIN, step, known) is not None) is is_open
        step += max((change - at) / 7, timedelta(minutes=1))


@pytest.mark.parametrize(
    "days",
    [
        [special(date(2026, 6, 1)), special(date(2026, 6, 1))],
        [special(date(2026, 6, 2)), special(date(2026, 6, 1))],
        [special(date(2026, 6, 1), ("10:00", "10:00"))],
        [special(date(2026, 6, 1), ("18:00", "02:00"))],
        [special(date(2026, 6, 1), ("10:00", "12:00"), ("11:00", "13:00"))],
        [special(date(2026, 6, 1) + timedelta(days=number)) for number in range(101)],
    ],
)
def test_special_days_that_make_no_sense_are_refused(days: list[SpecialDay]) -> None:
    with pytest.raises(ValidationError):
        SetSpecialHours(special=tuple(days))


def test_special_days_that_are_over_are_forgotten_and_those_too_far_ahead_refused() -> None:
    shop = opened()
    today = NOON.date()
    days = tuple(special(today + timedelta(days=number)) for number in (-30, -1, 0, 1))
    (told,) = lifecycle.set_special_hours(shop, SetSpecialHours(special=days), by=BY, now=NOON)
    assert lifecycle.evolve(shop, told).special == days[1:]
    too_far = SetSpecialHours(special=(special(today + MAX_AHEAD + timedelta(days=1)),))
    with pytest.raises(Invalid, match="ahead"):
        lifecycle.set_special_hours(shop, too_far, by=BY, now=NOON)
    with pytest.raises(Forbidden):
        lifecycle.set_special_hours(shop, SetSpecialHours(special=()), by=STAFF, now=NOON)


def test_a_pause_ends_by_itself_or_by_somebody_and_whoever_works_there_may_do_it() -> None:
    shop = opened(WEEKDAYS)
    until = NOON + timedelta(hours=1)
    (told,) = lifecycle.pause(shop, PauseShop(until=until, reason="The queue is out of the door"), by=STAFF, now=NOON)
    paused = lifecycle.evolve(shop, told)
    view = lifecycle.public_view(paused, 2, now=NOON)
    assert (view.open, view.changes_at, view.orders_until) == (False, until, None)
    assert view.pause is not None
    assert view.pause.reason == "The queue is out of the door"
    over = lifecycle.public_view(paused, 2, now=until)
    assert (over.open, over.pause) == (True, None)
    (told,) = lifecycle.pause(paused, PauseShop(), by=STAFF, now=NOON)
    for_good = lifecycle.evolve(paused, told)
    view = lifecycle.public_view(for_good, 3, now=NOON + timedelta(days=300))
    assert (view.open, view.changes_at) == (False, None)
    (told,) = lifecycle.resume(for_good, by=STAFF, now=NOON)
    assert lifecycle.evolve(for_good, told) == shop
    assert lifecycle.resume(shop, by=STAFF, now=NOON) == ()


def test_a_pause_that_ends_while_it_is_closed_says_when_it_opens_then() -> None:
    shop = opened(WEEKDAYS)
    evening = PauseShop(until=datetime(2026, 5, 6, 20, tzinfo=UTC))
    paused = lifecycle.evolve(shop, lifecycle.pause(shop, evening, by=STAFF, now=NOON)[0])
    assert lifecycle.public_view(paused, 2, now=NOON).changes_at == datetime(2026, 5, 7, 6, tzinfo=UTC)


@pytest.mark.parametrize("until", [NOON, NOON - timedelta(hours=1), NOON + MAX_PAUSE + timedelta(seconds=1)])
def test_a_pause_that_is_over_or_without_an_end_in_sight_is_refused(until: datetime) -> None:
    with pytest.raises(Invalid, match="special hours"):
        lifecycle.pause(opened(), PauseShop(until=until), by=BY, now=NOON)


def test_nobody_else_pauses_a_shop() -> None:
    shop = opened()
    elsewhere = replace(STAFF, shop_ids=frozenset({ShopId.new()}))
    for by in (elsewhere, replace(STAFF, merchant_id=MerchantId.new()), By("usr_x", frozenset({Role.CUSTOMER}))):
        with pytest.raises(NotFound):
            lifecycle.pause(shop, PauseShop(), by=by, now=NOON)
        with pytest.raises(NotFound):
            lifecycle.resume(shop, by=by, now=NOON)


def test_a_shop_says_until_when_it_takes_orders() -> None:
    view = lifecycle.public_view(opened(WEEKDAYS, last_order_min=15), 2, now=NOON)
    assert view.changes_at == datetime(2026, 5, 6, 16, tzinfo=UTC)
    assert view.orders_until == datetime(2026, 5, 6, 15, 45, tzinfo=UTC)
    assert lifecycle.public_view(opened(ALWAYS, last_order_min=15), 2, now=NOON).orders_until is None


def test_what_is_named_changes_and_what_a_shop_said_of_coins_it_takes_no_more_goes_with_them() -> None:
    shop = shop_state()
    shop = shop.model_copy(update={"payout": {"bitcoin": shop.payout["bitcoin"], "evm": shop.payout["bitcoin"]}})
    shop = lifecycle.evolve(
        shop, lifecycle.set_spreads(shop, SetSpreads(spread_bp={Asset.BTC: 10, Asset.ETH: 20}), by=BY)[0]
    )
    command = UpdateShop(name="Neue Röststätte", accepts=(Asset.ETH, Asset.USDC))
    (told,) = lifecycle.update(shop, command, by=BY)
    after = lifecycle.evolve(shop, told)
    assert (after.name, after.address, after.accepts) == ("Neue Röststätte", shop.address, (Asset.ETH, Asset.USDC))
    assert after.spread_bp == {Asset.ETH: 20}
    assert lifecycle.update(after, command, by=BY) == ()
    with pytest.raises(Forbidden):
        lifecycle.update(shop, command, by=STAFF)


def test_a_coin_without_a_payout_account_is_not_accepted() -> None:
    with pytest.raises(Invalid, match="payout account for evm"):
        lifecycle.update(shop_state(), UpdateShop(accepts=(Asset.BTC, Asset.USDC)), by=BY)


@pytest.mark.parametrize("body", [{}, {"accepts": []}, {"accepts": ["BTC", "BTC"]}, {"name": ""}, {"timezone": "UTC"}])
def test_a_change_of_nothing_or_to_nothing_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        UpdateShop.model_validate(body)
