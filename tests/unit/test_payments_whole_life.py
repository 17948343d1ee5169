"""One payment through everything at once: chain, price, order, risk, refunds. Whose coins are whose is counted apart.

What lies at the address is counted from the chain of the test; whatever the order of things, all of it is the shop's,
the customer's, given back, or waits with an end; and in the end whoever has a claim can have it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import reduce
from itertools import count
from typing import Final

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shared.kernel.decision import By
from shared.kernel.errors import Problem
from shared.kernel.facts import Fact
from shared.kernel.money import Asset, Fiat, Money
from shared.payments import facts, lifecycle
from shared.payments.chain import BlockRef, Transfer
from shared.payments.ledger import Position, accounts, moved
from shared.payments.lifecycle import GRACE, MINED_WITHIN
from shared.payments.model import Payment
from shared.payments.observation import Observation, Sighting, observe
from shared.payments.refund_model import SENT, UNDER_WAY, Refund, RefundState
from shared.payments.refund_policy import MOST, RefundPolicy
from shared.payments.refund_sending import blocked
from shared.payments.refunds import available
from shared.payments.statement import BalanceView
from tests.unit.refunding import asked, customer, refund_of, staff, steps
from tests.unit.test_payments_ledger import CHAIN, DUE, START, block, requested, transfer

ASSETS: Final = (Asset.USDC, Asset.USDT)
OWN, OTHER = ASSETS
POLICY: Final = RefundPolicy(automatic_minor=10**9, automatic_revenue_minor=10**9, least={})


class WholeLife(RuleBasedStateMachine):
    """A payment of 1000 units of the first asset."""

    @initialize(
        confirmations=st.integers(1, 2),
        tolerance=st.sampled_from([0, 5]),
        dust=st.sampled_from([0, 10]),
        depth=st.integers(0, 3),
        at_risk=st.booleans(),
    )
    def begin(self, confirmations: int, tolerance: int, dust: int, depth: int, at_risk: bool) -> None:
        self.numbers = count(1)
        self.now: datetime = START
        self.blocks: list[tuple[str, list[Transfer]]] = [("b0", [])]
        self.pool: dict[str, Transfer] = {}
        self.final_height = 0
        self.order = "pending"
        terms = facts.Terms(tolerance=tolerance, dust=dust, final_depth=depth, zero_confirmation=at_risk)
        first = requested("k0", confirmations).model_copy(update={"terms": terms})
        self.told: list[Fact] = [first]
        self.position: Position = moved(None, first)

    @property
    def payment(self) -> Payment:
        return self.position.payment

    @property
    def height(self) -> int:
        return len(self.blocks) - 1

    def tell(self, told: Sequence[Fact]) -> None:
        for fact in told:
            self.told.append(fact)
            self.position = moved(self.position, fact)
        if self.payment.settled and self.order == "pending":
            self.order = "confirmed"

    def see(self, observed: Observation) -> None:
        self.tell(observe(self.payment, observed))

    def on_chain(self, asset: Asset, *, up_to: int | None = None) -> int:
        """Return what lies at the address, as the test's own chain has it."""
        upper = self.height if up_to is None else up_to
        return sum(coin.units for _, held in self.blocks[: upper + 1] for coin in held if coin.asset == asset)

    def books(self, asset: Asset) -> BalanceView:
        return BalanceView.of(asset, accounts(self.position))

    def mine(self, *groups: Sequence[Transfer], fork: BlockRef | None = None) -> None:
        mined = []
        for held in groups:
            name = f"b{next(self.numbers)}"
            self.blocks.append((name, list(held)))
            for coin in held:
                self.pool.pop(coin.txid, None)
            mined.append(block(self.height, *held, at=self.now, name=name))
        self.see(Observation(CHAIN, self.now, blocks=tuple(mined), fork=fork, mempool_watched=True))

    @rule(minutes=st.sampled_from([1, 9, 16, 61, 24 * 60]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(
        units=st.sampled_from([1, 300, 700, 995, 1000, 2000]),
        asset=st.sampled_from([OWN, OWN, OWN, OTHER]),
        sighted=st.booleans(),
    )
    def paid(self, units: int, asset: Asset, sighted: bool) -> None:
        self.pay(units, asset, sighted=sighted)

    def pay(self, units: int, asset: Asset, *, sighted: bool) -> None:
        coin = transfer(f"tx{next(self.numbers)}", units, asset=asset)
        if sighted:
            self.pool[coin.txid] = coin
            self.see(Observation(CHAIN, self.now, sightings=(Sighting(coin),), mempool_watched=True))
        else:
            self.mine([coin])

    @rule(data=st.data(), more=st.integers(0, 3))
    def mined(self, data: st.DataObject, more: int) -> None:
        waiting = list(self.pool.values())
        held = data.draw(st.lists(st.sampled_from(waiting), unique=True)) if waiting else []
        self.mine(held, *([] for _ in range(more)))

    @precondition(lambda self: self.pool)
    @rule(data=st.data())
    def double_spent(self, data: st.DataObject) -> None:
        txid = data.draw(st.sampled_from(sorted(self.pool)))
        del self.pool[txid]
        self.see(Observation(CHAIN, self.now, conflicts={txid: "other"}, mempool_watched=True))

    @precondition(lambda self: self.height > self.final_height)
    @rule(data=st.data())
    def reorganised(self, data: st.DataObject) -> None:
        """Never below what is final: coins that were given back stay where they came to."""
        depth = data.draw(st.integers(1, self.height - self.final_height))
        lost = [coin for _, held in self.blocks[-depth:] for coin in held]
        del self.blocks[-depth:]
        fork = BlockRef(CHAIN, self.height, self.blocks[-1][0])
        kept = data.draw(st.lists(st.sampled_from(lost), unique=True)) if lost else []
        self.mine(kept, *([] for _ in range(depth)), fork=fork)

    @rule(
        finalize=st.booleans(),
        rival=st.sampled_from([False, False, False, False, True]),
        costs=st.sampled_from([None, DUE // 2, DUE, 3 * DUE // 2, 2 * DUE]),
    )
    def decided(self, finalize: bool, rival: bool, costs: int | None) -> None:
        if finalize:
            self.final_height = max(self.final_height, self.height - 1)
        self.decide(rival=rival, costs=costs)

    def decide(self, *, rival: bool = False, costs: int | None = None) -> None:
        cover = facts.LateCover(costs=costs, rate="1", feeds=(), at=self.now) if costs is not None else None
        before = self.payment
        told = lifecycle.confirm(
            before, height=self.height, final_height=self.final_height, now=self.now, rival=rival, costs=cover
        )
        self.tell(told)
        for fact in told:
            if isinstance(fact, facts.PaymentSettled) and fact.late is not None:
                self.the_shop_got_the_price(before, fact.late.costs)

    def the_shop_got_the_price(self, payment: Payment, costs: int) -> None:
        """What came late buys at the price of now what was not paid on time, and none of that goes back."""
        deep = self.height - payment.confirmations + 1
        coins = [coin.txid for _, held in self.blocks[: deep + 1] for coin in held if coin.asset == OWN]
        on_time = sum(
            arrival.units
            for arrival in payment.transfers
            if arrival.txid in coins and payment.counts(arrival) and lifecycle.in_time(payment, arrival)
        )
        given_up = sum(r.of_settled for r in self.payment.refunds if r.state not in (RefundState.DECLINED,))
        needed = on_time + costs * (payment.due - on_time) / payment.quote.amount
        assert self.books(OWN).settled + given_up >= needed - payment.tolerance

    @rule(
        after=st.sampled_from([timedelta(0), GRACE, GRACE + timedelta(minutes=1), MINED_WITHIN + timedelta(minutes=1)]),
        units=st.sampled_from([300, 1000, 2000]),
        deep=st.booleans(),
        costs=st.sampled_from([None, DUE, 3 * DUE // 2, 2 * DUE]),
    )
    def paid_at_a_moment_that_matters(self, after: timedelta, units: int, deep: bool, costs: int | None) -> None:
        """So many blind steps would seldom come there: before expiry, in the grace, after it; final, or just mined."""
        self.now = max(self.now, self.payment.expires_at + after)
        self.pay(units, OWN, sighted=False)
        if deep:
            self.mine(*([] for _ in range(4)))
            self.final_height = self.height
        self.decide(costs=costs)

    @rule(asset=st.sampled_from([OWN, OWN, OTHER]), shop=st.booleans())
    def asked_back_and_sent_at_once(self, asset: Asset, shop: bool) -> None:
        if self.ask(staff(self.payment) if shop else customer(self.payment), None, asset):
            refund = self.payment.refunds[-1]
            self.step(refund, "signed" if "signed" in self.may(refund) else "")

    @rule(handed_over=st.booleans())
    def sighted_and_taken(self, handed_over: bool) -> None:
        self.pay(DUE, OWN, sighted=True)
        self.accept()
        if handed_over and self.order == "confirmed":
            self.order = "completed"

    @rule()
    def sighting_accepted(self) -> None:
        self.accept()

    def accept(self) -> None:
        """As accept_sighting does; the cap bears everything."""
        if self.payment.exposed:
            if lifecycle.promised(self.payment) < self.payment.enough:
                self.tell(lifecycle.confirm(self.payment, height=self.height, final_height=-1, now=self.now))
        else:
            self.tell(lifecycle.accept(self.payment, height=self.height, now=self.now))

    @rule()
    def expiring(self) -> None:
        self.tell(lifecycle.expire(self.payment, proven=self.now, now=self.now))
        if self.payment.expired and self.order == "pending":
            self.order = "expired"

    @rule()
    def another_coin_chosen(self) -> None:
        self.tell(lifecycle.supersede(self.payment, asset=Asset.ETH, chain=CHAIN, now=self.now))

    @precondition(lambda self: self.order in ("pending", "confirmed"))
    @rule()
    def called_off(self) -> None:
        self.order = "cancelled"
        self.tell(lifecycle.close(self.payment, now=self.now))

    @precondition(lambda self: self.order == "confirmed")
    @rule()
    def handed_over(self) -> None:
        self.order = "completed"

    @precondition(lambda self: self.order == "completed")
    @rule()
    def written_off(self) -> None:
        self.tell(lifecycle.write_off(self.payment, now=self.now))

    @precondition(
        lambda self: (
            self.order == "pending"
            and self.payment.open
            and self.now > self.payment.expires_at
            and self.payment.received
            and self.payment.requotes < 3
            and all(refund.state is RefundState.DECLINED for refund in self.payment.refunds)
        )
    )
    @rule(rest=st.sampled_from([0, 1, 300, 1000]))
    def quoted_anew(self, rest: int) -> None:
        payment = self.payment
        quote = payment.quote.model_copy(update={"amount": rest, "price": Fiat(currency="EUR", units=rest)})
        due, terms = payment.received + rest, facts.Terms(tolerance=payment.tolerance, dust=payment.dust)
        self.tell(
            [
                facts.PaymentRequoted(
                    **lifecycle.who(payment),
                    due=Money(asset=OWN, units=due),
                    quote=quote,
                    terms=terms.model_copy(update={"final_depth": payment.final_depth}),
                    expires_at=self.now + timedelta(minutes=15),
                    at=self.now,
                )
            ]
        )

    @rule(
        units=st.sampled_from([None, 1, 300, 1000]),
        asset=st.sampled_from([OWN, OWN, OTHER]),
        shop=st.booleans(),
        automatic=st.booleans(),
    )
    def refund_asked(self, units: int | None, asset: Asset, shop: bool, automatic: bool) -> None:
        policy = POLICY if automatic else RefundPolicy(automatic_minor=0, automatic_revenue_minor=0, least={})
        self.ask(staff(self.payment) if shop else customer(self.payment), units, asset, policy)

    def ask(self, by: By, units: int | None, asset: Asset, policy: RefundPolicy = POLICY) -> bool:
        try:
            self.tell(asked(self.position, by=by, now=self.now, units=units, asset=asset, policy=policy))
        except Problem:
            return False
        return True

    def may(self, refund: Refund) -> dict[str, Sequence[Fact]]:
        heights = {"height": self.height, "final_height": self.final_height}
        return steps(self.position, refund, number=next(self.numbers), **heights, now=self.now)

    @precondition(lambda self: self.payment.refunds)
    @rule(data=st.data())
    def refund_taken_further(self, data: st.DataObject) -> None:
        refund = data.draw(st.sampled_from(self.payment.refunds))
        self.step(refund, data.draw(st.sampled_from(["", *sorted(self.may(refund))])))

    def step(self, refund: Refund, name: str) -> None:
        if not name:
            return
        self.tell(self.may(refund)[name])
        if name == "signed":
            self.only_final_coins_left_that_nobody_else_has_a_claim_to(refund.amount.asset)

    def only_final_coins_left_that_nobody_else_has_a_claim_to(self, asset: Asset) -> None:
        deep = min(self.final_height, self.height - self.payment.final_depth + 1)
        gone = sum(r.amount.units for r in self.payment.refunds if r.state in SENT and r.amount.asset == asset)
        books = self.books(asset)
        waiting = books.held - books.refundable
        assert gone + books.settled + waiting <= self.on_chain(asset, up_to=deep)

    @invariant()
    def every_unit_is_somebodys(self) -> None:
        for asset in ASSETS:
            books = self.books(asset)
            assert books.balanced
            assert books.settled + books.held + books.refunded - books.shortfall == self.on_chain(asset)
            assert books.addresses == self.on_chain(asset)
            assert min(books.settled, books.held, books.refundable, books.refunded, books.shortfall) >= 0
            assert books.refundable <= books.held
            free = available(self.position, asset)
            assert 0 <= free.held + free.revenue <= self.on_chain(asset)

    @invariant()
    def what_is_told_says_it_all(self) -> None:
        assert lifecycle.evolve_all(None, self.told) == self.payment

    def teardown(self) -> None:
        """Let the chain come to rest and time pass: then everybody can have what is theirs, to the last unit."""
        if not hasattr(self, "told"):
            return
        start: Position | None = None
        assert reduce(moved, self.told, start) == self.position
        for _ in range(3):
            self.now = max(self.now, self.payment.expires_at) + timedelta(days=2)
            self.mine(*([] for _ in range(8)))
            self.final_height = self.height
            self.decide(costs=2 * DUE)
            self.written_off_if_handed_over()
            self.expiring()
        for refund in self.payment.refunds:
            self.ended(refund)
        self.nothing_waits_for_ever()
        self.everybody_gets_theirs()

    def written_off_if_handed_over(self) -> None:
        if self.order == "completed":
            self.tell(lifecycle.write_off(self.payment, now=self.now))
            self.decide()

    def ended(self, refund: Refund) -> None:
        """Take a refund to an end: it is sent, or the shop declines what it can't send."""
        while refund.state not in (RefundState.CONFIRMED, RefundState.DECLINED):
            may = self.may(refund)
            wanted = ("confirmed",) if refund.state in UNDER_WAY else ("signed", "approved", "approved too", "declined")
            self.step(refund, next(name for name in wanted if name in may))
            refund = refund_of(self.position, refund.refund_id)

    def nothing_waits_for_ever(self) -> None:
        books = self.books(OWN)
        if self.payment.open and not self.payment.settled:
            assert self.payment.written_off
        assert books.held == books.refundable
        assert not (self.payment.settled and books.shortfall)  # what says it is paid is paid

    def everybody_gets_theirs(self) -> None:
        for asset in ASSETS:
            if len(self.payment.refunds) >= MOST - 2:
                return
            books = self.books(asset)
            for by, left in ((customer(self.payment), books.refundable), (staff(self.payment), books.settled)):
                free = available(self.position, asset)
                wanted = 0 if books.shortfall else left
                assert (free.held if by.merchant_id is None else free.revenue) == max(wanted, 0)
                if wanted > 0:
                    assert self.ask(by, None, asset)
                    refund = self.payment.refunds[-1]
                    why = blocked(
                        self.position, refund, height=self.height, final_height=self.final_height, policy=POLICY
                    )
                    assert (refund.amount.units, why) == (wanted, None)
                    self.ended(refund)
            gone: Counter[Asset] = Counter()
            for refund in self.payment.refunds:
                if refund.state is RefundState.CONFIRMED:
                    gone[refund.amount.asset] += refund.amount.units
            assert gone[asset] - self.books(asset).shortfall + self.books(asset).settled == self.on_chain(asset)


TestWholeLife = WholeLife.TestCase
TestWholeLife.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, phases=(Phase.reuse, Phase.generate, Phase.shrink)
)
