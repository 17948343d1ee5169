"""Quiet hours: until when a person is not to be disturbed. Pure."""

from datetime import datetime

from shared.kernel.hours import Opening, changes_at, open_window
from shared.notifications.model import QuietHours


def quiet_until(quiet: QuietHours | None, at: datetime) -> datetime | None:
    """Return when (UTC) the quiet hours end in which `at` lies, or None when it lies in none.

    Wall-clock times are those of the person's zone, as opening hours are those of a shop's: on the night the clocks
    change, quiet hours are an hour shorter or longer, and a time that does not exist is moved on by the gap.
    """
    if quiet is None:
        return None
    spans = _spans(quiet)
    if open_window(spans, quiet.timezone, at) is None:
        return None
    return changes_at(spans, quiet.timezone, at)


def _spans(quiet: QuietHours) -> tuple[Opening, ...]:
    """Return the quiet hours as spans of every weekday, cut at midnight."""
    if quiet.starts < quiet.ends:
        parts = [(quiet.starts, quiet.ends)]
    else:
        parts = [("00:00", quiet.ends), (quiet.starts, "24:00")]
    return tuple(
        Opening(weekday=day, opens=opens, closes=closes)
        for day in range(7)
        for opens, closes in parts
        if opens < closes
    )
