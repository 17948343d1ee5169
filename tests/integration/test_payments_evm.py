"""Payments in ETH, USDC and USDT on a real node: mined, settled, final, reorganised, in the wrong coin, late.

What watch_evm sees and confirm_block makes of it.
"""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from emulators.component import Running
from emulators.json_rpc import call
from emulators.wallets import EvmWallet
from shared.adapters.postgres.database import Sql
from shared.kernel.money import Asset
from shared.payments.lifecycle import GRACE
from shared.payments.model import Amount, Finality, Timing
from tests.integration.paying import Paying, both

CHAIN = "evm:31337"
UNPROVEN = Sql("update chain_cursors set caught_up_at = clock_timestamp() - interval '1 hour'")


@pytest.fixture(scope="module")
def wallet(ethereum: Running) -> EvmWallet:
    return EvmWallet(ethereum.env["EVM_RPC_URL"])


@pytest.fixture
async def paying(database: str, ethereum: Running, wallet: EvmWallet) -> AsyncIterator[Paying]:
    wallet.mine(20)  # what earlier tests did is final
    paying = await Paying(database, both(None, dict(ethereum.env))).opened()
    await paying.scan(CHAIN)
    yield paying
    assert [each for each in await paying.replayed() if "expires_at" not in each] == []  # which `past` moves
    await paying.closed()


@pytest.mark.parametrize("asset", [Asset.ETH, Asset.USDC, Asset.USDT])
async def test_every_asset_settles_with_its_block_and_is_final_with_the_tag(
    paying: Paying, wallet: EvmWallet, asset: Asset
) -> None:
    asked = await paying.requested(asset)
    wallet.pay(asset, asked.address, asked.due.units)
    await paying.settle(CHAIN)
    settled = await paying.payment(asked.payment_id)
    assert (settled.settled, settled.amount, settled.timing, settled.finality) == (
        True,
        Amount.EXACT,
        Timing.ON_TIME,
        Finality.CONFIRMED,
    )
    wallet.mine(20)
    await paying.settle(CHAIN)
    assert (await paying.payment(asked.payment_id)).finality is Finality.FINAL
    assert await paying.facts(asked.payment_id) == ["requested", "seen", "included", "settled", "final"]


async def test_a_reorg_of_three_blocks_that_loses_the_payment_reverses_it(paying: Paying, wallet: EvmWallet) -> None:
    asked = await paying.requested(Asset.USDC)
    wallet.pay("USDC", asked.address, asked.due.units)
    wallet.mine(2)
    await paying.settle(CHAIN)
    assert (await paying.payment(asked.payment_id)).settled
    wallet.reorg(3)
    await paying.settle(CHAIN)
    lost = await paying.payment(asked.payment_id)
    assert (lost.settled, lost.finality, lost.amount) == (False, Finality.REVERSED, Amount.NONE)
    wallet.pay("USDC", asked.address, asked.due.units)
    await paying.settle(CHAIN)
    again = await paying.payment(asked.payment_id)
    assert (again.settled, again.amount) == (True, Amount.EXACT)


async def test_a_reorg_that_keeps_the_payment_moves_its_inclusion_and_nothing_else(
    paying: Paying, wallet: EvmWallet
) -> None:
    asked = await paying.requested(Asset.ETH)
    other = wallet.pay("ETH", wallet.address, 1)
    txid = wallet.pay("ETH", asked.address, asked.due.units)
    wallet.mine(1)
    await paying.settle(CHAIN)
    wallet.reorg(3, keep=[other, txid])  # now both in one block, which is another one therefore
    await paying.settle(CHAIN)
    assert (await paying.payment(asked.payment_id)).settled
    assert await paying.facts(asked.payment_id) == ["requested", "seen", "included", "settled", "excluded", "included"]


async def test_several_reorgs_while_nobody_watched_end_where_the_chain_does(paying: Paying, wallet: EvmWallet) -> None:
    asked = [await paying.requested(Asset.USDC) for _ in range(3)]
    txids = [wallet.pay("USDC", each.address, each.due.units) for each in asked]
    await paying.settle(CHAIN)
    wallet.reorg(3, keep=[txids[0]])
    wallet.reorg(4, keep=[])
    wallet.pay("USDC", asked[2].address, asked[2].due.units)
    await paying.settle(CHAIN)
    states = [(await paying.payment(each.payment_id)).settled for each in asked]
    assert states == [False, False, True]


