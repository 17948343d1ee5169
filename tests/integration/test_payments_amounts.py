"""What counts towards a payment, on a real database: tolerance, dust, too much, and confirmations by the price."""

from collections.abc import AsyncIterator

import pytest

from shared.adapters.postgres.database import Sql
from shared.kernel.decision import By
from shared.kernel.money import Asset
from shared.payments.chain import UnconfirmedTransaction
from shared.payments.lifecycle import GRACE
from shared.payments.model import Amount, Finality, PaymentView
from shared.payments.watch import Watcher
from tests.integration.paying import Paying, both
from tests.scripted_chain import ScriptedChain

CHAIN = "bitcoin"
WATCH = By("watch_bitcoin")
DEARER = Sql("update orders set total = :total::bigint where order_id = :order_id")
TERMS = Sql("select tolerance, dust, final_depth from payments where payment_id = :id")


@pytest.fixture
def chain() -> ScriptedChain:
    return ScriptedChain()


@pytest.fixture
async def paying(database: str) -> AsyncIterator[Paying]:
    paying = await Paying(database, both({"BITCOIN_RPC_URL": "http://u:p@127.0.0.1:1"}, None)).opened()
    yield paying
    # `past` moves expires_at in the row alone.
    assert [each for each in await paying.replayed() if "expires_at" not in each] == []
    await paying.closed()


@pytest.fixture
async def watcher(paying: Paying, chain: ScriptedChain) -> Watcher:
    watcher = paying.watcher(CHAIN, node=chain)
    await watcher.run(by=WATCH)
    return watcher


async def paid(paying: Paying, chain: ScriptedChain, asked: PaymentView, units: int) -> UnconfirmedTransaction:
    """Return a transaction that pays so much; it is nowhere yet."""
    found = await paying.store.load(asked.payment_id)
    assert found is not None
    return chain.paid(found.state.watch_key, units)


async def settled(paying: Paying, watcher: Watcher, asked: PaymentView) -> PaymentView:
    await watcher.run(by=WATCH)
    await paying.confirm()
    return await paying.payment(asked.payment_id)


async def test_one_satoshi_short_settles_becomes_final_and_is_told(
    paying: Paying, chain: ScriptedChain, watcher: Watcher
) -> None:
    asked = await paying.requested(Asset.BTC)
    chain.mine(await paid(paying, chain, asked, asked.due.units - 1))
    view = await settled(paying, watcher, asked)
    assert (view.amount, view.settled, view.missing.units, view.over.units) == (Amount.EXACT, True, 1, 0)
    for _ in range(5):
        chain.mine()
    assert (await settled(paying, watcher, asked)).final
    assert await paying.facts(asked.payment_id) == ["requested", "seen", "included", "settled", "final"]


async def test_the_last_satoshi_of_the_tolerance_decides(
    paying: Paying, chain: ScriptedChain, watcher: Watcher
) -> None:
    within, beyond = await paying.requested(Asset.BTC), await paying.requested(Asset.BTC)
    assert within.due.units == 7119
    tolerance = 7119 * 50 // 10_000
    chain.mine(
        await paid(paying, chain, within, 7119 - tolerance),
        await paid(paying, chain, beyond, 7119 - tolerance - 1),
    )
    assert (await settled(paying, watcher, within)).settled
    short = await paying.payment(beyond.payment_id)
    assert (short.amount, short.settled, short.missing.units) == (Amount.UNDER, False, tolerance + 1)
    chain.mine(await paid(paying, chain, beyond, 294))
    topped_up = await settled(paying, watcher, beyond)
    assert (topped_up.amount, topped_up.settled) == (Amount.OVER, True)


async def test_what_settled_by_tolerance_is_reversed_and_settles_again(
    paying: Paying, chain: ScriptedChain, watcher: Watcher
) -> None:
    asked = await paying.requested(Asset.BTC)
    transaction = await paid(paying, chain, asked, asked.due.units - 1)
    chain.mine(transaction)
    assert (await settled(paying, watcher, asked)).settled
    chain.cut(1)
    chain.mine()
    chain.mine()
    lost = await settled(paying, watcher, asked)
    assert (lost.settled, lost.finality) == (False, Finality.REVERSED)
    chain.mine(transaction)
    assert (await settled(paying, watcher, asked)).settled


async def test_dust_is_recorded_but_holds_neither_order_nor_stock(
    paying: Paying, chain: ScriptedChain, watcher: Watcher
) -> None:
    asked, held = await paying.requested(Asset.BTC), await paying.requested(Asset.BTC)
    chain.mine(
        await paid(paying, chain, asked, 293),
        await paid(paying, chain, asked, 293),
        await paid(paying, chain, held, 294),
    )
    view = await settled(paying, watcher, asked)
    assert (view.amount, view.finality, view.received.units) == (Amount.NONE, Finality.NONE, 0)
    assert [(each.received.units, each.counts) for each in view.transfers] == [(293, False), (293, False)]
    for each in (asked, held):
        await paying.past(each.payment_id, GRACE)
    await watcher.run(by=WATCH)
    assert await paying.expire() == 1
    assert (await paying.payment(asked.payment_id)).expired
    assert not (await paying.payment(held.payment_id)).expired


async def test_too_much_is_told_to_the_satoshi_and_what_came_too_late_apart(
    paying: Paying, chain: ScriptedChain, watcher: Watcher
) -> None:
    asked = await paying.requested(Asset.BTC)
    chain.mine(await paid(paying, chain, asked, asked.due.units + 1))
    view = await settled(paying, watcher, asked)
    assert (view.amount, view.over.units, view.missing.units, view.late.units) == (Amount.OVER, 1, 0, 0)
    await paying.past(asked.payment_id, GRACE)  # what was seen until now came in time
    chain.mine(await paid(paying, chain, asked, 5_000))
    after = await settled(paying, watcher, asked)
    assert (after.over.units, after.received.units, after.settled) == (5_001, asked.due.units + 5_001, True)
    assert after.late.units == 5_000


@pytest.mark.parametrize(
    ("total", "shop", "confirmations", "final_depth"),
    [(9_999, 0, 1, 6), (10_000, 0, 2, 6), (10_000, 1, 2, 6), (10_000, 4, 4, 6), (1_000_000, 4, 6, 12)],
)
async def test_confirmations_and_finality_go_by_the_price_and_a_shop_only_tightens(
    database: str, chain: ScriptedChain, total: int, shop: int, confirmations: int, final_depth: int
) -> None:
    chains = both({"BITCOIN_RPC_URL": "http://u:p@127.0.0.1:1"}, None)
    paying = await Paying(database, chains, {"BTC": shop} if shop else {}).opened()
    watcher = paying.watcher(CHAIN, node=chain)
    await watcher.run(by=WATCH)
    order, by = await paying.ordered()
    await paying.db.run(DEARER, order_id=order.order_id, total=total)
    asked = await paying.request(order.order_id, by, Asset.BTC)
    assert asked.confirmations == confirmations
    tolerance, dust, depth = (await paying.db.run(TERMS, id=asked.payment_id))[0]
    assert (int(tolerance), int(dust), depth) == (asked.due.units * 50 // 10_000, 294, final_depth)
    chain.mine(await paid(paying, chain, asked, asked.due.units))
    seen = [await settled(paying, watcher, asked)]
    for _ in range(final_depth - 1):
        chain.mine()
        seen.append(await settled(paying, watcher, asked))
    assert [view.settled for view in seen].index(True) + 1 == confirmations
    assert [view.final for view in seen].index(True) + 1 == final_depth
    assert await paying.replayed() == []
    await paying.closed()
