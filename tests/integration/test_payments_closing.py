"""How payments end besides expiring: another coin, an order called off, goods gone unpaid, late coins. Real engines."""

import asyncio
from datetime import timedelta

import pytest

from emulators.wallets import EvmWallet
from shared.adapters.postgres.database import Sql
from shared.adapters.postgres.ledger_check import check
from shared.kernel.decision import AlreadyTaken, By, Taking
from shared.kernel.ids import EventId
from shared.kernel.money import Asset
from shared.orders.expire_order import expire_order
from shared.orders.facts import OrderCancelled, OrderCompleted
from shared.payments.close_payment import close_payment
from shared.payments.facts import Closing, PaymentExpired
from shared.payments.model import Finality, PaymentView
from shared.payments.statement import BalanceView
from shared.payments.write_off_payment import write_off_payment
from tests.integration.paying import Paying

CHAIN = "evm:31337"
STATUS = Sql("update orders set status = :status, payment_id = :payment_id where order_id = :order_id")
RATE = Sql("update price_latest set rate = rate * :by::numeric where asset = :asset")


async def told(paying: Paying, asked: PaymentView, status: str) -> int:
    """Let the order be so, and tell the operation whose business it is, twice at once and once again."""
    await paying.db.run(STATUS, status=status, payment_id=asked.payment_id, order_id=asked.order_id)
    stored = await paying.store.load(asked.payment_id)
    assert stored is not None
    state = stored.state
    who = {name: getattr(state, name) for name in ("order_id", "shop_id", "merchant_id", "customer_id")}
    changed = 0

    async def call(event_id: EventId) -> int:
        try:
            if status == "cancelled":
                by = By("close_payment", once=Taking("close_payment", event_id))
                fact = OrderCancelled(**who, at=state.changed_at, cancelled_by="them")
                return await close_payment(fact, by=by, using=paying.payments)
            by = By("write_off_payment", once=Taking("write_off_payment", event_id))
            done = OrderCompleted(**who, at=state.changed_at)
            return await write_off_payment(done, by=by, using=paying.payments)
        except AlreadyTaken:
            return 0

    same = EventId.new()
    changed += sum(await asyncio.gather(call(same), call(same)))
    return changed + await call(EventId.new())


async def books(paying: Paying, asset: Asset) -> BalanceView:
    """Return the ledger of the asset, posted up to now, proven against the events."""
    report = await paying.db.call(lambda connection: check(connection, post=True))
    assert report.holds
    return next((each for each in report.balances if each.asset is asset), BalanceView.of(asset, {}))


async def test_rule_14_two_quotes_paid_in_one_block_settle_the_order_once(paying: Paying, wallet: EvmWallet) -> None:
    order, by = await paying.ordered()
    first = await paying.request(order.order_id, by, Asset.USDC)
    second = await paying.request(order.order_id, by, Asset.ETH)
    wallet.pay("USDC", first.address, first.due.units)
    wallet.pay("ETH", second.address, second.due.units)
    await paying.settle(CHAIN)
    views = [await paying.payment(each.payment_id) for each in (first, second)]
    assert sorted(view.settled for view in views) == [False, True]
    assert {view.closed for view in views} == {None, Closing.PAID_OTHERWISE}
    held = next(view for view in views if not view.settled)
    assert (await books(paying, held.asset)).refundable == held.due.units


async def test_rule_14_the_second_quote_is_held_also_when_it_is_paid_later(paying: Paying, wallet: EvmWallet) -> None:
    order, by = await paying.ordered()
    first = await paying.request(order.order_id, by, Asset.USDC)
    second = await paying.request(order.order_id, by, Asset.USDT)
    wallet.pay("USDT", second.address, second.due.units)
    await paying.settle(CHAIN)
    wallet.pay("USDC", first.address, first.due.units)
    await paying.settle(CHAIN)
    assert (await paying.payment(second.payment_id)).settled
    assert await paying.facts(first.payment_id) == ["requested", "superseded", "seen", "included", "closed"]
    assert await paying.replayed() == []


