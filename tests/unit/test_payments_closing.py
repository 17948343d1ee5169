"""How a payment ends besides expiring: another coin, another payment, an order called off, goods gone unpaid."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from shared.kernel.facts import Fact
from shared.kernel.money import Asset
from shared.payments import facts
from shared.payments.chain import BlockRef
from shared.payments.ledger import Position, accounts, moved
from shared.payments.lifecycle import (
    GRACE,
    HOLD,
    MINED_WITHIN,
    close,
    confirm,
    evolve,
    expire,
    supersede,
    write_off,
)
from shared.payments.model import Finality, Payment
from shared.payments.observation import Observation, Sighting, observe
from shared.payments.statement import BalanceView
from tests.unit.test_payments_lifecycle import CHAIN, COSTS, DUE, EXPIRES, START, block, requested, transfer


class Told:
    """A payment, with its ledger, as facts are told one after the other."""

    def __init__(self, terms: facts.Terms | None = None) -> None:
        first = requested(terms=terms)
        self.payment: Payment = evolve(None, first)
        self.position: Position = moved(None, first)

    def tell(self, told: Sequence[Fact]) -> Sequence[Fact]:
        for fact in told:
            self.payment = evolve(self.payment, fact)
            self.position = moved(self.position, fact)
        return told

    def mined(self, units: int = DUE, *, txid: str = "a", height: int = 1, at: datetime = START) -> None:
        self.see(Observation(CHAIN, at, blocks=(block(height, transfer(txid, units), at=at),), mempool_watched=True))

    def seen(self, units: int, *, txid: str, at: datetime) -> None:
        self.see(Observation(CHAIN, at, sightings=(Sighting(transfer(txid, units)),), mempool_watched=True))

    def lost(self, *, at: datetime = START) -> None:
        fork = BlockRef(CHAIN, 0, "b0")
        self.see(Observation(CHAIN, at, fork=fork, blocks=(block(1, at=at, name="other"),), mempool_watched=True))

    def see(self, observed: Observation) -> None:
        self.tell(observe(self.payment, observed))

    def decide(
        self, *, height: int = 1, rival: bool = False, costs: facts.LateCover | None = None, now: datetime = START
    ) -> Sequence[Fact]:
        return self.tell(confirm(self.payment, height=height, final_height=0, now=now, rival=rival, costs=costs))

    @property
    def books(self) -> BalanceView:
        return BalanceView.of(Asset.BTC, accounts(self.position))


def settled() -> Told:
    told = Told()
    told.mined()
    told.decide()
    assert told.payment.settled
    return told


def test_another_coin_may_be_chosen_until_something_is_seen() -> None:
    told = Told()
    chosen = supersede(told.payment, asset=Asset.ETH, chain="evm:1", now=START)
    assert [fact.type for fact in chosen] == ["payment.superseded.v1"]
    told.seen(1, txid="a", at=START)
    assert supersede(told.payment, asset=Asset.ETH, chain="evm:1", now=START) == ()


def test_rule_14_of_two_quotes_that_are_paid_the_first_settles_and_the_other_is_held_for_refund() -> None:
    told = Told()
    told.tell(supersede(told.payment, asset=Asset.ETH, chain="evm:1", now=START))
    told.mined()
    assert [fact.type for fact in told.decide(rival=True)] == ["payment.closed.v1"]
    assert not told.payment.settled
    assert told.books.refundable == DUE
    assert not told.decide(rival=False)  # for good, whatever becomes of the other
    first = Told()
    first.tell(supersede(first.payment, asset=Asset.ETH, chain="evm:1", now=START))
    first.mined()
    first.decide(rival=False)
    assert first.payment.settled  # superseded and paid all the same, before the other one


def test_what_was_paid_for_an_order_that_is_called_off_is_the_customers() -> None:
    told = settled()
    assert told.books.settled == DUE
    told.tell(close(told.payment, now=START))
    assert (told.books.settled, told.books.refundable) == (0, DUE)
    assert close(told.payment, now=START) == ()
    told.lost()
    told.decide()
    assert (told.books.settled, told.books.refundable, told.books.received) == (0, 0, 0)
    told.mined(height=2)
    told.decide(height=2)
    assert (told.payment.settled, told.books.refundable) == (False, DUE)


def test_nothing_settles_after_it_expired() -> None:
    told = Told()
    told.tell(expire(told.payment, proven=EXPIRES + GRACE, now=EXPIRES + GRACE))
    told.mined(at=EXPIRES)
    assert told.payment.expired
    assert not told.decide(costs=COSTS)
    assert told.books.refundable == DUE


def test_rule_9_goods_handed_over_and_unpaid_are_a_loss_until_the_coins_come_back_however_late() -> None:
    told = settled()
    told.lost()
    told.decide()
    assert told.payment.finality is Finality.REVERSED
    assert (told.books.settled, told.books.shortfall) == (0, 0)
    told.tell(write_off(told.payment, now=START))
    assert (told.books.settled, told.books.shortfall) == (DUE, DUE)
    assert write_off(told.payment, now=START) == ()
    assert expire(told.payment, proven=START + 10 * HOLD, now=START + 10 * HOLD) == ()
    later = START + 3 * HOLD
    told.mined(txid="b", height=2, at=later)
    told.decide(height=2, now=later)
    assert told.payment.settled
    assert (told.books.settled, told.books.shortfall, told.books.received) == (DUE, 0, DUE)
    assert not told.decide(height=3, now=later)  # and stays so


def test_a_reorganisation_makes_nobody_late_who_was_in_time() -> None:
    told = settled()
    told.lost()
    told.decide()
    after = EXPIRES + MINED_WITHIN + timedelta(minutes=9)
    told.mined(height=2, at=after)
    told.decide(height=2, now=after)
    assert told.payment.settled


def test_a_payment_taken_back_is_held_for_a_day_from_then_on() -> None:
    told = settled()
    told.lost(at=EXPIRES + HOLD)
    back = EXPIRES + 2 * HOLD
    told.decide(now=back)
    assert expire(told.payment, proven=back + HOLD - timedelta(seconds=1), now=back) == ()
    assert len(expire(told.payment, proven=back + HOLD, now=back)) == 1


@pytest.mark.parametrize(
    ("on_time", "late", "costs", "settles"),
    [
        (0, DUE, DUE, True),
        (0, DUE, DUE + 1, False),
        (0, DUE, None, False),
        (0, DUE + 50, DUE + 50, True),
        (DUE // 2, DUE // 2, DUE, True),
        (DUE // 2, DUE // 2, DUE + 1, False),
        (DUE // 2, DUE // 2, DUE // 2, True),
        (DUE, 5, None, True),
    ],
)
def test_late_coins_settle_while_they_buy_what_was_not_paid_on_time(
    on_time: int, late: int, costs: int | None, settles: bool
) -> None:
    told = Told()
    if on_time:
        told.mined(on_time, txid="a")
    told.seen(late, txid="b", at=EXPIRES + GRACE)
    told.mined(late, txid="b", height=2, at=EXPIRES + GRACE)
    cover = facts.LateCover(costs=costs, rate="1", feeds=(), at=START) if costs is not None else None
    decided = told.decide(height=2, costs=cover)
    assert told.payment.settled == settles
    if settles and on_time < DUE:
        proofs = [fact.late for fact in decided if isinstance(fact, facts.PaymentSettled)]
        assert [proof and proof.model_copy(update={"takes": None}) for proof in proofs] == [cover]
    assert not told.decide(height=3)  # what is decided stays, whatever the price does


def test_the_dearest_order_a_late_payment_covers_is_rounded_against_the_customer_by_less_than_a_unit() -> None:
    told = Told(facts.Terms(tolerance=3))
    told.mined(333, txid="a")
    told.seen(664, txid="b", at=EXPIRES + GRACE)
    told.mined(664, txid="b", height=2, at=EXPIRES + GRACE)
    told.decide(height=2, costs=facts.LateCover(costs=1000, rate="1", feeds=(), at=START))
    assert told.payment.settled
