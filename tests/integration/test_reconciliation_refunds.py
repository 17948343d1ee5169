"""Refunds from real hot wallets, compared at every block: no difference on their way, none when they have arrived."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from emulators import bitcoin as bitcoin_engine
from emulators import ethereum as ethereum_engine
from emulators import hot_wallets
from emulators.component import Running
from emulators.wallets import BitcoinWallet, EvmWallet
from shared.adapters.postgres.payment_terms import PostgresQuotes
from shared.adapters.postgres.refunds import PostgresRefunds, PostgresSendings
from shared.adapters.refund_alarms import LoggedAlarms
from shared.adapters.refund_destinations import ParsedDestinations
from shared.adapters.refund_market import RefundMarkets
from shared.kernel.clock import SystemClock
from shared.kernel.decision import By, Claim, Role
from shared.kernel.money import Asset
from shared.payments.reconciliation import Kind
from shared.payments.refund_model import RefundState, RequestRefund
from shared.payments.refund_policy import RefundPolicy
from shared.payments.refund_ports import RequestingRefunds
from shared.payments.request_refund import request_refund
from shared.payments.send_refund import Sender, Sending
from shared.settings import ChainsSettings, SigningSettings
from shared.wiring.signing import OpenWallet, wallets_of
from tests.integration.reconciling import BITCOIN, EVM, World, holdings, opened

POLICY = RefundPolicy(automatic_minor=10**9, automatic_revenue_minor=10**9, least={})


@pytest.fixture(scope="module")
def bitcoins(bitcoin: Running) -> BitcoinWallet:
    return BitcoinWallet(bitcoin.env["BITCOIN_RPC_URL"], coins=10)


class Refunding:
    """A shop that gives coins back, from wallets of the test's own, and who compares."""

    def __init__(self, world: World, wallets: tuple[OpenWallet, ...], chains: ChainsSettings) -> None:
        self.world = world
        self.wallets = wallets
        self.settings = {chain.name: chain for chain in chains.chains}
        self.holdings = [holdings(chain) for chain in chains.chains]
        db, clock = world.paying.db, SystemClock()
        self.requesting = RequestingRefunds(
            store=PostgresRefunds(db, region="test"),
            destinations=ParsedDestinations(chains.chains),
            market=RefundMarkets(PostgresQuotes(db)),
            policy=POLICY,
            clock=clock,
        )
        self.senders = [
            Sender(
                Sending(
                    wallet=wallet,
                    sendings=PostgresSendings(db, region="test"),
                    alarms=LoggedAlarms(),
                    policy=POLICY,
                    family=self.settings[wallet.chain].kind,
                    clock=clock,
                )
            )
            for wallet in wallets
        ]

    async def compared(self) -> None:
        """Let nothing differ."""
        using = replace(self.world.using(), chains=tuple(self.holdings))
        self.world.chains = using.chains
        assert await self.world.run() == []
        assert await self.world.open() == []

    async def step(self) -> None:
        """Send, mine a block on each chain, have it read."""
        for sender in self.senders:
            await sender.run(by=By("send_refund"))
        self.world.bitcoins.mine(1)
        self.world.ethers.mine(8)
        for chain in (BITCOIN, EVM):
            await self.world.paying.settle(chain)


@pytest.fixture
async def refunding(
    database: str, bitcoin: Running, ethereum: Running, bitcoins: BitcoinWallet, ethers: EvmWallet
) -> AsyncIterator[Refunding]:
    keys = {family: {"kind": "local", "key": secrets.token_hex(32)} for family in ("bitcoin", "evm")}
    async with opened(database, {**bitcoin.env, **ethereum.env}, bitcoins, ethers) as world:
        plain = json.dumps({**bitcoin_engine.chain(bitcoin.env), **ethereum_engine.chain(ethereum.env)})
        signing = json.dumps(keys)
        env = {"CHAINS": hot_wallets.told(plain, signing), "SIGNING": signing}
        await hot_wallets.filled(env)
        await world.final()
        chains = ChainsSettings.from_env(env)
        refunding = Refunding(world, wallets_of(chains, SigningSettings.from_env(env)), chains)
        yield refunding
        for each in (*refunding.wallets, *refunding.holdings):
            await each.close()


async def test_refunds_are_no_difference_on_their_way_and_theft_beside_them_is(refunding: Refunding) -> None:
    world = refunding.world
    assets = (Asset.BTC, Asset.ETH, Asset.USDC)
    asked = [await world.paying.requested(asset) for asset in assets]
    for each in asked:
        world.pay(each.asset, each.address, 3 * each.due.units)
    await world.final()
    await refunding.compared()
    for each in asked:
        to = world.bitcoins.address if each.asset == Asset.BTC else world.ethers.address
        command = RequestRefund(to=to, units=each.due.units)
        stored = await world.paying.store.load(each.payment_id)
        assert stored is not None
        claim = Claim(stored.state.customer_id, "refund", f"refund-{each.payment_id}", b"body")
        by = By(stored.state.customer_id, frozenset({Role.CUSTOMER}), once=claim)
        await request_refund(each.payment_id, command, by=by, using=refunding.requesting)
    for _ in range(12):
        await refunding.step()
        await refunding.compared()
    for each in asked:
        stored = await world.paying.store.load(each.payment_id)
        assert stored is not None
        (refund,) = stored.state.refunds
        assert (refund.state, refund.amount.units) == (RefundState.CONFIRMED, each.due.units)
    hot = refunding.settings[EVM].hot_wallet
    world.sent(hot, world.ethers.address, value=10**15)
    world.ethers.mine(80)
    await world.paying.settle(EVM)
    (found,) = await world.run()
    assert (found.kind, found.asset, found.scope) == (Kind.HOT_WALLET, Asset.ETH, EVM)
    assert found.expected is not None
    assert found.found is not None
    assert 10**15 <= found.expected - found.found < 2 * 10**15  # and the thief's gas
