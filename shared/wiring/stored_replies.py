"""Stored replies, composed."""

from functools import cache

from shared.adapters.postgres.stored_replies import PostgresStoredReplies
from shared.orders.ports import StoredReplies
from shared.wiring.resources import database


@cache
def stored_replies() -> StoredReplies:
    """Return what was answered under Idempotency-Keys, of all services."""
    return PostgresStoredReplies(database())
