"""Quoting anew what is left to pay when the time is up, on real engines: what came in time counts as it was quoted."""

import asyncio
import base64
from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from emulators.wallets import EvmWallet
from shared.adapters.postgres.database import Sql
from shared.kernel.decision import AlreadyAnswered, By, Claim
from shared.kernel.errors import NotFound, Problem
from shared.kernel.ids import UserId
from shared.kernel.money import Asset
from shared.payments.model import PaymentView
from shared.payments.quote import message
from shared.payments.requote_payment import MOST, NotRequotable, requote_payment
from tests.integration.paying import Paying

CHAIN = "evm:31337"
RATE = Sql("update price_latest set rate = rate * :by::numeric where asset = :asset")
OVER = Sql("update orders set status = 'expired' where order_id = :order_id")
_keys = count()


async def requote(paying: Paying, asked: PaymentView, by: By, key: str | None = None) -> PaymentView:
    claim = Claim(by.actor, f"POST /v1/payments/{asked.payment_id}/quote", key or f"requote-{next(_keys)}", b"")
    return (await requote_payment(asked.payment_id, by=replace(by, once=claim), using=paying.requesting)).view


async def partly(paying: Paying, wallet: EvmWallet, share: float) -> tuple[PaymentView, By]:
    """Return a payment whose time is up, with so much of it paid in time."""
    order, by = await paying.ordered()
    asked = await paying.request(order.order_id, by, Asset.ETH)
    wallet.pay("ETH", asked.address, asked.due.units - int(asked.due.units * (1 - share)))
    await paying.settle(CHAIN)
    await paying.past(asked.payment_id, timedelta(0))
    return asked, by


async def test_the_rest_is_quoted_at_the_present_price_and_settles_the_order(paying: Paying, wallet: EvmWallet) -> None:
    asked, by = await partly(paying, wallet, 0.5)
    await paying.db.run(RATE, asset="ETH", by="0.5")
    anew = await requote(paying, asked, by)
    half = asked.due.units // 2
    assert anew.quote.price.units == 210
    assert abs(anew.quote.amount - 2 * half) <= 10**14  # half the price at half the rate
    assert anew.due.units == anew.received.units + anew.quote.amount
    assert (anew.missing.units, anew.link) == (
        anew.quote.amount,
        f"ethereum:{asked.address}@31337?value={anew.quote.amount}",
    )
    key = Ed25519PublicKey.from_public_bytes(paying.signer.public_keys[paying.signer.key_id])
    key.verify(base64.b64decode(anew.quote.signature), message(anew.quote))
    assert anew.expires_at > asked.expires_at
    wallet.pay("ETH", asked.address, anew.quote.amount)
    await paying.settle(CHAIN)
    assert (await paying.payment(asked.payment_id)).settled


async def test_late_coins_are_worth_what_they_are_now_and_may_be_all_that_is_needed(
    paying: Paying, wallet: EvmWallet
) -> None:
    order, by = await paying.ordered()
    asked = await paying.request(order.order_id, by, Asset.ETH)
    await paying.past(asked.payment_id, timedelta(minutes=1))
    wallet.pay("ETH", asked.address, asked.due.units)
    await paying.db.run(RATE, asset="ETH", by="0.5")
    await paying.settle(CHAIN)
    assert not (await paying.payment(asked.payment_id)).settled  # they buy half of it by now
    await paying.db.run(RATE, asset="ETH", by="4")
    anew = await requote(paying, asked, by)
    assert (anew.quote.amount, anew.missing.units) == (0, 0)
    wallet.mine(1)
    await paying.settle(CHAIN)
    assert (await paying.payment(asked.payment_id)).settled


async def test_what_can_not_be_quoted_anew_says_why(paying: Paying, wallet: EvmWallet) -> None:
    order, by = await paying.ordered()
    asked = await paying.request(order.order_id, by, Asset.ETH)
    with pytest.raises(NotRequotable, match="still holds"):
        await requote(paying, asked, by)
    with pytest.raises(NotFound):
        await requote(paying, asked, By(UserId.new()))
    await paying.past(asked.payment_id, timedelta(minutes=1))
    with pytest.raises(NotRequotable, match="Nothing has arrived"):
        await requote(paying, asked, by)
    half, by = await partly(paying, wallet, 0.5)
    for _ in range(MOST):
        await requote(paying, half, by)
        await paying.past(half.payment_id, timedelta(minutes=1))
    with pytest.raises(NotRequotable, match="3 times"):
        await requote(paying, half, by)
    over, by = await partly(paying, wallet, 0.5)
    await paying.db.run(OVER, order_id=over.order_id)
    with pytest.raises(NotRequotable, match="over"):
        await requote(paying, over, by)


async def test_ten_at_once_are_one_quote_and_the_same_key_is_told_the_same(paying: Paying, wallet: EvmWallet) -> None:
    asked, by = await partly(paying, wallet, 0.5)

    async def ask(key: str) -> str:
        try:
            return str((await requote(paying, asked, by, key)).quote.signature)
        except AlreadyAnswered as answered:
            return PaymentView.model_validate_json(answered.reply.body).quote.signature
        except Problem as refused:
            return refused.type

    told = await asyncio.gather(*(ask("same") for _ in range(5)), *(ask(f"own-{n}") for n in range(5)))
    signatures = {each for each in told if len(each) > 40}
    assert len(signatures) == 1
    assert await paying.facts(asked.payment_id) == ["requested", "seen", "included", "requoted"]


async def test_without_a_price_nothing_is_quoted_and_nothing_changes(paying: Paying, wallet: EvmWallet) -> None:
    asked, by = await partly(paying, wallet, 0.5)
    await paying.db.run(Sql("update price_latest set at = at - interval '1 day'"))
    with pytest.raises(Problem) as refused:
        await requote(paying, asked, by)
    assert refused.value.type == "no-fresh-price"
    assert (await paying.payment(asked.payment_id)).due == asked.due
