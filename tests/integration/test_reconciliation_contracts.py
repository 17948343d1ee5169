"""Ether from contract wallets, compared: the balance has it, and what was credited for it, in whichever block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from emulators.component import Running
from emulators.ethereum import Ethereum
from emulators.wallets import EvmWallet
from shared.kernel.money import Asset
from shared.payments.reconciliation import Kind
from tests.integration.paying import Paying, both
from tests.integration.reconciling import EVM, Comparing


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Running]:
    """A node of the test's own, for contracts get lost in the reorganisations of a long shared chain."""
    running = Ethereum(name="lonely").start(tmp_path)
    yield running
    running.stop()


@pytest.fixture
def wallet(node: Running) -> EvmWallet:
    return EvmWallet(node.env["EVM_RPC_URL"])


@pytest.fixture
async def comparing(database: str, node: Running, wallet: EvmWallet) -> AsyncIterator[Comparing]:
    wallet.mine(20)
    paying = await Paying(database, both(None, dict(node.env))).opened()
    await paying.scan(EVM)
    wallet.mine(5)
    await paying.scan(EVM)
    comparing = Comparing(paying)
    yield comparing
    await comparing.closed()
    await paying.closed()


async def test_what_a_contract_paid_is_no_difference_at_any_block(comparing: Comparing, wallet: EvmWallet) -> None:
    till, paying = wallet.deploy("till", wei=10**19), comparing.paying
    asked = await paying.requested(Asset.ETH)
    half = asked.due.units // 2
    wallet.call("till", till, "pay", asked.address, half)
    wallet.mine(3)
    await paying.settle(EVM)  # it was there three blocks before it is credited
    wallet.call("till", till, "pay", asked.address, asked.due.units - half)
    for _ in range(25):
        wallet.mine(1)
        await paying.settle(EVM)
        assert await comparing.run() == []
    assert (await paying.payment(asked.payment_id)).settled


async def test_what_a_contract_paid_and_nobody_credited_is_named(comparing: Comparing, wallet: EvmWallet) -> None:
    till, paying = wallet.deploy("till", wei=10**19), comparing.paying
    asked = await paying.requested(Asset.ETH)
    wallet.call("till", till, "pay", asked.address, asked.due.units)
    wallet.mine(20)
    await paying.settle(EVM)
    await comparing.damaged("payments", "update payments set transfers = '[]', highest = null")
    (found,) = [each for each in await comparing.run() if each.scope == EVM]
    assert (found.kind, found.payment_id, found.txid) == (Kind.NOT_CREDITED, asked.payment_id, None)
    assert (found.expected, found.found) == (0, asked.due.units)
