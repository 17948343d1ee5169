"""Requesting a payment on a real database: one address a payment, one active payment an order, a quote that proves."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from emulators.ethereum import USDC
from shared.adapters.postgres.database import Sql
from shared.kernel.clock import SystemClock
from shared.kernel.decision import AlreadyAnswered, By, Role
from shared.kernel.errors import KeyReused, NotFound
from shared.kernel.ids import OrderId, UserId
from shared.kernel.money import Asset
from shared.orders.cancel_order import cancel_order
from shared.orders.model import CancelOrder
from shared.payments.generate_payment_address import NotPayable, NotWatched, PaymentActive
from shared.payments.get_payment import get_payment
from shared.payments.model import PaymentView
from shared.payments.ports import AssetNotOffered
from shared.payments.quote import message
from shared.prices.rates import AssetDepegged, NoFreshPrice
from tests.integration.ordering import again
from tests.integration.paying import RATES, Paying, both

CURSOR = Sql(
    "insert into chain_cursors (chain, merchant_id, height, block_hash, final_height, scanned_at, version, head)"
    " values (:chain, 'mer_0', 1, 'h', 0, clock_timestamp(), 1, ''::bytea)"
)
COUNT = Sql("select count(*), count(distinct watch_key) from watched_addresses")
LATE = Sql("update orders set pay_by = clock_timestamp() where order_id = :order_id")
NEXT = Sql("select next from derivation_counters where family = :family")
SEEN = Sql(
    """update payments set transfers = '[{"txid": "a", "position": 0, "units": "1", "live": true,
       "seen_at": "2026-05-06T12:00:00Z"}]' where payment_id = :id"""
)
SPREAD = Sql("update shops set spread_bp = :spreads::jsonb")
RATE = Sql("update price_latest set rate = rate * :by::numeric where asset = :asset")


@pytest.fixture
async def paying(database: str) -> AsyncIterator[Paying]:
    chains = both({"BITCOIN_RPC_URL": "http://u:p@127.0.0.1:1"}, {"EVM_RPC_URL": "http://127.0.0.1:1"})
    paying = await Paying(database, chains, {"BTC": 2}).opened()
    for chain in paying.chains:
        await paying.db.run(CURSOR, chain=chain)
    yield paying
    await paying.closed()


async def test_every_payment_gets_an_address_of_its_own_that_is_watched(paying: Paying) -> None:
    views = [await paying.requested(asset) for asset in (*RATES, *RATES)]
    assert len({view.address for view in views}) == len(views)
    rows = await paying.db.run(COUNT)
    assert tuple(rows[0]) == (len(views), len(views))
    assert await paying.replayed() == []


