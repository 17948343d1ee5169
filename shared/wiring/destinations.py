"""Destinations of orders, composed: apart from orders, so that only who opens one loads the keys."""

from functools import cache

from shared.adapters.person_keys import PersonKeys
from shared.adapters.postgres.destinations import SealedDestinations
from shared.adapters.sealing import Sealer
from shared.settings import SealingSettings
from shared.wiring.resources import database


@cache
def destinations() -> SealedDestinations:
    """Return what seals and opens where orders are brought to."""
    return SealedDestinations(database(), PersonKeys(Sealer(SealingSettings.from_env())))
