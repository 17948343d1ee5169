"""The watchers of chains, composed: one per chain and process, its node's connections kept."""

from dataclasses import replace
from functools import cache

from shared.adapters.bitcoin.chain import BitcoinChain
from shared.adapters.bitcoin.node import BitcoinNode
from shared.adapters.chain_gauges import PrometheusGauges
from shared.adapters.evm.chain import EvmChain, Token
from shared.adapters.evm.node import EvmNode
from shared.adapters.postgres.chain_books import PostgresBooks
from shared.adapters.postgres.chain_cursors import PostgresCursors, PostgresReceivers
from shared.adapters.postgres.database import Database
from shared.kernel.money import Asset
from shared.payments.chain import Chain
from shared.payments.looking import Looking
from shared.payments.token_guard import TokenGuard
from shared.payments.two_nodes import TwoBalanceNodes, TwoMempoolNodes
from shared.payments.watch import Watcher, Watching
from shared.settings import ChainSettings, ChainsSettings
from shared.wiring.resources import clock, database, region

BITCOIN_RANGE = 20
"""Blocks of a commit: a full one is some 2 MB."""
EVM_RANGE = 200


@cache
def bitcoin_watchers() -> tuple[Watcher, ...]:
    """Return the watchers of the Bitcoin chains of CHAINS."""
    chains, db = ChainsSettings.from_env().chains, database()
    return tuple(bitcoin_watcher(settings, db) for settings in chains if settings.kind == "bitcoin")


@cache
def evm_watchers() -> tuple[Watcher, ...]:
    """Return the watchers of the EVM chains of CHAINS."""
    chains, db = ChainsSettings.from_env().chains, database()
    return tuple(evm_watcher(settings, db) for settings in chains if settings.kind == "evm")


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


def bitcoin_watcher(settings: ChainSettings, db: Database) -> Watcher:
    """Return a watcher of a Bitcoin chain, by one node or two."""
    first = bitcoin_chain(settings)
    if not settings.second:
        return Watcher(_watching(first, BITCOIN_RANGE, db), mempool=first)
    pair = TwoMempoolNodes(first, bitcoin_chain(_second(settings)), alone_depth=settings.alone_depth)
    return Watcher(replace(_watching(pair, BITCOIN_RANGE, db), pair=pair), mempool=pair)


def evm_watcher(settings: ChainSettings, db: Database) -> Watcher:
    """Return a watcher of an EVM chain, by one node or two."""
    first, books, holds = evm_chain(settings), PostgresBooks(db), PostgresCursors(db, region=region())
    if not settings.second:
        looking, guard = Looking(first, books), TokenGuard(first, books, holds)
        return Watcher(replace(_watching(first, EVM_RANGE, db), looking=looking, guard=guard))
    pair = TwoBalanceNodes(first, evm_chain(_second(settings)), alone_depth=settings.alone_depth)
    looking, guard = Looking(pair, books), TokenGuard(pair, books, holds)
    return Watcher(replace(_watching(pair, EVM_RANGE, db), looking=looking, guard=guard, pair=pair))


def _second(settings: ChainSettings) -> ChainSettings:
    return replace(settings, rpc=settings.second)


def _watching(node: Chain, range_blocks: int, db: Database) -> Watching:
    return Watching(
        node=node,
        cursors=PostgresCursors(db, region=region()),
        receivers=PostgresReceivers(db),
        clock=clock(),
        range_blocks=range_blocks,
        gauges=PrometheusGauges(),
    )
