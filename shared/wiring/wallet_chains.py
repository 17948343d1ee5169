"""What people do on chains, composed: a node per chain, asked for balances and given what wallets signed."""

from functools import cache

from shared.adapters.bitcoin.wallet_network import BitcoinWalletNode
from shared.adapters.evm.chain import Token
from shared.adapters.evm.wallet_network import EvmHoldings, EvmNetwork
from shared.adapters.postgres.person_books import PostgresPersonBooks
from shared.adapters.postgres.wallets import PostgresPeople
from shared.kernel.money import Asset
from shared.settings import ChainSettings, ChainsSettings, WalletSearchSettings
from shared.wallets.chain_ports import Chains, Holdings, Network
from shared.wiring.chains import evm_chain
from shared.wiring.resources import database, region
from shared.wiring.wallets import person_keys


@cache
def chains() -> Chains:
    """Return what balances and broadcasts are given."""
    known, searched = ChainsSettings.from_env().chains, WalletSearchSettings.from_env().chains
    nodes = {settings.name: _node(settings, settings.name in searched) for settings in known}
    return Chains(
        people=PostgresPeople(database(), region=region(), keys=person_keys()),
        holdings={name: holdings for name, (holdings, _) in nodes.items()},
        networks={name: network for name, (_, network) in nodes.items()},
        books=PostgresPersonBooks(database(), hot_wallets=[each.hot_wallet.lower() for each in known]),
    )


def _node(settings: ChainSettings, searches: bool) -> tuple[Holdings, Network]:
    if settings.kind == "bitcoin":
        node = BitcoinWalletNode(settings.rpc, name=settings.name, network=settings.network, searches=searches)
        return node, node
    native = Asset(settings.native)
    tokens = [Token(Asset(token.symbol), token.contract, token.decimals) for token in settings.tokens]
    network = EvmNetwork(settings.rpc, chain_id=settings.chain_id, native=native)
    return EvmHoldings(evm_chain(settings), settings.rpc, tokens), network
