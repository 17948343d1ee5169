"""Ether from smart-contract wallets on a real node: correctness 12, unexplained balance as an absolute."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from web3 import HTTPProvider, Web3

from emulators.component import Running
from emulators.ethereum import Ethereum
from emulators.json_rpc import call
from emulators.wallets import EvmWallet
from shared.adapters.postgres.database import Sql
from shared.kernel.decision import By
from shared.kernel.money import Asset
from shared.payments.lifecycle import GRACE
from shared.payments.model import Amount, Finality, PaymentView
from shared.payments.watch import BEHIND
from shared.shops.model import Family
from shared.wiring.chains import evm_chain
from tests.integration.paying import Paying, both
from tests.lying_node import LyingNode

CHAIN = "evm:31337"
YESTERDAY = Sql("update look_rounds set began_at = began_at - interval '1 day 1 second'")
OUTFLOWS = Sql("select asset, units, height from address_outflows order by height, asset")


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
def till(wallet: EvmWallet) -> str:
    """A customer's contract wallet with ten ether in it."""
    return wallet.deploy("till", wei=10**19)


@pytest.fixture
async def paying(database: str, node: Running, till: str, wallet: EvmWallet) -> AsyncIterator[Paying]:
    wallet.mine(5)
    paying = await Paying(database, both(None, dict(node.env))).opened()
    await paying.scan(CHAIN)
    yield paying
    assert [each for each in await paying.replayed() if "expires_at" not in each] == []
    await paying.closed()


def came(view: PaymentView) -> list[tuple[bool, int, bool]]:
    """Return (internal, units, whether it counts) of each transfer."""
    return [(each.txid.startswith("internal:0x"), each.received.units, each.counts) for each in view.transfers]


async def test_a_contract_wallet_pays_and_the_payment_settles_and_becomes_final(
    paying: Paying, wallet: EvmWallet, till: str
) -> None:
    """Correctness 12: it appears in no transaction's value and in no log."""
    asked = await paying.requested(Asset.ETH)
    wallet.call("till", till, "pay", asked.address, asked.due.units)
    await paying.settle(CHAIN)
    view = await paying.payment(asked.payment_id)
    assert (view.settled, view.amount, view.finality) == (True, Amount.EXACT, Finality.CONFIRMED)
    assert came(view) == [(True, asked.due.units, True)]
    assert view.transfers[0].height == int(call(wallet.rpc_url, "eth_blockNumber"), 16)
    wallet.mine(20)
    await paying.settle(CHAIN)
    assert (await paying.payment(asked.payment_id)).finality is Finality.FINAL
    assert await paying.facts(asked.payment_id) == ["requested", "seen", "included", "settled", "final"]


async def test_looking_again_and_again_credits_nothing_twice(paying: Paying, wallet: EvmWallet, till: str) -> None:
    asked = await paying.requested(Asset.ETH)
    half = asked.due.units // 2
    wallet.call("till", till, "pay", asked.address, half)
    for _ in range(3):
        wallet.mine(1)
        await paying.settle(CHAIN)
    wallet.call("till", till, "pay", asked.address, asked.due.units - half)
    for _ in range(3):
        wallet.mine(1)
        await paying.settle(CHAIN)
    view = await paying.payment(asked.payment_id)
    assert came(view) == [(True, half, True), (True, asked.due.units - half, True)]
    assert (view.settled, view.amount) == (True, Amount.EXACT)


async def test_a_contract_and_a_plain_transfer_in_one_block_are_both_credited_once(
    paying: Paying, wallet: EvmWallet, till: str
) -> None:
    asked = await paying.requested(Asset.ETH)
    half = asked.due.units // 2
    wallet.automine(False)
    wallet.pay("ETH", asked.address, half)
    wallet.mine(1)
    wallet.automine(True)
    wallet.call("till", till, "pay", asked.address, asked.due.units - half)
    await paying.settle(CHAIN)
    view = await paying.payment(asked.payment_id)
    assert sorted(came(view)) == [(False, half, True), (True, asked.due.units - half, True)]
    assert (view.settled, view.received.units) == (True, asked.due.units)


