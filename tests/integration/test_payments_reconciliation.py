"""Ledger, facts and real chains, compared: nothing is named where nothing is wrong, each damage by its name."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from emulators.component import Running
from emulators.wallets import BitcoinWallet, EvmWallet
from shared.kernel.money import Asset
from shared.payments.reconciliation import Kind
from tests.integration.paying import Paying, both
from tests.integration.reconciling import RUNS, Comparing

BITCOIN, EVM = "bitcoin", "evm:31337"


@pytest.fixture(scope="module")
def bitcoins(bitcoin: Running) -> BitcoinWallet:
    return BitcoinWallet(bitcoin.env["BITCOIN_RPC_URL"], coins=10)


@pytest.fixture(scope="module")
def ethers(ethereum: Running) -> EvmWallet:
    return EvmWallet(ethereum.env["EVM_RPC_URL"])


@pytest.fixture
async def comparing(
    database: str, bitcoin: Running, ethereum: Running, bitcoins: BitcoinWallet, ethers: EvmWallet
) -> AsyncIterator[Comparing]:
    paying = await Paying(database, both(dict(bitcoin.env), dict(ethereum.env))).opened()
    ethers.mine(20)
    await paying.scan(BITCOIN)
    await paying.scan(EVM)
    comparing = Comparing(paying)
    yield comparing
    await comparing.closed()
    await paying.closed()


async def paid(comparing: Comparing, bitcoins: BitcoinWallet, ethers: EvmWallet) -> dict[Asset, str]:
    """Have a payment in each asset settled and final; return the payments."""
    paying = comparing.paying
    asked = {asset: await paying.requested(asset) for asset in (Asset.BTC, Asset.ETH, Asset.USDC, Asset.USDT)}
    for asset, each in asked.items():
        wallet = bitcoins if asset == Asset.BTC else ethers
        if isinstance(wallet, BitcoinWallet):
            wallet.pay(each.address, each.due.units)
        else:
            wallet.pay(asset, each.address, each.due.units)
    await final(comparing, bitcoins, ethers)
    return {asset: each.payment_id for asset, each in asked.items()}


async def final(comparing: Comparing, bitcoins: BitcoinWallet, ethers: EvmWallet) -> None:
    """Bury what was paid so deep that it is final, and have it read."""
    bitcoins.mine(7)
    ethers.mine(20)
    for chain in (BITCOIN, EVM):
        await comparing.paying.settle(chain)


async def test_what_is_right_is_named_by_nobody(
    comparing: Comparing, bitcoins: BitcoinWallet, ethers: EvmWallet
) -> None:
    asked = await paid(comparing, bitcoins, ethers)
    assert await comparing.run() == []
    rows = await comparing.paying.db.run(RUNS)
    assert [(row[0], row[1], row[3], row[5]) for row in rows] == [
        ("books", "complete", 4, 0),
        (BITCOIN, "complete", 1, 0),
        (EVM, "complete", 3, 0),
    ]
    assert rows[0][4] == 8  # nobody had posted what was paid
    assert await comparing.run() == []
    assert (await comparing.paying.db.run(RUNS))[3][4] == 0
    assert len(asked) == 4
    assert await comparing.open() == []
    assert Kind.MOVED not in await comparing.open()
