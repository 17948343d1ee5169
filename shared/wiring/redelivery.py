"""Redelivery, composed: who subscribes to what is what the registry says."""

from functools import cache

from shared.adapters.postgres.redelivery import Redelivery, Subscription
from shared.orders.ports import MissingFacts
from shared.wiring.resources import database, region
from triggers.registry import load


@cache
def missing_facts() -> MissingFacts:
    """Return the facts that were not taken, over every event function of the registry."""
    subscriptions = [Subscription(entry.operation, type_) for entry in load().events() for type_ in entry.on]
    return Redelivery(database(), subscriptions, region=region())
