"""The hot wallet on real chains: what was put in is there or was sent by refunds, else it is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from emulators.wallets import BitcoinWallet, EvmWallet
from shared.adapters.bitcoin.holdings import BitcoinHoldings
from shared.adapters.evm.chain import Token
from shared.adapters.evm.holdings import EvmHoldings
from shared.adapters.postgres.database import Sql
from shared.kernel.decision import By
from shared.kernel.money import Asset
from shared.payments.reconcile_payments import Summary, reconcile_payments
from shared.payments.reconciliation import Kind
from tests.integration.reconciling import BITCOIN, EVM, World

ACKNOWLEDGE = Sql(
    "update reconciliation_differences set acknowledged_at = clock_timestamp(), acknowledged_by = 'operator'"
)


@pytest.fixture
async def world(world: World) -> World:
    """What the other tests start from, with all of it final."""
    await world.final()
    return world


async def compared(world: World, chain: BitcoinHoldings | EvmHoldings) -> Summary:
    """Compare one chain with a hot wallet."""
    using = replace(world.using(), chains=(chain,))
    return (await reconcile_payments(by=By("reconcile_payments"), using=using))[-1]


async def test_bitcoins_that_leave_without_a_refund_are_named(world: World) -> None:
    wallet, rpc = world.bitcoins, world.bitcoins.rpc_url
    chain = BitcoinHoldings(rpc, hot_wallet=wallet.address, always_whole=True)
    held = wallet.balance()
    assert (await compared(world, chain)).open == {}
    wallet.fund(10**8)
    wallet.mine(2)
    await world.paying.settle(BITCOIN)
    assert (await compared(world, chain)).open == {}  # more is there, in no final block yet
    wallet.mine(7)
    await world.paying.settle(BITCOIN)
    assert (await compared(world, chain)).open == {}
    wallet.pay(BitcoinWallet(rpc, coins=1).address, 10**7)
    wallet.mine(2)
    await world.paying.settle(BITCOIN)
    assert (await compared(world, chain)).open == {}  # at the final block it is still there
    wallet.mine(7)
    await world.paying.settle(BITCOIN)
    summary = await compared(world, chain)
    assert summary.open == {Kind.HOT_WALLET: 1}
    found = summary.opened[0].difference
    assert (found.expected, found.found) == (held + 10**8, wallet.balance())
    await chain.close()


async def test_ether_and_tokens_that_leave_without_a_refund_are_named_until_somebody_says_so(world: World) -> None:
    hot = EvmWallet(world.ethers.rpc_url)
    settings = world.paying.chains[EVM]
    tokens = [Token(Asset(token.symbol), token.contract, token.decimals) for token in settings.tokens]
    chain = EvmHoldings(settings.rpc, chain_id=settings.chain_id, tokens=tokens, hot_wallet=hot.address)
    await world.final()
    assert (await compared(world, chain)).open == {}
    hot.pay("USDC", world.ethers.address, 1_000_000)
    await world.final()
    summary = await compared(world, chain)
    assert sorted(str(each.difference.asset) for each in summary.opened) == ["ETH", "USDC"]  # the coins, and the gas
    (usdc,) = [each.difference for each in summary.opened if each.difference.asset == Asset.USDC]
    assert usdc.expected is not None
    assert usdc.expected - 1_000_000 == usdc.found
    assert (await compared(world, chain)).opened == []
    await world.paying.db.run(ACKNOWLEDGE)
    assert (await compared(world, chain)).open == {}
    hot.fund()
    await world.final()
    assert (await compared(world, chain)).open == {}
    hot.pay("USDC", world.ethers.address, 2)
    await world.final()
    assert (await compared(world, chain)).open == {Kind.HOT_WALLET: 2}
    await chain.close()


async def test_who_configures_no_wallet_has_none_compared(world: World) -> None:
    for chain in world.chains:
        assert await chain.wallet((await world.paying.cursor(chain.name)), whole=True) is None
