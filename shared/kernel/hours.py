"""Opening hours in a shop's own time zone, special days included. Shops publish them; orders and discovery ask."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pydantic import Field

from shared.kernel.decision import Window
from shared.kernel.money import Frozen
from shared.kernel.text import Line

_OPENS = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
_CLOSES = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"


class Opening(Frozen):
    """One span of a weekday in the shop's own time: `opens` ≤ t < `closes`, as HH:MM; closes may be 24:00."""

    weekday: int = Field(ge=0, le=6, description="0 is Monday")
    opens: str = Field(pattern=_OPENS)
    closes: str = Field(pattern=_CLOSES)


class Span(Frozen):
    """One span of a date in the shop's own time: `opens` ≤ t < `closes`, as HH:MM; closes may be 24:00."""

    opens: str = Field(pattern=_OPENS)
    closes: str = Field(pattern=_CLOSES)


class SpecialDay(Frozen):
    """A date on which the hours of its weekday don't hold: its own spans, or none for closed all day."""

    day: date = Field(description="In the shop's own time")
    label: Line = Field(default="", description="What customers are told, such as the name of a holiday")
    spans: tuple[Span, ...] = Field(default=(), max_length=6)


class Pause(Frozen):
    """While the shop takes no orders, whatever its hours say. `until` is absent where somebody has to resume it."""

    since: datetime
    until: datetime | None = None
    reason: str = ""

    def holds(self, at: datetime) -> bool:
        """Return whether the shop is still paused at `at`."""
        return self.until is None or at < self.until


def open_window(
    weekly: Iterable[Opening], timezone: str, at: datetime, special: Sequence[SpecialDay] = ()
) -> Window | None:
    """Return the span (UTC) in which the shop is open at `at`, or None while it is closed.

    Wall-clock times are those of the shop's zone on that day: on the night the clocks change, a time that does not
    exist is moved on by the gap (02:30 becomes 03:30), and of one that exists twice the first is meant.
    """
    zone = ZoneInfo(timezone)
    local = at.astimezone(zone)
    for span in _spans(weekly, special, local.date()):
        window = Window(_moment(local, span.opens, zone), _moment(local, span.closes, zone))
        if window.start <= at < window.end:
            return window
    return None


def changes_at(
    weekly: Iterable[Opening], timezone: str, at: datetime, special: Sequence[SpecialDay] = ()
) -> datetime | None:
    """Return when (UTC) the shop, open or closed at `at`, is next the other; None when it never is.

    Spans that touch are one: open until 24:00 and again from 00:00 means open through the night.
    """
    zone = ZoneInfo(timezone)
    local = at.astimezone(zone)
    # Every week is like the one before but for special days: a week behind the last of them all has been seen.
    ahead = max([_WEEK, *((known.day - local.date()).days + _WEEK for known in special)])
    end: datetime | None = None
    for window in _windows(tuple(weekly), special, local, zone, ahead):
        if window.end <= at:
            continue
        if end is None and window.start > at:
            return window.start
        if end is not None and window.start > end:
            return end
        end = window.end if end is None else max(end, window.end)
    return end if end is not None and end < at + timedelta(days=ahead) else None


_WEEK = 7


class Standing(NamedTuple):
    """Whether a shop is open, and until when that stays so; None: for good."""

    open: bool
    changes_at: datetime | None


class Week:
    """Hours in a time zone that are asked over and over: they remember their answer until it changes."""

    __slots__ = ("_from", "_special", "_standing", "_timezone", "_until", "_weekly")

    def __init__(self, weekly: Iterable[Opening], timezone: str, special: Sequence[SpecialDay] = ()) -> None:
        self._weekly = tuple(weekly)
        self._timezone = timezone
        self._special = special
        self._from = self._until = datetime.max.replace(tzinfo=UTC)
        self._standing = Standing(False, None)

    def standing(self, at: datetime) -> Standing:
        """Return what `open_window` and `changes_at` say."""
        if not self._from <= at < self._until:
            hours = self._weekly, self._timezone, at, self._special
            change = changes_at(*hours)
            self._standing = Standing(open_window(*hours) is not None, change)
            self._from, self._until = at, change or at + timedelta(days=1)
        return self._standing


def _windows(
    weekly: Sequence[Opening], special: Sequence[SpecialDay], local: datetime, zone: ZoneInfo, ahead: int
) -> Iterator[Window]:
    """Yield the spans of today and the `ahead` days that follow, by their beginning.

    One that the change of the clocks leaves no time for is left out: 02:30 to 03:00 on the night without that hour.
    """
    for days in range(ahead + 1):
        day = local + timedelta(days=days)
        spans = _spans(weekly, special, day.date())
        windows = [Window(_moment(day, span.opens, zone), _moment(day, span.closes, zone)) for span in spans]
        yield from sorted((window for window in windows if window.start < window.end), key=lambda known: known.start)


def _spans(weekly: Iterable[Opening], special: Sequence[SpecialDay], day: date) -> Sequence[Opening | Span]:
    """Return the spans of a date: its own where it is a special one, else those of its weekday."""
    own = next((known for known in special if known.day == day), None)
    return own.spans if own else [span for span in weekly if span.weekday == day.weekday()]


def _moment(day: datetime, clock: str, zone: ZoneInfo) -> datetime:
    hour, minute = int(clock[:2]), int(clock[3:])
    midnight = day.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    wall = (midnight + timedelta(hours=hour, minutes=minute)).replace(tzinfo=zone)
    return wall.astimezone(UTC)
