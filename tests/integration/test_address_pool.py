"""The pool of receive addresses on a real database: each is given once, to one payment, whoever dies in between.

Rule 4: an address is shown only in the commit of its payment. One that was not shown may serve another payment.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from shared.adapters.postgres.address_pool import PostgresAddressPool
from shared.adapters.postgres.database import Connection, Sql
from shared.adapters.postgres.gaps import PostgresGaps
from shared.kernel.clock import SystemClock
from shared.kernel.decision import By
from shared.kernel.encoding import to_json
from shared.kernel.ids import PaymentId
from shared.kernel.money import Asset
from shared.payments.addresses import STALE, TakenAddress
from shared.payments.fill_address_pool import Filling, fill_address_pool
from shared.payments.generate_payment_address import PayoutUnproven, _request
from shared.payments.take_address import take_address
from shared.shops.accounts import Family
from shared.shops.watch_gap_limits import GapWatch, watch_gap_limits
from tests.integration.banking import Banker
from tests.integration.paying import Paying, both

CURSOR = Sql(
    "insert into chain_cursors (chain, merchant_id, height, block_hash, final_height, scanned_at, version, head)"
    " values (:chain, 'mer_0', 1, 'h', 0, clock_timestamp(), 1, ''::bytea)"
)
ROWS = Sql(
    "select derivation_index, payment_id, shown_at is not null, watch_key from receive_addresses"
    " where family = 'bitcoin' order by derivation_index"
)
CLAIMS = Sql("update receive_addresses set claimed_at = claimed_at - interval '1 hour' where shown_at is null")
ACCOUNT = Sql("update shops set payout = jsonb_set(payout, '{bitcoin}', :account::jsonb)")
PAID = Sql("update payments set transfers = '[{}]' where derivation_index = :index")
WARNED = Sql("select convert_from(body, 'UTF8') from events where type = 'shop.gap_limit_near.v1'")
BUSY = Sql("select from receive_addresses where derivation_index = 1 for update")


class Meter:
    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []

    def measured(self, widest: int, near: int) -> None:
        self.told.append((widest, near))


@pytest.fixture
async def paying(database: str) -> AsyncIterator[Paying]:
    chains = both({"BITCOIN_RPC_URL": "http://u:p@127.0.0.1:1"}, {"EVM_RPC_URL": "http://127.0.0.1:1"})
    paying = await Paying(database, chains).opened()
    for chain in paying.chains:
        await paying.db.run(CURSOR, chain=chain)
    yield paying
    await paying.closed()


def filling(paying: Paying, size: int = 10) -> Filling:
    using = paying.requesting
    return Filling(using.pool, using.account_keys, using.chains, size)


async def rows(paying: Paying) -> list[tuple[int, str | None, bool]]:
    return [(index, payment, shown) for index, payment, shown, _ in await paying.db.run(ROWS)]


async def test_addresses_are_derived_ahead_and_each_is_the_one_of_its_index(paying: Paying) -> None:
    first = await paying.requested(Asset.BTC)
    assert await rows(paying) == [(0, first.payment_id, True)]
    assert await fill_address_pool(using=filling(paying)) == 10
    assert await fill_address_pool(using=filling(paying)) == 0
    shop, chain = paying.ordering.shop.shop_id, paying.requesting.chains[0]
    for index, _, _, watch_key in await paying.db.run(ROWS):
        account = paying.payout[Family.BITCOIN]
        assert paying.requesting.account_keys.receive(shop, chain, account, index).key == watch_key
    views = [await paying.requested(Asset.BTC) for _ in range(6)]
    assert [index for index, payment, _ in await rows(paying) if payment] == list(range(7))
    assert len({view.address for view in (first, *views)}) == 7
    assert await fill_address_pool(using=filling(paying)) == 6
    assert [index for index, _, _ in await rows(paying)] == list(range(17))
    assert await paying.replayed() == []


async def test_forty_at_once_get_forty_addresses_while_the_pool_is_filled(paying: Paying) -> None:
    await paying.requested(Asset.BTC)
    await fill_address_pool(using=filling(paying))

    async def fill() -> None:
        for _ in range(4):
            await fill_address_pool(using=filling(paying))

    views, *_ = await asyncio.gather(asyncio.gather(*(paying.requested(Asset.BTC) for _ in range(40))), fill(), fill())
    assert len({view.address for view in views}) == 40
    shown = [(index, payment) for index, payment, shown in await rows(paying) if shown]
    assert len(shown) == len({payment for _, payment in shown}) == 41
    indexes = [index for index, _, _ in await rows(paying)]
    assert indexes == list(range(len(indexes)))


async def test_rule_4_what_was_claimed_and_never_shown_serves_another_payment(paying: Paying) -> None:
    """Killed between the claim and the payment's commit: nobody was told the address, so the next one gets it."""
    using, account = paying.requesting, paying.payout[Family.BITCOIN]
    shop, chain, lost = paying.ordering.shop.shop_id, paying.requesting.chains[0], PaymentId.new()
    taken = await take_address(shop, chain, account, lost, pool=using.pool, account_keys=using.account_keys)
    assert await rows(paying) == [(0, lost, False)]
    await using.pool.recycle(older_than=STALE)
    assert await rows(paying) == [(0, lost, False)]
    await paying.db.run(CLAIMS)
    assert await fill_address_pool(using=filling(paying, 1)) == 0
    view = await paying.requested(Asset.BTC)
    assert (view.address, await rows(paying)) == (taken.receive.address, [(0, view.payment_id, True)])


