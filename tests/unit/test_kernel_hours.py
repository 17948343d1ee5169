"""Opening hours by the shop's own clock, on the nights the clocks change too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis.strategies import builds, composite, datetimes, integers, lists, sampled_from

from shared.kernel.clock import rfc3339
from shared.kernel.hours import Opening, changes_at, open_window

BERLIN = "Europe/Berlin"
ZONES = [BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "America/Havana", "Asia/Kathmandu", "UTC"]
SUNDAY = 6
SPRING = datetime(2026, 3, 29, tzinfo=UTC)  # 02:00 to 03:00 does not exist in Berlin
AUTUMN = datetime(2026, 10, 25, tzinfo=UTC)  # 02:00 to 03:00 comes twice


def opening(weekday: int, opens: str, closes: str) -> Opening:
    return Opening(weekday=weekday, opens=opens, closes=closes)


@composite
def spans(draw: object) -> Opening:
    """A span of a weekday that ends after it begins, to the quarter of an hour."""
    begin = draw(integers(0, 95))  # type: ignore[operator]  # Hypothesis passes a function
    end = draw(integers(begin + 1, 96))  # type: ignore[operator]
    day = draw(integers(0, 6))  # type: ignore[operator]
    return opening(day, f"{begin // 4:02}:{begin % 4 * 15:02}", f"{end // 4:02}:{end % 4 * 15:02}")


FIRST, LAST = datetime(2026, 3, 20), datetime(2026, 11, 10)  # noqa: DTZ001  # the zone is added below
moments = builds(
    lambda at, quarter: at.replace(minute=quarter * 15, second=0, microsecond=0, tzinfo=UTC),
    datetimes(FIRST, LAST),
    integers(0, 3),
)


def open_at(weekly: list[Opening], zone: str, at: datetime) -> bool:
    return open_window(weekly, zone, at) is not None


@given(lists(spans(), max_size=6), sampled_from(ZONES), moments)
@example([opening(SUNDAY, "02:30", "03:00")], BERLIN, SPRING)
@example([opening(SUNDAY, "01:00", "02:45"), opening(SUNDAY, "03:00", "03:30")], BERLIN, SPRING)
@settings(max_examples=300, deadline=None)
def test_the_next_change_is_the_first_moment_at_which_open_is_another_answer(
    weekly: list[Opening], zone: str, at: datetime
) -> None:
    now = open_at(weekly, zone, at)
    change = changes_at(weekly, zone, at)
    quarters = [at + timedelta(minutes=15 * n) for n in range(1, 7 * 96)]
    first = next((moment for moment in quarters if open_at(weekly, zone, moment) is not now), None)
    if change is None:
        assert first is None
    else:
        assert open_at(weekly, zone, change) is not now
        assert first is None or first == change


@given(lists(spans(), max_size=4), sampled_from(ZONES), moments)
@settings(max_examples=200, deadline=None)
def test_an_open_shop_is_open_through_all_of_its_window(weekly: list[Opening], zone: str, at: datetime) -> None:
    window = open_window(weekly, zone, at)
    if window is None:
        return
    assert window.start <= at < window.end
    assert open_at(weekly, zone, window.start)
    assert open_at(weekly, zone, window.end - timedelta(seconds=1))


def test_hours_are_the_shops_own_in_summer_and_winter() -> None:
    weekly = [opening(2, "08:00", "18:00")]
    for day, utc_hour in (datetime(2026, 1, 7, tzinfo=UTC), 7), (datetime(2026, 7, 8, tzinfo=UTC), 6):
        opens = day + timedelta(hours=utc_hour)
        assert not open_at(weekly, BERLIN, opens - timedelta(seconds=1))
        assert open_at(weekly, BERLIN, opens)


def test_on_the_night_an_hour_is_missing_a_time_within_it_is_moved_on() -> None:
    weekly = [opening(SUNDAY, "02:30", "05:00")]
    window = open_window(weekly, BERLIN, SPRING.replace(hour=2))
    assert window is not None
    assert (rfc3339(window.start), rfc3339(window.end)) == ("2026-03-29T01:30:00Z", "2026-03-29T03:00:00Z")


def test_a_span_that_the_missing_hour_swallows_is_never_open_and_never_announced() -> None:
    weekly = [opening(SUNDAY, "02:30", "03:00")]
    quarters = [SPRING + timedelta(minutes=15 * n) for n in range(96)]
    assert not any(open_at(weekly, BERLIN, moment) for moment in quarters)
    assert changes_at(weekly, BERLIN, SPRING) == datetime(2026, 4, 5, 0, 30, tzinfo=UTC)


def test_on_the_night_an_hour_comes_twice_the_first_is_meant_and_the_shop_is_open_an_hour_longer() -> None:
    weekly = [opening(SUNDAY, "02:00", "04:00")]
    window = open_window(weekly, BERLIN, AUTUMN.replace(hour=1))
    assert window is not None
    assert (rfc3339(window.start), window.end - window.start) == ("2026-10-25T00:00:00Z", timedelta(hours=3))


def test_open_through_midnight_is_one_span_also_where_midnight_is_skipped() -> None:
    weekly = [opening(day, "00:00", "24:00") for day in range(7)]
    at = datetime(2026, 3, 28, tzinfo=ZoneInfo("Asia/Beirut"))  # at the end of this day it is at once 01:00
    assert all(open_at(weekly, "Asia/Beirut", at + timedelta(minutes=15 * n)) for n in range(192))
    assert changes_at(weekly, "Asia/Beirut", at) is None


@pytest.mark.parametrize("closes", ["24:01", "25:00", "8:00", "08:60", "08:00\n"])
def test_a_time_that_no_clock_shows_is_refused(closes: str) -> None:
    with pytest.raises(ValueError, match="closes"):
        opening(0, "07:00", closes)


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        rfc3339(datetime(2026, 1, 1))  # noqa: DTZ001  # that is the point
