"""Opening hours in a shop's own time zone. Shops publish them; orders and discovery ask them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from pydantic import Field

from shared.kernel.decision import Window
from shared.kernel.money import Frozen


class Opening(Frozen):
    """One span of a weekday in the shop's own time: `opens` ≤ t < `closes`, as HH:MM; closes may be 24:00."""

    weekday: int = Field(ge=0, le=6, description="0 is Monday")
    opens: str = Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
    closes: str = Field(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")


def open_window(weekly: Iterable[Opening], timezone: str, at: datetime) -> Window | None:
    """Return the span (UTC) in which the shop is open at `at`, or None while it is closed.

    Wall-clock times are those of the shop's zone on that day: on the night the clocks change, an opening time that
    does not exist counts from the first moment after the gap, and one that exists twice from its first occurrence.
    """
    zone = ZoneInfo(timezone)
    local = at.astimezone(zone)
    for span in weekly:
        if span.weekday == local.weekday():
            window = Window(_moment(local, span.opens, zone), _moment(local, span.closes, zone))
            if window.start <= at < window.end:
                return window
    return None


def _moment(day: datetime, clock: str, zone: ZoneInfo) -> datetime:
    hour, minute = int(clock[:2]), int(clock[3:])
    midnight = day.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    wall = (midnight + timedelta(hours=hour, minutes=minute)).replace(tzinfo=zone)
    return wall.astimezone(UTC)
