"""Settling before the block under a loss cap, on a real Bitcoin node: taken at once, bounded, taken back at once."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from emulators.component import Running
from emulators.wallets import BitcoinWallet
from shared.adapters.postgres.database import Sql
from shared.adapters.postgres.ledger_check import check
from shared.kernel.decision import AlreadyTaken, By, Taking
from shared.kernel.ids import EventId, PaymentId
from shared.kernel.money import Asset
from shared.payments.accept_sighting import accept_sighting
from shared.payments.facts import ChainTransfer, PaymentSeen
from shared.payments.model import Finality, PaymentView
from tests.integration.paying import Paying, both

CHAIN = "bitcoin"
PRICE = 420
TAKES = Sql("update shops set zero_confirmation = :policy::jsonb")
DISPUTED = Sql("update chain_cursors set agreed = height - 1")
AGREED = Sql("update chain_cursors set agreed = null")
LONG_AGO = Sql("update payments set exposed_at = exposed_at - interval '2 hours' where payment_id = :id")


@pytest.fixture(scope="module")
def wallet(bitcoin: Running) -> BitcoinWallet:
    return BitcoinWallet(bitcoin.env["BITCOIN_RPC_URL"], coins=6)


@pytest.fixture
async def paying(database: str, bitcoin: Running) -> AsyncIterator[Paying]:
    paying = await Paying(database, both(dict(bitcoin.env), None)).opened()
    await paying.scan(CHAIN)
    yield paying
    assert [each for each in await paying.replayed() if "exposed_at" not in each] == []
    report = await paying.db.call(lambda connection: check(connection, post=True))
    assert report.holds
    await paying.closed()


async def takes(paying: Paying, *, orders: int, cap: int) -> None:
    """Let the shop take orders up to so many cents before the block, and bear so many in an hour."""
    policy = f'{{"max_order": "{orders}", "hourly_cap": "{cap}"}}'
    await paying.db.run(TAKES, policy=policy)


async def sighted(paying: Paying, payment_id: PaymentId) -> None:
    """Tell the operation of a sighting, twice at once: it re-reads what is so."""
    stored = await paying.store.load(payment_id)
    assert stored is not None
    state = stored.state
    who = {name: getattr(state, name) for name in ("order_id", "shop_id", "merchant_id", "customer_id")}
    transfer = ChainTransfer(chain=CHAIN, txid="-", position=0)
    fact = PaymentSeen(
        **who, payment_id=payment_id, transfer=transfer, units=1, seen_at=state.changed_at, at=state.changed_at
    )
    once = Taking("accept_sighting", EventId.new())

    async def call() -> None:
        try:
            await accept_sighting(fact, by=By("accept_sighting", once=once), using=paying.payments)
        except AlreadyTaken:
            return

    await asyncio.gather(call(), call())


async def paid(paying: Paying, wallet: BitcoinWallet) -> tuple[PaymentView, str]:
    asked = await paying.requested(Asset.BTC)
    txid = wallet.pay(asked.address, asked.due.units)
    await paying.scan(CHAIN)
    await sighted(paying, asked.payment_id)
    return await paying.payment(asked.payment_id), txid


async def test_an_order_within_the_cap_is_settled_by_its_sighting_and_freed_by_its_confirmation(
    paying: Paying, wallet: BitcoinWallet
) -> None:
    await takes(paying, orders=PRICE, cap=PRICE)
    first, _ = await paid(paying, wallet)
    assert (first.settled, first.exposed, first.finality) == (True, True, Finality.SEEN)
    await paying.confirm()
    second, _ = await paid(paying, wallet)
    assert not second.settled  # the cap bears one
    wallet.mine(1)
    await paying.settle(CHAIN)
    views = [await paying.payment(each.payment_id) for each in (first, second)]
    assert [(view.settled, view.exposed, view.finality) for view in views] == [(True, False, Finality.CONFIRMED)] * 2
    assert await paying.facts(first.payment_id) == ["requested", "seen", "settled", "included", "confirmed"]
    third, _ = await paid(paying, wallet)
    assert not third.settled  # within the hour
    wallet.mine(1)
    await paying.db.run(LONG_AGO, id=first.payment_id)
    fourth, _ = await paid(paying, wallet)
    assert fourth.settled


async def test_rule_9_many_sightings_at_once_never_expose_a_shop_beyond_its_cap(
    paying: Paying, wallet: BitcoinWallet
) -> None:
    await takes(paying, orders=PRICE, cap=3 * PRICE)
    asked = [await paying.requested(Asset.BTC) for _ in range(10)]
    wallet.pay_many([(each.address, each.due.units) for each in asked])
    await paying.scan(CHAIN)
    await asyncio.gather(*(sighted(paying, each.payment_id) for each in asked))
    views = [await paying.payment(each.payment_id) for each in asked]
    assert sum(view.settled for view in views) == 3
    wallet.mine(1)
    await paying.settle(CHAIN)
    assert all([(await paying.payment(each.payment_id)).settled for each in asked])


async def test_a_double_spend_takes_it_back_before_any_block(paying: Paying, wallet: BitcoinWallet) -> None:
    await takes(paying, orders=PRICE, cap=10 * PRICE)
    asked, txid = await paid(paying, wallet)
    assert asked.settled
    wallet.replace(txid)
    await paying.scan(CHAIN)
    await sighted(paying, asked.payment_id)
    lost = await paying.payment(asked.payment_id)
    assert (lost.settled, lost.finality) == (False, Finality.REVERSED)
    wallet.mine(1)
    await paying.settle(CHAIN)
    assert not (await paying.payment(asked.payment_id)).settled
    wallet.pay(asked.address, asked.due.units)
    await paying.scan(CHAIN)
    await sighted(paying, asked.payment_id)
    assert not (await paying.payment(asked.payment_id)).settled  # who cheated once waits for the block
    wallet.mine(1)
    await paying.settle(CHAIN)
    assert (await paying.payment(asked.payment_id)).settled


async def test_nothing_is_taken_before_its_block_while_two_nodes_do_not_agree(
    paying: Paying, wallet: BitcoinWallet
) -> None:
    await takes(paying, orders=PRICE, cap=10 * PRICE)
    await paying.db.run(DISPUTED)
    asked, _ = await paid(paying, wallet)
    assert not asked.settled
    await paying.db.run(AGREED)
    await sighted(paying, asked.payment_id)
    assert (await paying.payment(asked.payment_id)).settled
    wallet.mine(1)
    await paying.settle(CHAIN)


@pytest.mark.parametrize("policy", [None, PRICE - 1])
async def test_no_shop_takes_a_risk_it_has_not_asked_for(
    paying: Paying, wallet: BitcoinWallet, policy: int | None
) -> None:
    if policy is not None:
        await takes(paying, orders=policy, cap=100 * PRICE)
    asked, _ = await paid(paying, wallet)
    assert not asked.settled
    wallet.mine(1)