async def test_amounts_are_rounded_up_to_the_next_base_unit_and_links_say_them(paying: Paying) -> None:
    btc, eth, usdc = [await paying.requested(asset) for asset in (Asset.BTC, Asset.ETH, Asset.USDC)]
    assert btc.due.units == 7119  # 4.20 / 59000 = 0.0000711864…
    assert btc.link == f"bitcoin:{btc.address}?amount=0.00007119"
    assert btc.confirmations == 2
    assert eth.due.units == -(-(420 * 10**18 * 10) // (100 * 29631))
    assert eth.link == f"ethereum:{eth.address}@31337?value={eth.due.units}"
    assert eth.confirmations == 1
    assert usdc.link == f"ethereum:{USDC}@31337/transfer?address={usdc.address}&uint256={usdc.due.units}"
    assert usdc.chain == "evm:31337"


async def test_the_quote_is_signed_over_everything_the_customer_is_told(paying: Paying) -> None:
    view = await paying.requested(Asset.USDT)
    key = Ed25519PublicKey.from_public_bytes(paying.signer.public_keys[paying.signer.key_id])
    key.verify(base64.b64decode(view.quote.signature), message(view.quote))
    assert (view.quote.address, view.quote.amount, view.quote.expires_at) == (
        view.address,
        view.due.units,
        view.expires_at,
    )
    assert [said.feed for said in view.quote.feeds] == ["a", "b"]
    with pytest.raises(InvalidSignature):
        key.verify(base64.b64decode(view.quote.signature), message(view.quote.model_copy(update={"address": "x"})))


async def test_a_shops_spread_is_taken_off_the_rate_and_stands_in_the_quote(paying: Paying) -> None:
    plain = await paying.requested(Asset.BTC)
    assert (plain.quote.spread_bp, plain.quote.rate) == (None, "59000")
    await paying.db.run(SPREAD, spreads='{"BTC": 150}')
    spread = await paying.requested(Asset.BTC)
    assert (spread.quote.spread_bp, spread.quote.rate) == (150, "58115")
    assert spread.quote.feeds == plain.quote.feeds
    assert spread.due.units == 7228 > plain.due.units  # 4.20 / 58115 = 0.0000722705…
    key = Ed25519PublicKey.from_public_bytes(paying.signer.public_keys[spread.quote.key_id or ""])
    key.verify(base64.b64decode(spread.quote.signature), message(spread.quote))
    forged = spread.quote.model_copy(update={"spread_bp": 0})
    with pytest.raises(InvalidSignature):
        key.verify(base64.b64decode(spread.quote.signature), message(forged))
    ether = await paying.requested(Asset.ETH)
    assert ether.quote.spread_bp is None


async def test_the_same_asset_again_is_the_same_payment(paying: Paying) -> None:
    order, by = await paying.ordered()
    first = await paying.request(order.order_id, by, Asset.BTC, key="one")
    assert await paying.request(order.order_id, by, Asset.BTC, key="two") == first
    with pytest.raises(AlreadyAnswered) as answered:
        await paying.request(order.order_id, by, Asset.BTC, key="one")
    assert answered.value.reply.status == 201
    assert PaymentView.model_validate_json(answered.value.reply.body) == first


async def test_another_asset_may_be_chosen_while_nothing_was_seen_and_its_address_stays_watched(paying: Paying) -> None:
    order, by = await paying.ordered()
    first = await paying.request(order.order_id, by, Asset.BTC)
    second = await paying.request(order.order_id, by, Asset.ETH)
    assert (second.asset, (await paying.payment(first.payment_id)).superseded) == (Asset.ETH, True)
    again = await paying.request(order.order_id, by, Asset.BTC)
    assert again.payment_id not in {first.payment_id, second.payment_id}
    assert tuple((await paying.db.run(COUNT))[0]) == (3, 3)
    await paying.db.run(SEEN, id=again.payment_id)
    with pytest.raises(PaymentActive):
        await paying.request(order.order_id, by, Asset.ETH)


async def test_the_key_of_another_request_is_refused(paying: Paying) -> None:
    order, by = await paying.ordered()
    await paying.request(order.order_id, by, Asset.BTC, key="one")
    with pytest.raises(KeyReused):
        await paying.request(order.order_id, by, Asset.BTC, key="one", chain="bitcoin")


async def test_fifty_requests_at_once_make_one_payment(paying: Paying) -> None:
    order, by = await paying.ordered()

    async def ask(key: str) -> str:
        try:
            return (await paying.request(order.order_id, by, Asset.USDC, key=key)).payment_id
        except AlreadyAnswered as answered:
            return PaymentView.model_validate_json(answered.reply.body).payment_id

    keys = ["same"] * 25 + [f"own-{number}" for number in range(25)]
    payments = await asyncio.gather(*(ask(key) for key in keys))
    assert len(set(payments)) == 1
    assert await paying.facts(payments[0]) == ["requested"]
    assert tuple((await paying.db.run(COUNT))[0]) == (1, 1)


async def test_an_index_is_never_handed_out_twice(paying: Paying) -> None:
    account = next(iter(paying.payout.values()))
    taken = await asyncio.gather(*(paying.requesting.pool.next_index(account, "bitcoin") for _ in range(60)))
    assert sorted(taken) == list(range(60))


async def test_somebody_elses_order_and_payment_are_not_found(paying: Paying) -> None:
    order, by = await paying.ordered()
    with pytest.raises(NotFound):
        await paying.request(order.order_id, By(UserId.new()), Asset.BTC)
    with pytest.raises(NotFound):
        await paying.request(OrderId.new(), by, Asset.BTC)
    view = await paying.request(order.order_id, by, Asset.BTC)
    with pytest.raises(NotFound):
        await get_payment(view.payment_id, by=By(UserId.new()), using=paying.payments)
    shop = paying.ordering.shop
    staff = By("key_1", frozenset({Role.BARISTA}), shop.merchant_id)
    assert (await get_payment(view.payment_id, by=staff, using=paying.payments)).view == view


async def test_an_order_whose_time_is_over_or_that_was_called_off_gets_no_address(paying: Paying) -> None:
    order, by = await paying.ordered()
    await paying.db.run(LATE, order_id=order.order_id)
    with pytest.raises(NotPayable, match="time to pay is over"):
        await paying.request(order.order_id, by, Asset.BTC)
    other, by = await paying.ordered()
    await cancel_order(other.order_id, CancelOrder(), if_match=None, by=again(by, "cancel"), using=paying.orders)
    with pytest.raises(NotPayable, match="called off"):
        await paying.request(other.order_id, by, Asset.BTC)
    assert tuple((await paying.db.run(COUNT))[0]) == (0, 0)
    assert await paying.db.run(NEXT, family="bitcoin") == ()


async def test_no_address_is_shown_before_its_chain_is_watched(paying: Paying) -> None:
    await paying.db.run(Sql("delete from chain_cursors"))
    with pytest.raises(NotWatched):
        await paying.requested(Asset.BTC)


async def test_without_a_fresh_price_there_is_no_quote(paying: Paying) -> None:
    await paying.db.run(Sql("update price_latest set at = clock_timestamp() - interval '61 seconds'"))
    with pytest.raises(NoFreshPrice):
        await paying.requested(Asset.BTC)
    await paying.priced(SystemClock().now() + timedelta(seconds=1))
    assert (await paying.requested(Asset.BTC)).due.units == 7119


async def test_a_stablecoin_far_from_its_dollar_is_refused(paying: Paying) -> None:
    await paying.db.run(RATE, asset="USDT", by="0.96")
    with pytest.raises(AssetDepegged):
        await paying.requested(Asset.USDT)
    assert (await paying.requested(Asset.USDC)).asset is Asset.USDC


async def test_an_asset_that_shop_or_chains_do_not_take_is_refused(paying: Paying) -> None:
    order, by = await paying.ordered()
    with pytest.raises(AssetNotOffered, match="can be paid on: evm:31337"):
        await paying.request(order.order_id, by, Asset.USDC, chain="evm:1")
    await paying.db.run(Sql("update shops set accepts = '{ETH}'"))
    with pytest.raises(AssetNotOffered, match="takes ETH"):
        await paying.request(order.order_id, by, Asset.BTC)


async def test_an_order_that_costs_nothing_has_nothing_to_pay(paying: Paying) -> None:
    order, by = await paying.ordered()
    await paying.db.run(Sql("update orders set total = 0"))
    with pytest.raises(NotPayable, match="nothing to pay"):
        await paying.request(order.order_id, by, Asset.BTC)
