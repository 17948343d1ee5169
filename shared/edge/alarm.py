"""An alarm: one line in the log at error, of something that no caller is to blame for and somebody has to look at."""

from datetime import UTC, datetime

import msgspec

from shared.edge.telemetry import LOG


class AlarmLine(msgspec.Struct, omit_defaults=True):
    """What an alarm may say: names, ids and counts; never addresses of people, keys or codes."""

    time: datetime
    function: str
    alarm: str
    detail: str
    severity: str = "ERROR"
    ids: tuple[str, ...] = ()
    merchant: str = ""


def alarm(function: str, name: str, detail: str, *, ids: tuple[str, ...] = (), merchant: str = "") -> None:
    """Write an alarm, whatever LOG_LEVEL says short of `off`. `name` is what an alert is set on."""
    if LOG.level <= 3:
        LOG.write(AlarmLine(datetime.now(UTC), function, name, detail, ids=ids, merchant=merchant))
