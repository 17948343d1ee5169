"""How the ends of a payment meet its refunds, late coins and risks: nobody gains by the order of things."""

import time
from datetime import datetime, timedelta

import pytest

from shared.kernel.ids import RefundId
from shared.kernel.money import Asset, Fiat, Money
from shared.payments import facts
from shared.payments.lifecycle import GRACE, HOLD, MINED_WITHIN, accept, confirm, evolve_all, expire, write_off
from shared.payments.model import Payment
from shared.payments.observation import Observation, observe
from shared.payments.refund_model import RefundState
from shared.payments.refund_policy import RefundPolicy
from shared.payments.refund_sending import blocked
from shared.payments.refunds import available
from tests.unit.refunding import asked, customer, refund_of, steps
from tests.unit.test_payments_closing import Told
from tests.unit.test_payments_lifecycle import CHAIN, DUE, EXPIRES, START, block, transfer

TOO_LATE = EXPIRES + GRACE + timedelta(minutes=1)
ANY = RefundPolicy(automatic_minor=10**9, automatic_revenue_minor=10**9, least={})
RISKY = facts.Terms(zero_confirmation=True)


def refund(told: Told, *, units: int | None = None) -> RefundId:
    """Ask for a refund as the customer; nobody has to agree."""
    told.tell(asked(told.position, by=customer(told.payment), now=START, units=units, policy=ANY))
    return refund_of(told.position).refund_id


def sent(told: Told, refund_id: RefundId, *path: str, height: int) -> None:
    for number, name in enumerate(path):
        refund = refund_of(told.position, refund_id)
        told.tell(steps(told.position, refund, number=number, height=height, final_height=height, now=START)[name])


def blocking(told: Told, refund_id: RefundId, *, height: int, final_height: int) -> facts.RefundDelay | None:
    refund = refund_of(told.position, refund_id)
    return blocked(told.position, refund, height=height, final_height=final_height, policy=ANY)


def cover(costs: int) -> facts.LateCover:
    return facts.LateCover(costs=costs, rate="1", feeds=(), at=START)


def sighted(units: int = DUE, *, txid: str = "a", at: datetime = START) -> Told:
    """Return a payment that was settled at the shop's risk on its sighting."""
    told = Told(RISKY)
    told.seen(units, txid=txid, at=at)
    told.tell(accept(told.payment, height=0, now=START))
    assert told.payment.exposed
    return told


def test_rule_8_what_waits_for_the_order_and_is_final_backs_no_refund_of_coins_that_are_not() -> None:
    told = Told()
    told.mined(DUE - 100, txid="a", height=1)
    told.mined(300, txid="b", height=9, at=TOO_LATE)
    refund_id = refund(told, units=300)
    assert blocking(told, refund_id, height=9, final_height=8) is facts.RefundDelay.NOT_FINAL
    assert blocking(told, refund_id, height=9, final_height=9) is None


