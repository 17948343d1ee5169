"""Sweeps of real coins, compared at every block: planned ones are no difference, what else takes coins is."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from embit.bip32 import HDKey
from embit.psbt import PSBT
from eth_account import Account

from emulators.bitcoin import FAUCET
from emulators.component import Running
from emulators.json_rpc import call
from emulators.wallets import BitcoinWallet, EvmWallet
from shared.kernel.money import Asset
from shared.payments.reconciliation import Kind
from shared.payments.sweep_model import SweepView
from shared.payments.sweep_values import SweepState
from tests.integration.reconciling import BITCOIN, EVM, World, named, opened
from tests.integration.sweeping import Sweeper

FEE = 3 * 10**9


@pytest.fixture(scope="module")
def bitcoins(bitcoin: Running) -> BitcoinWallet:
    return BitcoinWallet(bitcoin.env["BITCOIN_RPC_URL"], coins=10)


@dataclass
class Sweeping:
    """A shop that moves its coins, and who compares."""

    world: World
    sweeper: Sweeper

    async def through(self) -> None:
        """Let blocks pass until everything is final; nothing differs at any of them."""
        for _ in range(8):
            self.world.bitcoins.mine(1)
            self.world.ethers.mine(10)
            for chain in (BITCOIN, EVM):
                await self.world.paying.settle(chain)
            await self.sweeper.follow()
            assert await self.world.run() == []
        assert await self.world.open() == []

    async def signed(self, sweep: SweepView) -> None:
        """Sign the plan's transactions with the shop's keys and send them."""
        paying = self.world.paying
        keys = [Account.from_key(paying.evm_account.key(index).secret) for index in range(20)]
        account_by_sender = {each.address.lower(): each for each in keys}
        account_by_sender[self.world.ethers.address.lower()] = Account.from_key(self.world.ethers.private_key)
        for planned in sweep.transactions:
            if sweep.chain == BITCOIN:
                psbt = PSBT.parse(b64decode(planned.body))
                psbt.sign_with(HDKey.from_string(paying.bitcoin_account.xprv))
                await self.sweeper.submit(sweep, b64encode(psbt.serialize()).decode())
            else:
                account = account_by_sender[planned.sender]
                raw = account.sign_transaction(dict(planned.fields)).raw_transaction
                await self.sweeper.submit(sweep, raw.hex())


@pytest.fixture
async def sweeping(
    database: str, bitcoin: Running, ethereum: Running, bitcoins: BitcoinWallet, ethers: EvmWallet
) -> AsyncIterator[Sweeping]:
    async with opened(database, {**bitcoin.env, **ethereum.env}, bitcoins, ethers) as world:
        sweeper = Sweeper(world.paying)
        yield Sweeping(world, sweeper)
        await sweeper.closed()


async def test_what_was_planned_and_swept_is_no_difference(sweeping: Sweeping) -> None:
    world = sweeping.world
    await world.paid(Asset.BTC, Asset.BTC, Asset.ETH, Asset.USDC)
    assert await world.run() == []
    vault = str(call(f"{world.bitcoins.rpc_url}/wallet/{FAUCET}", "getnewaddress"))
    treasury = Account.create().address
    plans = [
        await sweeping.sweeper.plan(BITCOIN, Asset.BTC, vault),
        await sweeping.sweeper.plan(EVM, Asset.ETH, treasury, fee_rate=FEE),
        await sweeping.sweeper.plan(EVM, Asset.USDC, treasury, fee_rate=FEE, gas_from=world.ethers.address),
    ]
    assert await world.run() == []
    for plan in plans:
        await sweeping.signed(plan)
    await sweeping.through()
    for plan in plans:
        assert (await sweeping.sweeper.get(plan)).state is SweepState.FINAL
        custody = await sweeping.sweeper.custody(plan.asset)
        assert custody["treasury"] > 0


async def test_a_plan_excuses_nothing_that_somebody_else_takes(sweeping: Sweeping) -> None:
    world = sweeping.world
    (coin,) = await world.paid(Asset.BTC)
    vault = str(call(f"{world.bitcoins.rpc_url}/wallet/{FAUCET}", "getnewaddress"))
    await sweeping.sweeper.plan(BITCOIN, Asset.BTC, vault)
    await world.spent(coin)
    await world.final()
    await sweeping.sweeper.follow()
    assert named(await world.run()) == [(BITCOIN, Kind.MOVED, Asset.BTC)]


async def test_as_much_as_was_planned_to_somebody_else_is_no_sweep(sweeping: Sweeping) -> None:
    """The watch takes it for the sweep, for it goes by what left; the comparison looks where it went."""
    world = sweeping.world
    (paid,) = await world.paid(Asset.ETH)
    plan = await sweeping.sweeper.plan(EVM, Asset.ETH, Account.create().address, fee_rate=FEE)
    world.sent(paid.address, world.ethers.address, value=plan.transactions[0].units)
    await world.final()
    await sweeping.sweeper.follow()
    assert named(await world.run()) == [(EVM, Kind.MOVED, Asset.ETH)]
