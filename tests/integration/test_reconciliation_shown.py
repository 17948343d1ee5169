"""What the owner of a shop sees of reconciliation, and what is done about coins that the shop moved itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.adapters.postgres.database import Sql
from shared.kernel.decision import By, Claim, Role
from shared.kernel.errors import NotFound
from shared.kernel.ids import DifferenceId, MerchantId, ShopId
from shared.kernel.money import Asset
from shared.payments.get_reconciliation import (
    AcknowledgeDifference,
    GetReconciliation,
    ReconciliationView,
    acknowledge_difference,
    get_reconciliation,
)
from shared.payments.reconciliation import Kind
from tests.integration.reconciling import BITCOIN, EVM, World, named


async def test_coins_that_the_shop_moved_itself_are_named_until_somebody_says_so(world: World) -> None:
    btc, eth, usdc = await world.paid(Asset.BTC, Asset.ETH, Asset.USDC)
    assert await world.run() == []
    await world.spent(btc)
    world.sent(eth.address, world.ethers.address, value=eth.due.units // 2)
    world.pay(Asset.ETH, usdc.address, 10**17)
    token = next(each.contract for each in world.paying.chains[EVM].tokens if each.symbol == "USDC")
    transfer = "0xa9059cbb" + world.ethers.address[2:].rjust(64, "0") + f"{usdc.due.units:064x}"
    txid = world.sent(usdc.address, token, call_data=transfer)
    assert await world.run() == []  # in no final block yet
    await world.final()
    found = await world.run()
    assert named(found) == [
        (BITCOIN, Kind.MOVED, Asset.BTC),
        (EVM, Kind.MOVED, Asset.ETH),
        (EVM, Kind.MOVED, Asset.ETH),
        (EVM, Kind.MOVED, Asset.USDC),
    ]
    moved = next(each for each in found if each.asset == Asset.USDC)
    assert (moved.txid, moved.expected, moved.payment_id) == (txid, usdc.due.units, usdc.payment_id)
    assert world.told.summaries[-1].unacknowledged == 3
    shown = await own(world)
    assert len(shown.differences) == 4
    for each in shown.differences:
        command = AcknowledgeDifference(reason="to the vault")
        by = owner(world, Claim("usr_owner", "route", f"key-{each.difference_id}", b"body"))
        kept = await acknowledge_difference(each.difference_id, command, by=by, using=world.showing)
        assert kept.view.reason == "to the vault"
    assert await world.run() == []
    assert world.told.summaries[-1].unacknowledged == 0
    assert len(await world.open()) == 4
    world.sent(eth.address, world.ethers.address, value=1)
    await world.final()
    assert named(await world.run()) == [(EVM, Kind.MOVED, Asset.ETH)]
    assert world.told.summaries[-1].unacknowledged == 1


def owner(world: World, once: Claim | None = None) -> By:
    shop = world.paying.ordering.shop
    return By("usr_owner", frozenset({Role.OWNER}), shop.merchant_id, once=once)


async def own(world: World, **asked: object) -> ReconciliationView:
    wanted = GetReconciliation.model_validate(asked)
    return (await get_reconciliation(wanted, by=owner(world), using=world.showing)).view


async def test_nobody_else_sees_or_acknowledges_a_difference(world: World) -> None:
    (payment,) = await world.paid(Asset.USDC)
    await world.changed(payment, "included = included + 1")
    await world.run()
    (shown,) = (await own(world)).differences
    assert (shown.kind, shown.payment_id) == (Kind.ROW_DIFFERS, payment.payment_id)
    rival = By("usr_rival", frozenset({Role.OWNER}), MerchantId.new(), once=Claim("r", "r", "k", b"b"))
    here = replace(rival, merchant_id=owner(world).merchant_id)
    elsewhere = replace(here, shop_ids=frozenset({ShopId.new(), ShopId.new()}))
    for by in (rival, elsewhere):
        assert (await get_reconciliation(GetReconciliation(), by=by, using=world.showing)).view.differences == ()
    command = AcknowledgeDifference(reason="mine now")
    for id_ in (shown.difference_id, DifferenceId.new()):
        for by in (rival, elsewhere):
            with pytest.raises(NotFound):
                await acknowledge_difference(id_, command, by=by, using=world.showing)
    assert (await own(world)).differences[0].acknowledged_at is None
    bound = replace(here, shop_ids=frozenset({world.paying.ordering.shop.shop_id, ShopId.new()}))
    await acknowledge_difference(shown.difference_id, command, by=bound, using=world.showing)


async def test_a_day_shows_what_was_open_on_it_page_by_page(world: World) -> None:
    payments = await world.paid(Asset.USDC, Asset.USDC, Asset.USDC)
    for payment in payments:
        await world.changed(payment, "included = included + 1")
    await world.run()
    rows = await world.paying.db.run(Sql("select (min(opened_at) at time zone 'UTC')::date from"
                                         " reconciliation_differences"))  # fmt: skip
    day = rows[0][0]
    first = await own(world, day=day, limit=2)
    rest = await own(world, day=day, limit=2, cursor=first.next)
    assert (len(first.differences), len(rest.differences), rest.next) == (2, 1, None)
    assert {run.scope for run in first.runs} == {"books", BITCOIN, EVM}
    before = await own(world, day=day - timedelta(days=1))
    assert (before.differences, before.runs) == ((), ())
    for payment in payments:
        await world.changed(payment, "included = included - 1")
    await world.run()
    assert (await own(world)).differences == ()
    assert len((await own(world, day=day)).differences) == 3
