"""Exporting and erasing a person's data, composed."""

from functools import cache

from shared.adapters.postgres.personal import ERASING, PostgresRecords
from shared.adapters.postgres.store import StateStore
from shared.adapters.postgres.wallets import PostgresPeople
from shared.adapters.sealing import Sealer
from shared.settings import SealingSettings
from shared.wallets.personal_ports import Personal
from shared.wiring.resources import database, region
from shared.wiring.wallets import person_keys


@cache
def personal() -> Personal:
    """Return what exporting and erasing are given."""
    db = database()
    return Personal(
        people=PostgresPeople(db, region=region(), keys=person_keys()),
        records=PostgresRecords(db, Sealer(SealingSettings.from_env()), person_keys()),
        erasing=StateStore(db, ERASING, region=region()),
    )
