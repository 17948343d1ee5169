"""The engines a process talks to, opened once and only when an operation first needs them."""

from functools import cache

from shared.adapters.postgres.database import Database
from shared.kernel.clock import SystemClock
from shared.settings import PostgresSettings, RegionSettings


@cache
def database() -> Database:
    """Return the pool of connections to the primary."""
    return Database(PostgresSettings.from_env())


@cache
def region() -> str:
    """Return the name of the region this instance runs in."""
    return RegionSettings.from_env().name


@cache
def clock() -> SystemClock:
    """Return the machine's clock."""
    return SystemClock()