async def test_what_was_paid_for_an_order_called_off_is_refundable_before_and_after_it_settled(
    paying: Paying, wallet: EvmWallet
) -> None:
    paid, unpaid = await paying.requested(Asset.USDC), await paying.requested(Asset.USDC)
    wallet.pay("USDC", paid.address, paid.due.units)
    await paying.settle(CHAIN)
    assert (await books(paying, Asset.USDC)).settled == paid.due.units
    assert [await told(paying, each, "cancelled") for each in (paid, unpaid)] == [1, 1]
    wallet.pay("USDC", unpaid.address, unpaid.due.units)
    await paying.settle(CHAIN)
    stands = await books(paying, Asset.USDC)
    assert (stands.settled, stands.refundable) == (0, paid.due.units + unpaid.due.units)
    assert not (await paying.payment(unpaid.payment_id)).settled
    assert await paying.replayed() == []


async def test_rule_9_after_hand_over_a_reversal_is_written_off_and_recovered_when_coins_come(
    paying: Paying, wallet: EvmWallet
) -> None:
    asked = await paying.requested(Asset.USDC)
    wallet.pay("USDC", asked.address, asked.due.units)
    wallet.mine(1)
    await paying.settle(CHAIN)
    assert await told(paying, asked, "completed") == 0  # paid: nothing is lost
    wallet.reorg(2)
    await paying.settle(CHAIN)
    assert (await paying.payment(asked.payment_id)).finality is Finality.REVERSED
    assert await told(paying, asked, "completed") == 1
    stands = await books(paying, Asset.USDC)
    assert (stands.settled, stands.shortfall) == (asked.due.units, asked.due.units)
    await paying.past(asked.payment_id, timedelta(days=3))
    await paying.scan(CHAIN)
    assert await paying.expire() == 0
    wallet.pay("USDC", asked.address, asked.due.units)
    await paying.settle(CHAIN)
    stands = await books(paying, Asset.USDC)
    assert (stands.settled, stands.shortfall) == (asked.due.units, 0)


@pytest.mark.parametrize(("price", "settles"), [("1", True), ("0.9", False), ("1.2", True)])
async def test_late_coins_settle_while_the_present_price_covers_the_order(
    paying: Paying, wallet: EvmWallet, price: str, settles: bool
) -> None:
    asked = await paying.requested(Asset.ETH)
    await paying.past(asked.payment_id, timedelta(minutes=5))
    wallet.pay("ETH", asked.address, asked.due.units)
    await paying.db.run(RATE, asset="ETH", by=price)
    await paying.settle(CHAIN)
    view = await paying.payment(asked.payment_id)
    assert (view.settled, view.timing) == (settles, "late")
    if not settles:
        await paying.db.run(RATE, asset="ETH", by="1.2")
        wallet.mine(1)
        await paying.settle(CHAIN)
        assert (await paying.payment(asked.payment_id)).settled


async def test_late_coins_wait_while_no_feed_says_a_price_and_those_in_time_do_not(
    paying: Paying, wallet: EvmWallet
) -> None:
    late, in_time = await paying.requested(Asset.ETH), await paying.requested(Asset.ETH)
    await paying.past(late.payment_id, timedelta(minutes=5))
    for each in (late, in_time):
        wallet.pay("ETH", each.address, each.due.units)
    await paying.db.run(Sql("update price_latest set at = at - interval '1 day'"))
    await paying.settle(CHAIN)
    assert [(await paying.payment(each.payment_id)).settled for each in (late, in_time)] == [False, True]


async def test_an_order_expires_with_the_last_of_its_payments(paying: Paying) -> None:
    order, by = await paying.ordered()
    payments = [await paying.request(order.order_id, by, asset) for asset in (Asset.USDC, Asset.ETH)]
    for payment, status in zip(payments, ("pending", "expired"), strict=True):
        await paying.past(payment.payment_id, timedelta(minutes=11))
        await paying.scan(CHAIN)
        assert await paying.expire() == 1
        who = {name: getattr(payment, name) for name in ("payment_id", "order_id", "shop_id")}
        stored = await paying.store.load(payment.payment_id)
        assert stored is not None
        who |= {name: getattr(stored.state, name) for name in ("merchant_id", "customer_id")}
        fact = PaymentExpired(**who, at=stored.state.changed_at)
        by = By("expire_order", once=Taking("expire_order", EventId.new()))
        await expire_order(fact, by=by, using=paying.orders)
        found = await paying.orders.store.load(order.order_id)
        assert found is not None
        assert found.state.status == status