async def test_rule_4_a_claim_that_was_given_back_meanwhile_is_not_shown(paying: Paying) -> None:
    """A process that was stopped for an hour between claim and commit wakes up: the address may be another's by now."""
    using = paying.requesting
    order, by = await paying.ordered()
    payable = await using.orders.payable(order.order_id)
    assert payable is not None

    paused = replace(using, pool=Paused(paying.db))
    assert await _request(payable, Asset.BTC, using.chains[0], by=replace(by, once=None), using=paused) is None
    assert [(index, shown) for index, _, shown in await rows(paying)] == [(0, False)]


class Paused(PostgresAddressPool):
    """What a process sees of the pool that sleeps for an hour after its claim; another one claims meanwhile."""

    async def add(self, taken: TakenAddress, payment_id: PaymentId) -> None:
        await super().add(taken, payment_id)
        await self._db.run(CLAIMS)
        assert await self.recycle(older_than=STALE) == 1
        assert await self.claim(taken.account, taken.family, PaymentId.new())


async def test_an_address_that_somebody_is_claiming_is_passed_over(paying: Paying) -> None:
    await paying.requested(Asset.ETH)
    await fill_address_pool(using=filling(paying))
    account, pool = paying.payout[Family.EVM], paying.requesting.pool

    def while_locked(connection: Connection) -> int:
        connection.run(BUSY, {})
        taken = asyncio.run_coroutine_threadsafe(pool.claim(account, "evm", PaymentId.new()), loop).result(10)
        assert taken is not None
        return taken.index

    loop = asyncio.get_running_loop()
    assert await paying.db.transaction(while_locked) == 2
    taken = await pool.claim(account, "evm", PaymentId.new())
    assert taken is not None
    assert taken.index == 1


async def test_a_changed_account_serves_no_address_of_before(paying: Paying) -> None:
    old = await paying.requested(Asset.BTC)
    await fill_address_pool(using=filling(paying))
    keys, shop = paying.account_keys, paying.ordering.shop.shop_id
    other = keys.seal(shop, Family.BITCOIN, Banker().account("bitcoin").xpub)
    order, by = await paying.ordered()
    stale = await paying.requesting.orders.payable(order.order_id)
    assert stale is not None
    await paying.db.run(ACCOUNT, account=to_json(other.model_dump()))
    retried = replace(by, once=None)
    assert await _request(stale, Asset.BTC, paying.requesting.chains[0], by=retried, using=paying.requesting) is None
    new = await paying.request(order.order_id, by, Asset.BTC)
    fresh = paying.requesting.account_keys.receive(shop, paying.requesting.chains[0], other, 0)
    assert new.address == fresh.address != old.address
    assert (await paying.payment(old.payment_id)).address == old.address
    assert await fill_address_pool(using=filling(paying)) == 10
    assert {each.account.fingerprint for each in await paying.requesting.pool.thirsty(below=99, limit=9)} == {
        other.fingerprint
    }


async def test_nobody_is_asked_to_pay_to_an_account_that_is_not_proven(paying: Paying) -> None:
    account = paying.payout[Family.BITCOIN].model_copy(update={"unproven": True})
    await paying.db.run(ACCOUNT, account=to_json(account.model_dump()))
    order, by = await paying.ordered()
    with pytest.raises(PayoutUnproven):
        await paying.request(order.order_id, by, Asset.BTC)
    assert (await paying.request(order.order_id, by, Asset.ETH)).asset is Asset.ETH
    assert await rows(paying) == []


async def test_after_a_promotion_without_everything_nothing_is_left_that_may_have_been_shown(paying: Paying) -> None:
    shown = await paying.requested(Asset.BTC)
    await fill_address_pool(using=filling(paying))
    pool = PostgresAddressPool(paying.db)
    assert await pool.discard() == 10
    assert await rows(paying) == [(0, shown.payment_id, True)]
    view = await paying.requested(Asset.BTC)
    assert [(index, payment) for index, payment, _ in await rows(paying)] == [
        (0, shown.payment_id),
        (11, view.payment_id),
    ]


def watch(paying: Paying, meter: Meter, limit: int = 10) -> GapWatch:
    return GapWatch(PostgresGaps(paying.db, region="test"), meter, limit, SystemClock())


async def test_a_merchant_is_warned_once_before_the_wallet_looks_no_further(paying: Paying) -> None:
    meter, by = Meter(), By("watch_gap_limits")
    views = [await paying.requested(Asset.BTC) for _ in range(7)]
    assert await watch_gap_limits(by=by, using=watch(paying, meter)) == 0
    views.append(await paying.requested(Asset.BTC))
    at_once = await asyncio.gather(*(watch_gap_limits(by=by, using=watch(paying, meter)) for _ in range(4)))
    assert sum(at_once) == 1
    views += [await paying.requested(Asset.BTC) for _ in range(5)]
    assert await watch_gap_limits(by=by, using=watch(paying, meter)) == 0
    assert meter.told[0] == (7, 0)
    assert meter.told[-1] == (13, 1)
    ((warning,),) = await paying.db.run(WARNED)
    assert {"unused": 8, "limit": 10, "family": "bitcoin"}.items() <= json.loads(warning).items()
    await paying.db.run(PAID, index=9)
    assert await watch_gap_limits(by=by, using=watch(paying, meter)) == 0
    assert meter.told[-1] == (3, 0)
    for _ in range(5):
        await paying.requested(Asset.BTC)
    assert await watch_gap_limits(by=by, using=watch(paying, meter)) == 1
    assert meter.told[-1] == (8, 1)


async def test_far_beyond_the_limit_it_is_counted_as_far_as_one_looks(paying: Paying) -> None:
    meter = Meter()
    for _ in range(9):
        await paying.requested(Asset.BTC)
    await paying.db.run(PAID, index=0)
    assert await watch_gap_limits(by=By("watch_gap_limits"), using=watch(paying, meter, limit=3)) == 1
    assert meter.told == [(6, 1)]
