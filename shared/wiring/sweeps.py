"""Sweeps, composed. Account keys are opened only where one is planned; nothing private is anywhere here."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from shared.adapters.postgres.sweeps import PostgresSweeps
from shared.kernel.money import Asset
from shared.payments.sweep_ports import SweepChain, Sweeping
from shared.settings import ChainSettings, ChainsSettings
from shared.wiring.resources import clock, database, region

if TYPE_CHECKING:
    from shared.adapters.account_keys import SealedAccountKeys


@cache
def planning() -> Sweeping:
    """Return what planning a sweep is given: it names each input's key to the merchant's wallet."""
    from shared.adapters.account_keys import SealedAccountKeys
    from shared.adapters.sealing import Sealer
    from shared.settings import SealingSettings

    network = ChainsSettings.from_env().bitcoin_network
    return _sweeping(SealedAccountKeys(Sealer(SealingSettings.from_env()), bitcoin_network=network))


@cache
def sweeping() -> Sweeping:
    """Return what submitting and following sweeps is given."""
    return _sweeping(None)


def _sweeping(keys: "SealedAccountKeys | None") -> Sweeping:
    chains = {chain.name: _chain(chain) for chain in ChainsSettings.from_env().chains}
    return Sweeping(store=PostgresSweeps(database(), region=region(), keys=keys), chains=chains, clock=clock())


@cache
def sweeps() -> PostgresSweeps:
    """Return the sweeps, to be shown."""
    return PostgresSweeps(database(), region=region())


@cache
def native_by_chain() -> Mapping[str, Asset]:
    """Return what each chain's fees are paid in."""
    chains = ChainsSettings.from_env().chains
    return {chain.name: Asset.BTC if chain.kind == "bitcoin" else Asset(chain.native) for chain in chains}


def _chain(settings: ChainSettings) -> SweepChain:
    if settings.kind == "bitcoin":
        from shared.adapters.bitcoin.sweeping import BitcoinSweeps

        return BitcoinSweeps(settings.rpc, network=settings.network, name=settings.name)
    from shared.adapters.evm.chain import Token
    from shared.adapters.evm.sweeping import EvmSweeps

    tokens = [Token(Asset(token.symbol), token.contract, token.decimals) for token in settings.tokens]
    return EvmSweeps(settings.rpc, chain_id=settings.chain_id, tokens=tokens, native=Asset(settings.native))
