"""Receive addresses ahead of need, composed."""

from functools import cache

from shared.adapters.account_keys import SealedAccountKeys
from shared.adapters.postgres.address_pool import PostgresAddressPool
from shared.adapters.receive_addresses import DerivedAddresses
from shared.adapters.sealing import Sealer
from shared.payments.fill_address_pool import Filling
from shared.settings import AddressSettings, ChainsSettings, SealingSettings
from shared.wiring.payments import payable
from shared.wiring.resources import database


@cache
def filling() -> Filling:
    """Return what filling the pool is given: account keys are opened there."""
    settings = ChainsSettings.from_env()
    keys = SealedAccountKeys(Sealer(SealingSettings.from_env()), bitcoin_network=settings.bitcoin_network)
    return Filling(
        pool=PostgresAddressPool(database()),
        account_keys=DerivedAddresses(keys, settings.chains),
        chains=tuple(payable(chain) for chain in settings.chains),
        size=AddressSettings.from_env().pool_size,
    )