async def test_a_thousand_blocks_of_downtime_are_read_without_missing_a_payment(
    paying: Paying, wallet: EvmWallet
) -> None:
    asked = await paying.requested(Asset.USDT)
    wallet.mine(500)
    wallet.pay("USDT", asked.address, asked.due.units)
    wallet.mine(500)
    await paying.settle(CHAIN)
    assert (await paying.payment(asked.payment_id)).settled
    assert (await paying.cursor(CHAIN)).height == int(call(wallet.rpc_url, "eth_blockNumber"), 16)


async def test_another_coin_to_the_address_is_noted_and_counts_for_nothing(paying: Paying, wallet: EvmWallet) -> None:
    asked = await paying.requested(Asset.USDC)
    wallet.pay("USDT", asked.address, asked.due.units)
    wallet.pay("ETH", asked.address, asked.due.units)
    await paying.settle(CHAIN)
    view = await paying.payment(asked.payment_id)
    assert (view.settled, view.amount) == (False, Amount.NONE)
    assert [(each.received.asset, each.counts) for each in view.transfers] == [(Asset.USDT, False), (Asset.ETH, False)]


async def test_what_nobody_paid_expires_when_the_chain_was_read_beyond_it(paying: Paying) -> None:
    asked = await paying.requested(Asset.USDC)
    await paying.past(asked.payment_id, GRACE - timedelta(minutes=1))
    await paying.scan(CHAIN)
    assert await paying.expire() == 0
    await paying.past(asked.payment_id, GRACE + timedelta(minutes=1))
    await paying.db.run(UNPROVEN)
    assert await paying.expire() == 0  # correctness 13: overdue by the clock, not proven by the chain
    await paying.scan(CHAIN)
    assert await paying.expire() == 1
    assert await paying.expire() == 0
    assert await paying.facts(asked.payment_id) == ["requested", "expired"]


async def test_a_payment_within_the_grace_settles_late_instead_of_expiring(paying: Paying, wallet: EvmWallet) -> None:
    asked = await paying.requested(Asset.USDC)
    await paying.past(asked.payment_id, timedelta(minutes=5))
    wallet.pay("USDC", asked.address, asked.due.units)
    await paying.settle(CHAIN)
    assert await paying.expire() == 0
    late = await paying.payment(asked.payment_id)
    assert (late.settled, late.timing) == (True, Timing.LATE)


async def test_money_after_the_grace_is_noted_settles_nothing_and_holds_nothing(
    paying: Paying, wallet: EvmWallet
) -> None:
    asked = await paying.requested(Asset.USDC)
    await paying.past(asked.payment_id, GRACE + timedelta(minutes=1))
    wallet.pay("USDC", asked.address, asked.due.units)
    await paying.settle(CHAIN)
    assert await paying.expire() == 1
    view = await paying.payment(asked.payment_id)
    assert (view.settled, view.expired, view.amount, view.timing) == (False, True, Amount.EXACT, Timing.LATE)


async def test_a_token_payment_settles_within_the_tolerance_and_dust_tokens_count_for_nothing(
    paying: Paying, wallet: EvmWallet
) -> None:
    asked = await paying.requested(Asset.USDC)
    within = asked.due.units * 50 // 10_000
    assert within > 9_999
    wallet.pay("USDC", asked.address, asked.due.units - within - 1)
    wallet.pay("USDC", asked.address, 9_999)  # it would make up for what lacks, were it no dust
    await paying.settle(CHAIN)
    short = await paying.payment(asked.payment_id)
    assert (short.amount, short.settled, short.missing.units) == (Amount.UNDER, False, within + 1)
    assert [each.counts for each in short.transfers] == [True, False]
    wallet.pay("USDC", asked.address, 10_000)
    await paying.settle(CHAIN)
    enough = await paying.payment(asked.payment_id)
    assert (enough.amount, enough.settled, enough.missing.units) == (Amount.EXACT, True, within + 1 - 10_000)
