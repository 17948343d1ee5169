"""The three axes of a payment under everything a chain can do to it: a state machine against an independent model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId, OrderId, PaymentId, ShopId, UserId
from shared.kernel.money import Asset, Fiat, Money
from shared.payments import facts
from shared.payments.chain import Block, BlockRef, Transfer
from shared.payments.lifecycle import GRACE, HOLD, MINED_WITHIN, confirm, evolve, expire
from shared.payments.model import Amount, Finality, Payment, Timing
from shared.payments.observation import Observation, Sighting, observe

START = datetime(2026, 5, 6, 12, tzinfo=UTC)
EXPIRES = START + timedelta(minutes=15)
DUE = 1000
KEY = "0014aa"
CHAIN = "bitcoin"
COSTS = facts.LateCover(costs=DUE, rate="1", feeds=(), at=START)


def requested(confirmations: int = 1, terms: facts.Terms | None = None) -> facts.PaymentRequested:
    payment_id = PaymentId.new()
    quote = facts.Quote(
        payment_id=payment_id,
        chain=CHAIN,
        asset=Asset.BTC,
        address="bcrt1…",
        amount=DUE,
        price=Fiat(currency="EUR", units=420),
        rate="1",
        feeds=(),
        locked_at=START,
        expires_at=EXPIRES,
    )
    return facts.PaymentRequested(
        payment_id=payment_id,
        order_id=OrderId.new(),
        shop_id=ShopId.new(),
        merchant_id=MerchantId.new(),
        customer_id=UserId.new(),
        chain=CHAIN,
        asset=Asset.BTC,
        address="bcrt1…",
        watch_key=KEY,
        derivation_index=0,
        due=Money(asset=Asset.BTC, units=DUE),
        quote=quote,
        confirmations=confirmations,
        terms=terms,
        requested_at=START,
        expires_at=EXPIRES,
    )


def transfer(txid: str, units: int, *, position: int = 0, asset: Asset = Asset.BTC) -> Transfer:
    return Transfer(chain=CHAIN, asset=asset, txid=txid, position=position, to=KEY, units=units)


def block(height: int, *transfers: Transfer, at: datetime = START, name: str = "") -> Block:
    return Block(BlockRef(CHAIN, height, name or f"b{height}"), "", at, at, transfers)


def after(payment: Payment, facts_: Sequence[Fact]) -> Payment:
    for fact in facts_:
        payment = evolve(payment, fact)
    return payment


@dataclass
class Model:
    """What is true of the chain, kept the plain way: blocks as lists of txids, and when each was first seen."""

    blocks: list[tuple[str, datetime, list[str]]] = field(default_factory=list)
    pool: set[str] = field(default_factory=set)
    units: dict[str, int] = field(default_factory=dict)
    seen: dict[str, datetime] = field(default_factory=dict)
    mined: dict[str, datetime] = field(default_factory=dict)
    final_height: int = -1
    tolerance: int = 0
    dust: int = 0
    final_depth: int = 0

    @property
    def enough(self) -> int:
        return DUE - self.tolerance

    def weight(self, txid: str) -> int:
        """Return what a transfer counts for: dust for nothing."""
        return 0 if self.units[txid] < self.dust else self.units[txid]

    def promising(self) -> bool:
        """Return whether something that counts waits in the mempool and was seen in time."""
        return any(self.weight(txid) and self.seen[txid] <= EXPIRES + GRACE for txid in self.pool)

    def counted(self, deepest: int) -> int:
        """Return the units in blocks up to the height `deepest` that came in time to settle."""
        return sum(
            self.weight(txid)
            for _, _, txids in self.blocks[: deepest + 1]
            for txid in txids
            if self.seen[txid] <= EXPIRES + GRACE and self.mined[txid] <= EXPIRES + MINED_WITHIN
        )


class PaymentMachine(RuleBasedStateMachine):
    """A payment of 1000 units that the chain plays with; confirm_block comes whenever it likes."""

    @initialize(
        confirmations=st.integers(1, 4),
        tolerance=st.sampled_from([0, 1, 50]),
        dust=st.sampled_from([0, 2, 401]),
        final_depth=st.sampled_from([0, 1, 6]),
    )
    def begin(self, confirmations: int, tolerance: int, dust: int, final_depth: int) -> None:
        self.numbers = count(1)
        self.now = START
        self.model = Model([("b0", START, [])], tolerance=tolerance, dust=dust, final_depth=final_depth)
        terms = facts.Terms(tolerance=tolerance, dust=dust, final_depth=final_depth)
        plain = not (tolerance or dust or final_depth)
        self.history: list[Fact] = [requested(confirmations, None if plain else terms)]
        self.payment = evolve(None, self.history[0])
        self.decided_at: int | None = None

    def see(self, observed: Observation) -> None:
        told = observe(self.payment, observed)
        self.history += told
        self.payment = after(self.payment, told)
        self.decided_at = None

    def blocks(self, count_: int, txids: Sequence[str]) -> tuple[Block, ...]:
        """Mine `count_` blocks, the first with these transactions, and return them as a watcher reads them."""
        mined = []
        for number in range(count_):
            held = list(txids) if number == 0 else []
            for txid in held:
                self.model.pool.discard(txid)
                self.model.seen.setdefault(txid, self.now)
                self.model.mined.setdefault(txid, self.now)
            name = f"b{next(self.numbers)}"
            self.model.blocks.append((name, self.now, held))
            transfers = [transfer(txid, self.model.units[txid]) for txid in held]
            mined.append(block(len(self.model.blocks) - 1, *transfers, at=self.now, name=name))
        return tuple(mined)

    def fresh(self, units: int) -> str:
        txid = f"tx{next(self.numbers)}"
        self.model.units[txid] = units
        return txid

    @rule(minutes=st.integers(1, 40))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(units=st.sampled_from([1, 400, 600, 949, 950, 999, 1000, 1001, 2500]))
    def sighted(self, units: int) -> None:
        txid = self.fresh(units)
        self.model.pool.add(txid)
        self.model.seen[txid] = self.now
        sightings = (Sighting(transfer(txid, units)),)
        self.see(Observation(CHAIN, self.now, sightings=sightings * 2, mempool_watched=True))

    @rule(units=st.sampled_from([0, 400, 1000]), data=st.data(), more=st.integers(0, 3))
    def mined(self, units: int, data: st.DataObject, more: int) -> None:
        waiting = sorted(self.model.pool)
        txids = data.draw(st.lists(st.sampled_from(waiting), unique=True)) if waiting else []
        txids += [self.fresh(units)] if units else []
        observed = Observation(CHAIN, self.now, blocks=self.blocks(1 + more, txids), mempool_watched=True)
        self.see(observed)
        assert observe(self.payment, observed) == ()  # the same blocks again say nothing

    @precondition(lambda self: len(self.model.blocks) - 1 > max(self.model.final_height, 0))
    @rule(data=st.data(), longer=st.integers(0, 2))
    def reorganised(self, data: st.DataObject, longer: int) -> None:
        height = len(self.model.blocks) - 1
        depth = data.draw(st.integers(1, min(3, height - max(self.model.final_height, 0))))
        lost = [txid for _, _, txids in self.model.blocks[-depth:] for txid in txids]
        del self.model.blocks[-depth:]
        fork = BlockRef(CHAIN, len(self.model.blocks) - 1, self.model.blocks[-1][0])
        kept = data.draw(st.lists(st.sampled_from(lost), unique=True)) if lost else []
        new = self.blocks(depth + longer, kept)
        self.see(Observation(CHAIN, self.now, blocks=new, fork=fork, mempool_watched=True))
        back = [txid for txid in lost if txid not in kept]
        again: bool = data.draw(st.booleans()) if back else False
        if again:  # the rest is in the mempool again
            sightings = tuple(Sighting(transfer(txid, self.model.units[txid])) for txid in back)
            self.model.pool.update(back)
            self.see(Observation(CHAIN, self.now, sightings=sightings, mempool_watched=True))

    @precondition(lambda self: self.model.pool)
    @rule(data=st.data())
    def double_spent(self, data: st.DataObject) -> None:
        txid = data.draw(st.sampled_from(sorted(self.model.pool)))
        self.model.pool.discard(txid)
        self.see(Observation(CHAIN, self.now, conflicts={txid: "theirs"}, mempool_watched=True))

    @rule(finalize=st.booleans())
    def decided(self, finalize: bool) -> None:
        height = len(self.model.blocks) - 1
        if finalize:
            self.model.final_height = max(self.model.final_height, height - 3)
        told = self.confirmed(height)
        self.history += told
        self.payment = after(self.payment, told)
        assert self.confirmed(height) in ((), [])
        self.decided_at = height

    def confirmed(self, height: int) -> Sequence[Fact]:
        """Decide at a price that has not changed."""
        final_height = self.model.final_height
        return confirm(self.payment, height=height, final_height=final_height, now=self.now, costs=COSTS)

    @rule()
    def expiring(self) -> None:
        told = expire(self.payment, proven=self.now, now=self.now)
        assert not told or not self.payment.settled
        if self.model.promising():
            assert not told or self.now >= EXPIRES + HOLD
        mined = [txid for _, _, txids in self.model.blocks for txid in txids]
        if not any(self.model.weight(txid) for txid in (*mined, *self.model.pool)):  # dust holds nothing
            over = self.now >= EXPIRES + GRACE and not self.payment.settled and not self.payment.expired
            if self.payment.finality is Finality.REVERSED:
                over = over and self.now >= self.payment.changed_at + HOLD
            assert bool(told) == over
        self.history += told
        self.payment = after(self.payment, told)

    @invariant()
    def settled_exactly_when_enough_is_confirmed_in_time(self) -> None:
        if self.decided_at is None or self.payment.final:
            return
        if self.payment.expired and not self.payment.settled:
            return  # it settles nothing any more
        confirmed = self.model.counted(self.decided_at - self.payment.confirmations + 1)
        assert self.payment.settled == (confirmed >= self.model.enough)

    @invariant()
    def final_only_with_enough_that_is_final_and_for_ever(self) -> None:
        if self.payment.final:
            assert self.payment.settled
            assert self.payment.finality is Finality.FINAL
            deep_enough = min(self.model.final_height, len(self.model.blocks) - self.model.final_depth)
            assert self.model.counted(deep_enough) >= self.model.enough

    @invariant()
    def amounts_are_what_stands_on_the_chain_and_in_the_mempool(self) -> None:
        mined = [txid for _, _, txids in self.model.blocks for txid in txids]
        total = sum(self.model.weight(txid) for txid in {*mined, *self.model.pool})
        relation = (total > DUE) - (total < self.model.enough)
        expected = Amount.NONE if not total else [Amount.EXACT, Amount.OVER, Amount.UNDER][relation]
        assert self.payment.amount is expected
        heights = [height for height, (_, _, txids) in enumerate(self.model.blocks) if txids]
        assert self.payment.highest == (max(heights) if heights else None)
        assert self.payment.included == self.model.counted(len(self.model.blocks))

    @invariant()
    def the_state_is_the_fold_of_its_facts_through_their_json(self) -> None:
        payment: Payment | None = None
        for fact in self.history:
            payment = evolve(payment, type(fact).model_validate_json(fact.canonical))
        assert payment == self.payment
        assert Payment.model_validate_json(self.payment.model_dump_json()) == self.payment


TestPayment = PaymentMachine.TestCase
TestPayment.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_any_facts_in_any_order_and_number_fold_to_some_state(data: st.DataObject) -> None:
    """Rule 10 lives on this: whatever order facts arrive in, twice or reversed, the fold never fails."""
    first = requested()
    payment = evolve(None, first)
    seen = observe(payment, Observation(CHAIN, START, sightings=(Sighting(transfer("a", 600)),)))
    mined = observe(payment, Observation(CHAIN, START, blocks=(block(1, transfer("a", 600), transfer("b", 400)),)))
    whole = after(payment, mined)
    settled = confirm(whole, height=1, final_height=1, now=START)
    lost = observe(whole, Observation(CHAIN, START, fork=BlockRef(CHAIN, 0, "b0"), blocks=(block(1, name="c1"),)))
    told = [*seen, *mined, *settled, *lost]
    state = after(payment, data.draw(st.lists(st.sampled_from(told), max_size=20)))
    assert state.included in (0, 400, 600, 1000)
    assert (state.finality is Finality.NONE) <= (state.amount is Amount.NONE)


@pytest.mark.parametrize(
    ("seen", "mined", "timing", "settles"),
    [
        (timedelta(0), timedelta(minutes=59), Timing.ON_TIME, True),
        (timedelta(0), MINED_WITHIN, Timing.ON_TIME, True),
        (timedelta(0), MINED_WITHIN + timedelta(seconds=1), Timing.LATE, False),
        (timedelta(seconds=1), timedelta(minutes=2), Timing.LATE, True),
        (GRACE, GRACE, Timing.LATE, True),
        (GRACE + timedelta(seconds=1), GRACE + timedelta(seconds=1), Timing.LATE, False),
    ],
)
def test_correctness_13_on_time_is_seen_by_expiry_and_mined_within_the_hour(
    seen: timedelta, mined: timedelta, timing: Timing, settles: bool
) -> None:
    payment = evolve(None, requested())
    coin = transfer("a", DUE)
    payment = after(payment, observe(payment, Observation(CHAIN, EXPIRES + seen, sightings=(Sighting(coin),))))
    at = EXPIRES + mined
    payment = after(payment, observe(payment, Observation(CHAIN, at, blocks=(block(1, coin, at=at),))))
    payment = after(payment, confirm(payment, height=1, final_height=0, now=at, costs=COSTS))
    assert (payment.timing, payment.settled) == (timing, settles)


def test_after_downtime_the_blocks_own_time_says_when_a_transfer_could_be_seen() -> None:
    payment = evolve(None, requested())
    late = EXPIRES + timedelta(hours=5)
    mined = block(1, transfer("a", DUE), at=EXPIRES - timedelta(minutes=1))
    for behind, timing in ((True, Timing.ON_TIME), (False, Timing.LATE)):
        observed = Observation(CHAIN, late, blocks=(mined,), behind=behind, mempool_watched=True)
        assert after(payment, observe(payment, observed)).timing is timing


def test_a_late_overpayment_leaves_what_was_on_time_on_time() -> None:
    payment = evolve(None, requested())
    payment = after(payment, observe(payment, Observation(CHAIN, START, blocks=(block(1, transfer("a", DUE)),))))
    late = EXPIRES + timedelta(hours=2)
    more = block(2, transfer("b", 5), at=late)
    payment = after(payment, observe(payment, Observation(CHAIN, late, blocks=(more,))))
    assert (payment.amount, payment.timing, payment.included) == (Amount.OVER, Timing.ON_TIME, DUE)


def test_two_transfers_of_one_transaction_are_two() -> None:
    payment = evolve(None, requested())
    both = block(1, transfer("a", 400), transfer("a", 600, position=1))
    payment = after(payment, observe(payment, Observation(CHAIN, START, blocks=(both,))))
    assert (payment.amount, len(payment.transfers)) == (Amount.EXACT, 2)


@pytest.mark.parametrize(("seen", "minutes"), list(product([False, True], [0, 9, 10, 24 * 60 - 1, 24 * 60])))
def test_nothing_seen_expires_with_the_grace_and_something_a_day_later(seen: bool, minutes: int) -> None:
    payment = evolve(None, requested())
    if seen:
        sighting = Sighting(transfer("a", 1))
        payment = after(payment, observe(payment, Observation(CHAIN, START, sightings=(sighting,))))
    proven = EXPIRES + timedelta(minutes=minutes)
    told = expire(payment, proven=proven, now=proven)
    assert bool(told) == (minutes >= (24 * 60 if seen else 10))
    assert not expire(after(payment, told), proven=proven, now=proven) or not told


def test_another_coin_is_noted_and_counts_for_nothing() -> None:
    payment = evolve(None, requested())
    wrong = transfer("a", 10**9, asset=Asset.ETH)
    payment = after(payment, observe(payment, Observation(CHAIN, START, blocks=(block(1, wrong),))))
    assert (payment.amount, payment.highest, payment.transfers[0].asset) == (Amount.NONE, 1, Asset.ETH)
    assert confirm(payment, height=9, final_height=9, now=START) == []


def test_dust_counts_for_nothing_and_is_recorded() -> None:
    payment = evolve(None, requested(terms=facts.Terms(dust=100)))
    dust = [transfer(f"d{number}", 99) for number in range(11)]  # 1,089: more than enough, were it no dust
    payment = after(payment, observe(payment, Observation(CHAIN, START, blocks=(block(1, *dust),))))
    assert (payment.amount, payment.finality, payment.included) == (Amount.NONE, Finality.NONE, 0)
    assert len(payment.transfers) == 11
    assert not confirm(payment, height=9, final_height=9, now=START)
    proven = EXPIRES + GRACE
    assert expire(payment, proven=proven, now=proven)
    at_the_floor = transfer("e", 100)
    payment = after(payment, observe(payment, Observation(CHAIN, START, blocks=(block(2, at_the_floor),))))
    assert (payment.amount, payment.included) == (Amount.UNDER, 100)
    assert not expire(payment, proven=proven, now=proven)


@pytest.mark.parametrize(
    ("units", "amount", "settles"),
    [
        (989, Amount.UNDER, False),
        (990, Amount.EXACT, True),
        (999, Amount.EXACT, True),
        (1000, Amount.EXACT, True),
        (1001, Amount.OVER, True),
    ],
)
def test_what_lacks_no_more_than_the_tolerance_settles(units: int, amount: Amount, settles: bool) -> None:
    payment = evolve(None, requested(terms=facts.Terms(tolerance=10)))
    mined = block(1, transfer("a", units))
    payment = after(payment, observe(payment, Observation(CHAIN, START, blocks=(mined,))))
    told = confirm(payment, height=1, final_height=0, now=START)
    assert (payment.amount, bool(told)) == (amount, settles)
    assert [fact.received.units for fact in told if isinstance(fact, facts.PaymentSettled)] == [units] * settles


def test_a_payment_settled_by_tolerance_is_reversed_when_it_falls_below() -> None:
    payment = evolve(None, requested(terms=facts.Terms(tolerance=10)))
    mined = block(1, transfer("a", 600), transfer("b", 390))
    payment = after(payment, observe(payment, Observation(CHAIN, START, blocks=(mined,))))
    payment = after(payment, confirm(payment, height=1, final_height=0, now=START))
    assert payment.settled
    branch = (block(1, transfer("a", 600), name="c1"), block(2, name="c2"))
    lost = Observation(CHAIN, START, fork=BlockRef(CHAIN, 0, "b0"), blocks=branch)
    payment = after(payment, observe(payment, lost))
    told = confirm(payment, height=2, final_height=0, now=START)
    assert [type(fact) for fact in told] == [facts.PaymentReversed]


@pytest.mark.parametrize(
    ("depth", "height", "final"), [(0, 7, True), (3, 7, False), (3, 8, True), (12, 16, False), (12, 17, True)]
)
def test_a_large_amount_is_final_later_than_the_chain_has_it(depth: int, height: int, final: bool) -> None:
    payment = evolve(None, requested(terms=facts.Terms(final_depth=depth)))
    payment = after(payment, observe(payment, Observation(CHAIN, START, blocks=(block(6, transfer("a", DUE)),))))
    assert after(payment, confirm(payment, height=height, final_height=6, now=START)).final is final


def test_a_request_without_terms_folds_as_before() -> None:
    old = requested().canonical
    assert b"terms" not in old
    payment = evolve(None, facts.PaymentRequested.model_validate_json(old))
    assert (payment.tolerance, payment.dust, payment.final_depth, payment.enough) == (0, 0, 0, DUE)
