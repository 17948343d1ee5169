"""Payments in BTC on a real node: sighted, mined, settled, reorganised, replaced, read after downtime."""

from collections.abc import AsyncIterator

import pytest

from emulators.component import Running
from emulators.json_rpc import call
from emulators.wallets import BitcoinWallet
from shared.kernel.decision import By
from shared.kernel.money import Asset
from shared.payments.model import Amount, Finality, Timing
from tests.integration.paying import Paying, both

CHAIN = "bitcoin"


@pytest.fixture(scope="module")
def wallet(bitcoin: Running) -> BitcoinWallet:
    return BitcoinWallet(bitcoin.env["BITCOIN_RPC_URL"], coins=10)


@pytest.fixture
async def paying(database: str, bitcoin: Running) -> AsyncIterator[Paying]:
    paying = await Paying(database, both(dict(bitcoin.env), None), {"BTC": 2}).opened()
    await paying.scan(CHAIN)
    yield paying
    assert await paying.replayed() == []
    await paying.closed()


async def test_a_payment_is_seen_at_once_settled_by_policy_and_final_by_depth(
    paying: Paying, wallet: BitcoinWallet
) -> None:
    asked = await paying.requested(Asset.BTC)
    txid = wallet.pay(asked.address, asked.due.units)
    await paying.settle(CHAIN)
    seen = await paying.payment(asked.payment_id)
    assert (seen.amount, seen.timing, seen.finality, seen.settled) == (
        Amount.EXACT,
        Timing.ON_TIME,
        Finality.SEEN,
        False,
    )
    assert [(each.txid, each.height) for each in seen.transfers] == [(txid, None)]
    wallet.mine()
    await paying.settle(CHAIN)
    assert not (await paying.payment(asked.payment_id)).settled  # the shop wants two confirmations
    wallet.mine()
    await paying.settle(CHAIN)
    settled = await paying.payment(asked.payment_id)
    assert (settled.settled, settled.final, settled.finality) == (True, False, Finality.CONFIRMED)
    wallet.mine(4)
    await paying.settle(CHAIN)
    assert (await paying.payment(asked.payment_id)).finality is Finality.FINAL
    assert await paying.facts(asked.payment_id) == ["requested", "seen", "included", "settled", "final"]


async def test_nothing_is_written_while_the_tip_does_not_move(paying: Paying, wallet: BitcoinWallet) -> None:
    await paying.scan(CHAIN)
    before = await paying.facts("chain_bitcoin")
    await paying.scan(CHAIN)
    await paying.scan(CHAIN)
    assert await paying.facts("chain_bitcoin") == before == ["block_scanned"]


async def test_two_transfers_settle_together_and_too_little_does_not(paying: Paying, wallet: BitcoinWallet) -> None:
    asked = await paying.requested(Asset.BTC)
    wallet.pay(asked.address, asked.due.units - 1000)
    wallet.mine(2)
    await paying.settle(CHAIN)
    partial = await paying.payment(asked.payment_id)
    assert (partial.amount, partial.settled) == (Amount.UNDER, False)
    wallet.pay(asked.address, 1500)
    wallet.mine()
    await paying.settle(CHAIN)
    assert not (await paying.payment(asked.payment_id)).settled
    wallet.mine()
    await paying.settle(CHAIN)
    whole = await paying.payment(asked.payment_id)
    assert (whole.amount, whole.settled) == (Amount.OVER, True)


async def test_a_reorg_of_three_blocks_reverses_the_payment_until_it_is_mined_again(
    paying: Paying, wallet: BitcoinWallet
) -> None:
    asked = await paying.requested(Asset.BTC)
    wallet.pay(asked.address, asked.due.units)
    wallet.mine(3)
    await paying.settle(CHAIN)
    assert (await paying.payment(asked.payment_id)).settled
    wallet.reorg(3, keep=False)
    await paying.settle(CHAIN)
    lost = await paying.payment(asked.payment_id)
    assert (lost.settled, lost.finality) == (False, Finality.REVERSED)
    assert [each.height for each in lost.transfers] == [None]
    wallet.mine(2)
    await paying.settle(CHAIN)
    again = await paying.payment(asked.payment_id)
    assert (again.settled, again.finality, again.amount) == (True, Finality.CONFIRMED, Amount.EXACT)
    assert await paying.facts(asked.payment_id) == [
        *("requested", "seen", "included", "settled"),
        *("excluded", "seen", "reversed", "included", "settled"),
    ]