async def test_a_reorg_takes_an_internal_transfer_back_and_the_same_amount_revives_it(
    paying: Paying, wallet: EvmWallet, till: str
) -> None:
    asked = await paying.requested(Asset.ETH)
    txid = wallet.call("till", till, "pay", asked.address, asked.due.units)
    wallet.mine(1)
    await paying.settle(CHAIN)
    assert (await paying.payment(asked.payment_id)).settled
    wallet.reorg(2)
    await paying.settle(CHAIN)
    lost = await paying.payment(asked.payment_id)
    assert (lost.settled, lost.finality, lost.amount) == (False, Finality.REVERSED, Amount.NONE)
    wallet.call("till", till, "pay", asked.address, asked.due.units)
    await paying.settle(CHAIN)
    again = await paying.payment(asked.payment_id)
    assert again.settled
    assert came(again) == [(True, asked.due.units, True)]
    assert txid not in {each.txid for each in again.transfers}


async def test_a_reorg_that_keeps_the_call_keeps_the_payment(paying: Paying, wallet: EvmWallet, till: str) -> None:
    asked = await paying.requested(Asset.ETH)
    other = wallet.pay("ETH", wallet.address, 1)
    txid = wallet.call("till", till, "pay", asked.address, asked.due.units)
    wallet.mine(1)
    await paying.settle(CHAIN)
    wallet.reorg(3, keep=[other, txid])
    await paying.settle(CHAIN)
    view = await paying.payment(asked.payment_id)
    assert view.settled
    assert came(view) == [(True, asked.due.units, True)]
    assert view.transfers[0].height is not None
    assert view.transfers[0].height < int(call(wallet.rpc_url, "eth_blockNumber"), 16)