@pytest.mark.parametrize(("costs", "over"), [(DUE, DUE), (2 * DUE, 0), (DUE * 3 // 2, DUE // 2), (DUE // 2, DUE)])
def test_who_pays_late_while_the_price_falls_gets_nothing_of_what_covered_it_back(costs: int, over: int) -> None:
    told = Told()
    told.seen(2 * DUE, txid="a", at=EXPIRES + GRACE)
    told.mined(2 * DUE, txid="a", at=EXPIRES + GRACE)
    told.decide(costs=cover(costs))
    assert told.payment.settled
    assert (told.books.settled, told.books.refundable) == (2 * DUE - over, over)
    assert available(told.position, Asset.BTC).held == over


def test_late_coins_are_measured_against_what_is_confirmed_of_what_came_on_time() -> None:
    told = Told()
    told.mined(DUE // 2, txid="a", height=2)
    told.seen(DUE, txid="b", at=EXPIRES + GRACE)
    told.mined(DUE, txid="b", height=1, at=EXPIRES + GRACE)
    payment = told.payment.model_copy(update={"confirmations": 2})
    assert not confirm(payment, height=2, final_height=0, now=START, costs=cover(2 * DUE))
    assert confirm(payment, height=3, final_height=0, now=START, costs=cover(2 * DUE))


def test_rule_9_what_was_quoted_anew_waits_for_its_block_for_all_of_it_would_be_at_risk() -> None:
    told = Told(RISKY)
    told.seen(DUE - 1, txid="a", at=START)
    payment = told.payment
    rest = payment.quote.model_copy(update={"amount": 1, "price": Fiat(currency="EUR", units=1)})
    fact = facts.PaymentRequoted(
        **_who(payment),
        due=Money(asset=Asset.BTC, units=DUE),
        quote=rest,
        terms=facts.Terms(),
        expires_at=EXPIRES + timedelta(hours=1),
        at=EXPIRES,
    )
    told.tell([fact])
    told.seen(1, txid="b", at=EXPIRES)
    assert not accept(told.payment, height=0, now=EXPIRES)


def test_rule_9_what_was_taken_before_its_block_and_never_comes_into_one_is_taken_back() -> None:
    told = sighted()
    over = EXPIRES + MINED_WITHIN
    assert not told.decide(height=5)
    assert not expire(told.payment, proven=over - timedelta(seconds=1), now=over)
    (fact,) = told.tell(expire(told.payment, proven=over, now=over))
    assert fact.type == "payment.reversed.v1"
    assert (told.books.settled, told.books.shortfall) == (0, 0)
    (fact,) = told.tell(write_off(told.payment, now=over))
    assert told.books.shortfall == DUE
    told.mined(DUE, txid="a", height=1, at=over + HOLD)
    told.decide()
    assert (told.payment.settled, told.books.shortfall) == (True, 0)


def test_what_was_taken_before_its_block_and_is_in_one_is_left_to_its_confirmations() -> None:
    told = sighted()
    told.mined(DUE, txid="a", height=1, at=EXPIRES)
    assert not expire(told.payment, proven=EXPIRES + 10 * HOLD, now=START)
    assert [fact.type for fact in told.decide()] == ["payment.confirmed.v1"]


def test_rule_13_what_stands_in_blocks_and_was_paid_in_time_is_never_let_go_before_it_was_decided_about() -> None:
    told = Told()
    told.mined(DUE, txid="a", height=1)
    assert not expire(told.payment, proven=EXPIRES + 10 * HOLD, now=START)  # after a long downtime, say
    told.decide()
    assert told.payment.settled
    part = Told()
    part.mined(DUE - 1, txid="a", height=1)
    assert expire(part.payment, proven=EXPIRES + HOLD, now=START)


def test_coins_that_were_given_back_pay_for_no_goods_that_were_written_off() -> None:
    told = sighted()
    told.mined(DUE, txid="b", height=1, at=TOO_LATE)
    told.see(_gone(told.payment, "a"))
    told.decide()
    assert told.payment.finality == "reversed"
    refund_id = refund(told)
    sent(told, refund_id, "signed", "mined", "confirmed", height=9)
    told.tell(write_off(told.payment, now=START))
    assert not told.decide(height=9)
    assert (told.books.refunded, told.books.shortfall, told.payment.settled) == (DUE, DUE, False)
    told.mined(DUE, txid="c", height=2, at=TOO_LATE)
    told.decide(height=9)
    assert (told.books.shortfall, told.payment.settled) == (0, True)


def test_coins_that_were_asked_back_and_not_sent_stay_when_the_goods_are_written_off() -> None:
    told = sighted()
    told.mined(DUE, txid="b", height=1, at=TOO_LATE)
    told.see(_gone(told.payment, "a"))
    told.decide()
    refund_id = refund(told)
    assert blocking(told, refund_id, height=9, final_height=9) is None
    told.tell(write_off(told.payment, now=START))
    told.decide(height=9)
    assert told.payment.settled
    assert blocking(told, refund_id, height=9, final_height=9) is facts.RefundDelay.COINS_GONE
    assert refund_of(told.position, refund_id).state is RefundState.APPROVED  # the shop can decline it


def test_after_a_write_off_is_paid_what_is_over_goes_back_and_dust_with_it() -> None:
    told = Told(facts.Terms(dust=10))
    told.mined(DUE, txid="a", height=1)
    told.decide()
    told.lost()
    told.decide()
    told.tell(write_off(told.payment, now=START))
    told.mined(DUE + 500, txid="b", height=2, at=TOO_LATE)
    told.mined(5, txid="c", height=2, at=TOO_LATE)
    told.decide(height=2)
    assert told.payment.settled
    sent(told, refund(told, units=505), "signed", "mined", "confirmed", height=9)
    assert [fact.type for fact in told.decide(height=9)] in ([], ["payment.final.v1"])
    assert (told.payment.settled, told.books.settled, told.books.held) == (True, DUE, 0)


def _who(payment: Payment) -> dict[str, object]:
    return {
        name: getattr(payment, name) for name in ("payment_id", "order_id", "shop_id", "merchant_id", "customer_id")
    }


def _gone(payment: Payment, txid: str) -> Observation:
    """Return what tells that the coins of a sighting were spent otherwise."""
    return Observation(payment.chain, START, conflicts={txid: "other"}, mempool_watched=True)


def test_thousands_of_transfers_to_one_address_keep_no_chain_from_being_read() -> None:
    """A stranger sends them for the price of a block; whoever watches holds a lease of twenty seconds."""
    told = Told()
    coins = [transfer(f"t{number}", 1) for number in range(2000)]
    mined = Observation(CHAIN, START, blocks=(block(1, *coins),), mempool_watched=True)
    began = time.process_time()
    found = observe(told.payment, mined)
    after = evolve_all(told.payment, found)
    assert time.process_time() - began < 10
    assert after is not None
    assert (len(found), after.received) == (4000, 2000)