async def test_a_reorg_that_mines_the_payment_elsewhere_moves_its_inclusion_in_one_commit(
    paying: Paying, wallet: BitcoinWallet
) -> None:
    asked = await paying.requested(Asset.BTC)
    wallet.pay(asked.address, asked.due.units)
    wallet.mine(3)
    await paying.settle(CHAIN)
    wallet.reorg(3)
    await paying.settle(CHAIN)
    after = await paying.payment(asked.payment_id)
    assert after.settled
    assert await paying.facts(asked.payment_id) == ["requested", "seen", "included", "settled", "excluded", "included"]
    height = after.transfers[0].height
    assert after.transfers[0].block_hash == call(wallet.rpc_url, "getblockhash", height)


async def test_a_reorg_before_anything_was_settled_ends_settled_once(paying: Paying, wallet: BitcoinWallet) -> None:
    asked = await paying.requested(Asset.BTC)
    wallet.pay(asked.address, asked.due.units)
    wallet.mine()
    await paying.settle(CHAIN)
    wallet.reorg(1)
    await paying.settle(CHAIN)
    assert (await paying.facts(asked.payment_id)).count("settled") == 1


async def test_a_replaced_transaction_is_taken_back(paying: Paying, wallet: BitcoinWallet) -> None:
    asked = await paying.requested(Asset.BTC)
    txid = wallet.pay(asked.address, asked.due.units)
    await paying.settle(CHAIN)
    assert (await paying.payment(asked.payment_id)).amount is Amount.EXACT
    wallet.replace(txid)
    await paying.settle(CHAIN)
    taken = await paying.payment(asked.payment_id)
    assert (taken.amount, taken.finality) == (Amount.NONE, Finality.NONE)
    assert [each.counts for each in taken.transfers] == [False]
    wallet.mine(2)
    await paying.settle(CHAIN)
    assert not (await paying.payment(asked.payment_id)).settled


async def test_a_replacement_mined_while_nobody_watched_is_found_in_its_block(
    paying: Paying, wallet: BitcoinWallet
) -> None:
    asked = await paying.requested(Asset.BTC)
    txid = wallet.pay(asked.address, asked.due.units)
    await paying.settle(CHAIN)
    wallet.replace(txid)
    wallet.mine(2)
    await paying.settle(CHAIN)
    assert (await paying.payment(asked.payment_id)).amount is Amount.NONE


async def test_blocks_mined_while_nobody_watched_are_read_without_a_gap(paying: Paying, wallet: BitcoinWallet) -> None:
    asked = [await paying.requested(Asset.BTC) for _ in range(3)]
    for each in asked:
        wallet.pay(each.address, each.due.units)
        wallet.mine(4)
    watcher = paying.watcher(CHAIN, range_blocks=2)
    assert await watcher.run(by=By("watch_bitcoin"))
    await paying.confirm()
    for each in asked:
        assert (await paying.payment(each.payment_id)).settled
    tip = int(call(wallet.rpc_url, "getblockcount"))
    assert (await paying.cursor(CHAIN)).height == tip
    assert (await paying.facts("chain_bitcoin")).count("block_scanned") == 1 + 6


async def test_a_pass_over_its_budget_stops_at_a_commit_and_the_next_goes_on(
    paying: Paying, wallet: BitcoinWallet
) -> None:
    asked = await paying.requested(Asset.BTC)
    start = (await paying.cursor(CHAIN)).height
    wallet.mine(5)
    wallet.pay(asked.address, asked.due.units)
    wallet.mine(3)
    watcher = paying.watcher(CHAIN, range_blocks=1, budget_s=0)
    await watcher.run(by=By("watch_bitcoin"))
    assert (await paying.cursor(CHAIN)).height == start + 1
    for _ in range(7):
        await watcher.run(by=By("watch_bitcoin"))
    await paying.confirm()
    assert (await paying.payment(asked.payment_id)).settled
