"""Time comes from a port, is aware UTC, and is written RFC 3339 with a Z. A block height is no time."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What a rule is given instead of the wall clock."""

    def now(self) -> datetime:
        """Return the current time, aware, UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the current time, aware, UTC."""
        return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """Return `moment` as RFC 3339 text in UTC with a Z, microseconds only where there are some.

    Raises ValueError for a moment without a zone: it would be taken for the machine's own.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment has a time zone")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
