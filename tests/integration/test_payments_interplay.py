"""What one payment does to others, on real engines: one that can't be decided about, two quotes of one order."""

import asyncio
from datetime import timedelta

import pytest

from emulators.component import Running
from emulators.wallets import BitcoinWallet, EvmWallet
from shared.adapters.postgres.database import Sql
from shared.kernel.decision import By, Taking
from shared.kernel.ids import EventId
from shared.kernel.money import Asset
from shared.payments.accept_sighting import accept_sighting
from shared.payments.confirm_block import confirm_block
from shared.payments.facts import BlockScanned, ChainTransfer, PaymentSeen
from shared.payments.model import Finality, Payment, PaymentView
from tests.integration.locks import Locker
from tests.integration.paying import Paying, both

CHAIN = "evm:31337"
GARBLED = Sql("update payments set transfers = '[{}]' where payment_id = :id returning 1")
TRANSFERS = Sql("select transfers::text from payments where payment_id = :id")
MENDED = Sql("update payments set transfers = :transfers::jsonb where payment_id = :id")
BEHIND = Sql("update payments set version = version + :by::bigint where payment_id = :id")
TAKES = Sql('update shops set zero_confirmation = \'{"max_order": "9999", "hourly_cap": "9999"}\'')
OVERDUE = Sql("update payments set expires_at = expires_at - interval '2 days' where payment_id = any(:ids::text[])")


async def state(paying: Paying, asked: PaymentView) -> Payment:
    stored = await paying.store.load(asked.payment_id)
    assert stored is not None
    return stored.state


async def confirmed(paying: Paying, event_id: EventId) -> int:
    """Call confirm_block with a block's event of that id."""
    cursor, now = await paying.cursor(CHAIN), paying.confirming.clock.now()
    fact = BlockScanned(
        chain=CHAIN, height=cursor.height, block_hash=cursor.hash, final_height=cursor.height - 1, scanned_at=now
    )
    by = By("confirm_block", once=Taking("confirm_block", event_id))
    return await confirm_block(fact, by=by, using=paying.confirming)


async def test_a_payment_whose_row_is_garbled_stops_no_other_and_is_told(paying: Paying, wallet: EvmWallet) -> None:
    asked = [await paying.requested(Asset.USDC) for _ in range(3)]
    for each in asked:
        wallet.pay("USDC", each.address, each.due.units)
    await paying.scan(CHAIN)
    broken, event_id = asked[1].payment_id, EventId.new()
    transfers = (await paying.db.run(TRANSFERS, id=broken))[0][0]
    await paying.db.run(GARBLED, id=broken)
    with pytest.raises(ValueError, match="validation error"):
        await confirmed(paying, event_id)
    assert [(await state(paying, each)).settled for each in (asked[0], asked[2])] == [True, True]
    await paying.db.run(MENDED, id=broken, transfers=transfers)
    assert await confirmed(paying, event_id) >= 1  # the event was not taken
    assert (await state(paying, asked[1])).settled


async def test_a_payment_whose_facts_clash_stops_no_other_from_expiring(paying: Paying) -> None:
    asked = [await paying.requested(Asset.USDC) for _ in range(3)]
    await paying.scan(CHAIN)
    await paying.db.run(OVERDUE, ids=[each.payment_id for each in asked])
    await paying.db.run(BEHIND, id=asked[0].payment_id, by=-1)  # its next fact has the number of one that exists
    with pytest.raises(Exception, match="events"):
        await paying.expire()
    assert [(await state(paying, each)).expired for each in asked] == [False, True, True]
    await paying.db.run(BEHIND, id=asked[0].payment_id, by=1)
    assert await paying.expire() == 1


async def test_rule_14_the_payment_that_settles_first_is_lost_in_the_very_block_that_pays_the_other(
    paying: Paying, wallet: EvmWallet
) -> None:
    order, by = await paying.ordered()
    first = await paying.request(order.order_id, by, Asset.USDC)
    second = await paying.request(order.order_id, by, Asset.USDT)
    wallet.pay("USDC", first.address, first.due.units)
    await paying.settle(CHAIN)
    assert (await state(paying, first)).settled
    wallet.reorg(1)
    wallet.pay("USDT", second.address, second.due.units)
    await paying.settle(CHAIN)
    lost, paid = await state(paying, first), await state(paying, second)
    assert (lost.settled, lost.finality, paid.settled, paid.closed) == (False, Finality.REVERSED, True, None)
    wallet.pay("USDC", first.address, first.due.units)
    await paying.settle(CHAIN)
    assert (await state(paying, first)).closed == "paid_otherwise"
    assert await paying.replayed() == []


async def test_deciding_about_a_sighting_waits_for_no_watcher_that_waits_for_it(paying: Paying, database: str) -> None:
    """Whoever writes what was read locks the cursor, then payments; in another order the two would wait for ever."""
    asked = await paying.requested(Asset.USDC)
    payment = await state(paying, asked)
    who = {name: getattr(payment, name) for name in ("order_id", "shop_id", "merchant_id", "customer_id")}
    seen = PaymentSeen(
        **who,
        payment_id=asked.payment_id,
        transfer=ChainTransfer(chain=CHAIN, txid="-", position=0),
        units=1,
        seen_at=payment.changed_at,
    )
    locker = Locker(database)
    try:
        locker.hold(f"select from chain_cursors where chain = '{CHAIN}' for update")
        call = asyncio.create_task(
            accept_sighting(
                seen,
                by=By("accept_sighting", once=Taking("accept_sighting", EventId.new())),
                using=paying.payments,
            )
        )
        await locker.waiting(1)
        free = f"select payment_id from payments where payment_id = '{asked.payment_id}' for update nowait"
        assert locker.admin.execute(free)
        locker.release()
        assert not await call
    finally:
        locker.close()


async def test_rule_9_what_was_taken_before_its_block_and_is_never_mined_is_taken_back(
    database: str, bitcoin: Running
) -> None:
    paying = await Paying(database, both(dict(bitcoin.env), None)).opened()
    try:
        await paying.scan("bitcoin")
        await paying.db.run(TAKES)
        asked = await paying.requested(Asset.BTC)
        BitcoinWallet(bitcoin.env["BITCOIN_RPC_URL"], coins=1).pay(asked.address, asked.due.units)
        await paying.scan("bitcoin")
        payment = await state(paying, asked)
        who = {name: getattr(payment, name) for name in ("order_id", "shop_id", "merchant_id", "customer_id")}
        transfer = ChainTransfer(chain="bitcoin", txid="-", position=0)
        seen = PaymentSeen(**who, payment_id=asked.payment_id, transfer=transfer, units=1, seen_at=payment.changed_at)
        once = Taking("accept_sighting", EventId.new())
        assert await accept_sighting(seen, by=By("accept_sighting", once=once), using=paying.payments)
        for minutes, changed in ((59, 0), (61, 1)):
            await paying.past(asked.payment_id, timedelta(minutes=minutes))
            await paying.scan("bitcoin")
            assert await paying.expire() == changed
        assert (await state(paying, asked)).finality is Finality.REVERSED
    finally:
        await paying.closed()