async def test_another_amount_after_a_reorg_is_a_new_sighting(paying: Paying, wallet: EvmWallet, till: str) -> None:
    """Correctness 13: a replacement is a new sighting, so a reorganisation is no free option on the rate."""
    asked = await paying.requested(Asset.ETH)
    wallet.call("till", till, "pay", asked.address, asked.due.units // 2)
    wallet.mine(1)
    await paying.settle(CHAIN)
    wallet.reorg(2)
    wallet.call("till", till, "pay", asked.address, asked.due.units)
    await paying.settle(CHAIN)
    view = await paying.payment(asked.payment_id)
    assert came(view) == [(True, asked.due.units // 2, False), (True, asked.due.units, True)]
    assert view.settled


async def test_a_sweep_makes_neither_a_phantom_payment_nor_a_negative_one(
    paying: Paying, wallet: EvmWallet, till: str
) -> None:
    """What leaves is read from the blocks, gas included, also of a transaction that fails."""
    asked = await paying.requested(Asset.ETH)
    wallet.call("till", till, "pay", asked.address, asked.due.units)
    await paying.settle(CHAIN)
    sweeper = Impersonated(wallet.rpc_url, asked.address)
    sweeper.send(wallet.address, asked.due.units // 2)
    await paying.settle(CHAIN)
    sweeper.send(till, 1, data="0xdeadbeef", gas=60_000)  # it fails, and burns gas all the same
    await paying.settle(CHAIN)
    wallet.call("till", till, "pay", asked.address, 777)
    await paying.settle(CHAIN)
    view = await paying.payment(asked.payment_id)
    assert came(view) == [(True, asked.due.units, True), (True, 777, False)]  # dust counts for nothing, and is noted
    assert view.settled
    left = await paying.db.run(OUTFLOWS)
    balance = int(call(wallet.rpc_url, "eth_getBalance", asked.address, "latest"), 16)
    assert len(left) == 2
    assert balance == asked.due.units + 777 - sum(units for _, units, _ in left)


async def test_a_sweep_that_a_reorg_takes_back_is_forgotten(paying: Paying, wallet: EvmWallet, till: str) -> None:
    asked = await paying.requested(Asset.ETH)
    wallet.call("till", till, "pay", asked.address, asked.due.units)
    await paying.settle(CHAIN)
    Impersonated(wallet.rpc_url, asked.address).send(wallet.address, 10**9)
    await paying.settle(CHAIN)
    assert len(await paying.db.run(OUTFLOWS)) == 1
    wallet.reorg(1)
    await paying.settle(CHAIN)
    assert list(await paying.db.run(OUTFLOWS)) == []
    assert came(await paying.payment(asked.payment_id)) == [(True, asked.due.units, True)]


async def test_what_lay_at_an_address_before_it_was_handed_out_pays_nothing(
    paying: Paying, wallet: EvmWallet, till: str
) -> None:
    """The account key may be in use elsewhere too."""
    account, shop_id = paying.payout[Family.EVM], paying.ordering.shop.shop_id
    index = await paying.requesting.pool.next_index(account, "evm") + 1
    address = paying.requesting.account_keys.receive(shop_id, paying.requesting.chains[0], account, index).address
    order, by = await paying.ordered()
    wallet.call("till", till, "pay", address, 10**18)
    await paying.settle(CHAIN)
    asked = await paying.request(order.order_id, by, Asset.ETH)
    assert asked.address == address
    wallet.mine(1)
    await paying.settle(CHAIN)
    assert came(await paying.payment(asked.payment_id)) == []
    wallet.call("till", till, "pay", asked.address, asked.due.units)
    await paying.settle(CHAIN)
    view = await paying.payment(asked.payment_id)
    assert came(view) == [(True, asked.due.units, True)]
    assert view.settled


async def test_a_closed_address_is_looked_at_once_a_day(paying: Paying, wallet: EvmWallet, till: str) -> None:
    asked = await paying.requested(Asset.ETH)
    wallet.mine(1)
    await paying.past(asked.payment_id, GRACE + timedelta(minutes=1))
    await paying.scan(CHAIN)
    assert await paying.expire() == 1
    wallet.call("till", till, "pay", asked.address, asked.due.units)
    await paying.settle(CHAIN)
    assert came(await paying.payment(asked.payment_id)) == []  # today's round has been there
    await paying.db.run(YESTERDAY)
    wallet.mine(1)
    await paying.settle(CHAIN)
    view = await paying.payment(asked.payment_id)
    assert came(view) == [(True, asked.due.units, True)]
    assert (view.settled, view.expired) == (False, True)


async def test_ether_at_an_address_for_tokens_is_noted_and_counts_for_nothing(
    paying: Paying, wallet: EvmWallet, till: str
) -> None:
    asked = await paying.requested(Asset.USDC)
    wallet.call("till", till, "pay", asked.address, 10**17)
    await paying.db.run(YESTERDAY)
    await paying.settle(CHAIN)
    view = await paying.payment(asked.payment_id)
    assert [(each.received.asset, each.counts) for each in view.transfers] == [(Asset.ETH, False)]


async def test_after_downtime_it_is_found_in_the_block_it_came_with(
    paying: Paying, wallet: EvmWallet, till: str
) -> None:
    """So it is neither late nor short of confirmations because nobody watched."""
    asked = await paying.requested(Asset.ETH)
    wallet.mine(30)
    wallet.call("till", till, "pay", asked.address, asked.due.units)
    paid_in = int(call(wallet.rpc_url, "eth_blockNumber"), 16)
    wallet.mine(50)
    await paying.db.run(
        Sql("update chain_cursors set caught_up_at = caught_up_at - :by::text::interval"), by=f"{2 * BEHIND}"
    )
    await paying.settle(CHAIN)
    view = await paying.payment(asked.payment_id)
    assert view.settled
    assert [each.height for each in view.transfers] == [paid_in]


async def test_a_node_that_forgot_the_states_of_the_downtime_has_the_last_one(
    paying: Paying, wallet: EvmWallet, till: str
) -> None:
    """Most nodes keep the states of some minutes: what came before counts from the first block they can tell of."""
    asked = await paying.requested(Asset.ETH)
    token = await paying.requested(Asset.USDC)
    wallet.call("till", till, "pay", asked.address, asked.due.units)
    wallet.pay("USDC", token.address, token.due.units)
    wallet.mine(60)
    tip = int(call(wallet.rpc_url, "eth_blockNumber"), 16)
    with LyingNode(wallet.rpc_url) as node:
        node.forgets_before = tip - 3
        chain = evm_chain(replace(paying.chains[CHAIN], rpc=node.url))
        await paying.watcher(CHAIN, node=chain, range_blocks=10).run(by=By("watch_evm"))
        await chain.close()
        assert node.refused > 5
    await paying.confirm()
    view = await paying.payment(asked.payment_id)
    assert view.settled
    assert [each.height for each in view.transfers] == [tip - 3]
    assert (await paying.payment(token.payment_id)).settled


class Impersonated:
    """The merchant's own wallet, which has the key of the address; the node signs here in its place."""

    def __init__(self, rpc_url: str, address: str) -> None:
        self._rpc_url = rpc_url
        self._address = address
        self._web3 = Web3(HTTPProvider(rpc_url))
        call(rpc_url, "anvil_impersonateAccount", address)

    def send(self, to: str, wei: int, *, data: str = "0x", gas: int = 21_000) -> None:
        """Send so much, at whatever fee; it may fail once it is mined."""
        transaction = {"from": self._address, "to": to, "value": hex(wei), "data": data, "gas": hex(gas)}
        txid = call(self._rpc_url, "eth_sendTransaction", transaction)
        self._web3.eth.wait_for_transaction_receipt(txid, timeout=10, poll_latency=0.005)
