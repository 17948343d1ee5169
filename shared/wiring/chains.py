"""The watchers of chains, composed: one per chain and process, its node's connections kept."""

from functools import cache

from shared.adapters.bitcoin.chain import BitcoinChain
from shared.adapters.bitcoin.node import BitcoinNode
from shared.adapters.evm.chain import EvmChain, Token
from shared.adapters.evm.node import EvmNode
from shared.adapters.postgres.chain_books import PostgresBooks
from shared.adapters.postgres.chain_cursors import PostgresCursors, PostgresReceivers
from shared.kernel.money import Asset
from shared.payments.chain import Chain
from shared.payments.looking import Looking
from shared.payments.watch import Watcher, Watching
from shared.settings import ChainSettings, ChainsSettings
from shared.wiring.resources import clock, database, region

BITCOIN_RANGE = 20
"""Blocks of a commit: a full one is some 2 MB."""
EVM_RANGE = 200


@cache
def bitcoin_watchers() -> tuple[Watcher, ...]:
    """Return the watchers of the Bitcoin chains of CHAINS."""
    return tuple(
        _bitcoin_watcher(settings) for settings in ChainsSettings.from_env().chains if settings.kind == "bitcoin"
    )


@cache
def evm_watchers() -> tuple[Watcher, ...]:
    """Return the watchers of the EVM chains of CHAINS."""
    return tuple(_evm_watcher(settings) for settings in ChainsSettings.from_env().chains if settings.kind == "evm")


def bitcoin_chain(settings: ChainSettings) -> BitcoinChain:
    """Return a Bitcoin chain of CHAINS."""
    return BitcoinChain(
        BitcoinNode(settings.rpc, target=settings.name),
        network=settings.network,
        final_depth=settings.final_depth,
        name=settings.name,
    )


def evm_chain(settings: ChainSettings) -> EvmChain:
    """Return an EVM chain of CHAINS, with its own coin and its tokens."""
    return EvmChain(
        EvmNode(settings.rpc, target=settings.name),
        chain_id=settings.chain_id,
        tokens=[Token(Asset(token.symbol), token.contract, token.decimals) for token in settings.tokens],
        native=Asset(settings.native),
        finality=settings.finality,
    )


def _bitcoin_watcher(settings: ChainSettings) -> Watcher:
    node = bitcoin_chain(settings)
    return Watcher(_watching(node, BITCOIN_RANGE), mempool=node)


def _evm_watcher(settings: ChainSettings) -> Watcher:
    node = evm_chain(settings)
    return Watcher(_watching(node, EVM_RANGE, Looking(node, PostgresBooks(database()))))


def _watching(node: Chain, range_blocks: int, looking: Looking | None = None) -> Watching:
    db = database()
    return Watching(
        node=node,
        cursors=PostgresCursors(db, region=region()),
        receivers=PostgresReceivers(db),
        clock=clock(),
        range_blocks=range_blocks,
        looking=looking,
    )
