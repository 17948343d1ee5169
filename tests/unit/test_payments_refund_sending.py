"""Correctness 8: a refund is paid once, whatever dies, pauses, forgets, reverts or is reorganised on the way.

Played in memory against a chain that takes whatever a chain takes; the order of sending is the one that runs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Collection

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shared.kernel.decision import By
from shared.kernel.errors import Fenced, Invalid, Problem, Transient
from shared.kernel.facts import Fact
from shared.kernel.ids import PaymentId, RefundId
from shared.kernel.money import Asset
from shared.payments.facts import RefundDelay, RefundSigned
from shared.payments.ledger import accounts
from shared.payments.refund_model import DecideRefund, Refund, RefundState
from shared.payments.refund_policy import RefundPolicy
from shared.payments.refunds import decide
from shared.payments.send_refund import Sender, Sending
from shared.payments.spending import Draft, Intent, SignedTransaction, UnsafeTransaction
from shared.payments.statement import balance_views
from tests.many import runs
from tests.unit.played_wallet import (
    FINAL,
    Fate,
    Killed,
    Mortal,
    PlayedChain,
    PlayedClock,
    PlayedSendings,
    PlayedWallet,
    Quiet,
)
from tests.unit.refunding import asked, customer, folded, staff
from tests.unit.test_payments_ledger import CHAIN, START, overpaid

BY = By("send_refund")
FREELY = RefundPolicy(automatic_minor=10**9, automatic_revenue_minor=10**9, least={}, most_fee={}, most_failures=20)
STUCK_S = 120


class Stage:
    """Some payments of 1000 that got 2500, a chain, and a sender that may die."""

    def __init__(self, *, nonces: bool, payments: int = 2, policy: RefundPolicy = FREELY) -> None:
        self.world = PlayedChain(CHAIN, nonces)
        self.wallet = PlayedWallet(self.world)
        told: dict[PaymentId, list[Fact]] = {}
        for _ in range(payments):
            facts = overpaid()
            told[folded(facts).payment.payment_id] = facts
        self.sendings = PlayedSendings(dict(sorted(told.items())))  # in the order in which they are looked at
        self.clock = PlayedClock(START)
        self.alarms = Quiet()
        self.policy = policy
        self.loop = asyncio.new_event_loop()

    def sender(self, fate: Fate | None = None, wallet: object | None = None) -> Sender:
        fate = fate or Fate()
        return Sender(
            Sending(
                wallet=Mortal(wallet or self.wallet, fate),  # type: ignore[arg-type]  # it passes every call on
                sendings=Mortal(self.sendings, fate),  # type: ignore[arg-type]
                alarms=self.alarms,
                policy=self.policy,
                family="evm",
                clock=self.clock,
            )
        )

    def run(self, fate: Fate | None = None) -> None:
        """Let a fresh process make a pass, or as much of it as its fate allows; its lease is over afterwards."""
        with contextlib.suppress(Killed, Problem):
            self.loop.run_until_complete(self.sender(fate).run(by=BY))
        self.sendings.held = False

    def ask(self, number: int, units: int | None, *, shop: bool = False) -> RefundId | None:
        payment_id, told = list(self.sendings.told.items())[number]
        position = folded(told)
        by = staff(position.payment) if shop else customer(position.payment)
        try:
            facts = asked(position, by=by, now=self.clock.now(), units=units, policy=self.policy)
        except Problem:
            return None
        self.sendings.append(payment_id, facts)
        return folded(self.sendings.told[payment_id]).payment.refunds[-1].refund_id

    @property
    def refunds(self) -> dict[RefundId, Refund]:
        payments = (folded(told).payment for told in self.sendings.told.values())
        return {refund.refund_id: refund for payment in payments for refund in payment.refunds}

    def decline(self, refund_id: RefundId) -> bool:
        for payment_id, told in self.sendings.told.items():
            payment = folded(told).payment
            try:
                facts = decide(payment, refund_id, DecideRefund(approve=False), by=staff(payment), now=START)
            except Problem:
                continue
            self.sendings.append(payment_id, facts)
            return True
        return False

    def end(self) -> None:
        """Let everything that was agreed to come to its end on a chain that works."""
        self.world.down = False
        self.world.coins = 200
        for _ in range(80):
            self.run()
            self.world.mine(list(self.world.pool))
            self.clock.passes(STUCK_S + 1)
            if all(r.state in (RefundState.CONFIRMED, RefundState.DECLINED) for r in self.refunds.values()):
                return
        raise AssertionError({r.state: r.delayed for r in self.refunds.values()})

    def paid(self) -> Counter[str]:
        """Return how often each refund is paid on the best chain."""
        return Counter(sent.reference for _, sent, moved in self.world.mined.values() if moved)

    def close(self) -> None:
        self.loop.close()

    def check_the_end(self) -> None:
        """Every refund that was not declined is paid once and in full, and the books say what the chain says."""
        refunds = self.refunds
        agreed = {refund_id: r for refund_id, r in refunds.items() if r.state is RefundState.CONFIRMED}
        assert self.paid() == Counter(agreed.keys())
        units = {sent.reference: sent.units for _, sent, moved in self.world.mined.values() if moved}
        assert units == {refund_id: refund.amount.units for refund_id, refund in agreed.items()}
        total: Counter[object] = Counter()
        for told in self.sendings.told.values():
            total.update(accounts(folded(told)))
        views = {view.asset: view for view in balance_views(total)}  # type: ignore[arg-type]  # they are lines
        assert all(view.balanced and not view.transit for view in views.values())
        fees = sum(sent.fee - 3 for _, sent, _ in self.world.mined.values())
        if agreed or fees:
            assert views[Asset.ETH].fees == fees == -views[Asset.ETH].hot
        assert views[Asset.USDC].hot == -sum(units.values())


class SendingMachine(RuleBasedStateMachine):
    """People ask, processes die and pause, the chain does what chains do."""

    @initialize(nonces=st.booleans())
    def begin(self, nonces: bool) -> None:
        self.stage = Stage(nonces=nonces)

    @rule(number=st.integers(0, 1), units=st.sampled_from([None, 1, 400, 700]), shop=st.booleans())
    def asked_for(self, number: int, units: int | None, shop: bool) -> None:
        self.stage.ask(number, units, shop=shop)

    @precondition(lambda self: self.stage.refunds)
    @rule(data=st.data())
    def declined(self, data: st.DataObject) -> None:
        refund = data.draw(st.sampled_from(list(self.stage.refunds)))
        if self.stage.decline(refund):
            assert self.stage.refunds[refund].state is RefundState.DECLINED

    @rule()
    def passed(self) -> None:
        self.stage.run()

    @rule(at=st.integers(1, 40))
    def killed(self, at: int) -> None:
        self.stage.run(Fate(at))

    @rule(at=st.integers(1, 40), blocks=st.integers(0, 2))
    def paused(self, at: int, blocks: int) -> None:
        """It stands still past its lease, another one takes over, blocks are mined, and then it goes on."""

        async def meanwhile() -> None:
            self.stage.sendings.held = False
            with contextlib.suppress(Problem):
                await self.stage.sender().run(by=BY)
            for _ in range(blocks):
                self.stage.world.mine(list(self.stage.world.pool))

        self.stage.run(Fate(at, meanwhile))

    @rule(at=st.integers(1, 40), number=st.integers(0, 1), units=st.sampled_from([1, 700]))
    def interrupted(self, at: int, number: int, units: int) -> None:
        """While it is at work somebody declines what is not signed yet, and asks for something else."""

        async def meanwhile() -> None:
            for refund_id in list(self.stage.refunds):
                self.stage.decline(refund_id)
            self.stage.ask(number, units)

        self.stage.run(Fate(at, meanwhile))

    @rule(data=st.data(), reverting=st.booleans())
    def mined(self, data: st.DataObject, reverting: bool) -> None:
        waiting = list(self.stage.world.pool)
        chosen = data.draw(st.lists(st.sampled_from(waiting), unique=True)) if waiting else []
        self.stage.world.mine(chosen, chosen if reverting else ())

    @rule(depth=st.integers(1, FINAL - 1), keep=st.booleans())
    def reorganised(self, depth: int, keep: bool) -> None:
        self.stage.world.reorganise(depth, list(self.stage.world.mined) if keep else [])

    @rule()
    def forgotten(self) -> None:
        """The node starts anew with an empty mempool."""
        self.stage.world.pool.clear()

    @rule(seconds=st.sampled_from([10, STUCK_S]))
    def time_passes(self, seconds: int) -> None:
        self.stage.clock.passes(seconds)

    @rule(down=st.booleans())
    def node(self, down: bool) -> None:
        self.stage.world.down = down

    @invariant()
    def nothing_is_paid_twice_or_without_consent(self) -> None:
        if not hasattr(self, "stage"):
            return
        refunds = self.stage.refunds
        for reference, count in self.stage.paid().items():
            assert count == 1
            assert refunds[RefundId(reference)].state is not RefundState.DECLINED

    @invariant()
    def only_bytes_that_were_stored_are_sent(self) -> None:
        if not hasattr(self, "stage"):
            return
        facts = (fact for told in self.stage.sendings.told.values() for fact in told)
        stored = {fact.raw for fact in facts if isinstance(fact, RefundSigned)}
        assert self.stage.world.seen <= stored

    def teardown(self) -> None:
        if hasattr(self, "stage"):
            self.stage.end()
            self.stage.check_the_end()
            self.stage.close()


TestSending = SendingMachine.TestCase
TestSending.settings = settings(max_examples=runs(500), stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("nonces", [True, False], ids=["nonces", "coins"])
def test_killed_at_any_point_of_its_way_it_is_paid_once(nonces: bool) -> None:
    """Every point before and behind every call, of a refund that is sent, bumped, reorganised away and confirmed."""
    at, more = 0, True
    while more:
        at += 1
        stage, fate = Stage(nonces=nonces, payments=1), Fate(at)
        stage.ask(0, 700)
        for step in range(6):
            stage.run(fate)
            fate.dead = False  # the next process is alive
            if step == 1:
                stage.clock.passes(STUCK_S)
            if step == 3:
                stage.world.mine(list(stage.world.pool))
            if step == 4:
                stage.world.reorganise(1, [])
        more = fate.points >= at
        stage.end()
        stage.check_the_end()
        stage.close()
    assert at > 40


def stage_of_one(**changes: object) -> tuple[Stage, RefundId]:
    stage = Stage(nonces=True, payments=1, policy=FREELY.model_copy(update=changes))
    refund_id = stage.ask(0, 700)
    assert refund_id is not None
    return stage, refund_id


def test_a_short_wallet_is_told_once_in_facts_and_every_time_as_an_alarm() -> None:
    stage = Stage(nonces=False, payments=1)
    refund_id = stage.ask(0, 700)
    assert refund_id is not None
    stage.world.coins = 0
    for _ in range(3):
        stage.run()
    (told,) = stage.sendings.told.values()
    assert [fact.type for fact in told][-1] == "payment.refund_delayed.v1"
    assert stage.refunds[refund_id].delayed is RefundDelay.WALLET_SHORT
    assert [what for what, _ in stage.alarms.told] == ["wallet_short"] * 3
    assert stage.alarms.counts == {"wallet_short": 1}
    stage.world.coins = 1
    stage.run()
    assert (stage.refunds[refund_id].state, stage.refunds[refund_id].delayed) == (RefundState.BROADCAST, None)


def test_a_fee_above_the_limit_is_not_paid() -> None:
    stage, refund_id = stage_of_one(most_fee={Asset.ETH: 9})
    stage.run()
    assert stage.refunds[refund_id].delayed is RefundDelay.FEE_TOO_HIGH
    assert not stage.world.seen


def test_what_is_stuck_is_bumped_so_often_and_then_somebody_is_called() -> None:
    stage, refund_id = stage_of_one(most_bumps=2)
    for _ in range(6):
        stage.run()
        stage.clock.passes(STUCK_S)
    refund = stage.refunds[refund_id]
    assert [signed.fee.units for signed in refund.signed] == [10, 15, 20]
    assert len({slot for signed in refund.signed for slot in signed.slots}) == 1
    assert list(stage.world.pool) == [refund.signed[-1].txid]
    assert {what for what, _ in stage.alarms.told} == {"stuck"}
    stage.end()
    stage.check_the_end()


def test_what_nodes_dropped_and_would_not_take_again_for_its_fee_is_bumped() -> None:
    """The least fee rose: the same bytes are refused each time, and waiting for them would be for ever."""
    stage, refund_id = stage_of_one()
    stage.run()
    stage.world.pool.clear()

    class Dearer(PlayedWallet):
        async def broadcast(self, signed: SignedTransaction) -> None:
            if signed.fee < 12:
                raise Transient("min relay fee not met")
            await super().broadcast(signed)

    sender = stage.sender(wallet=Dearer(stage.world))
    with pytest.raises(Transient, match="relay"):
        stage.loop.run_until_complete(sender.run(by=BY))
    stage.clock.passes(STUCK_S + 1)
    stage.loop.run_until_complete(sender.run(by=BY))
    assert [signed.fee.units for signed in stage.refunds[refund_id].signed] == [10, 15]
    assert list(stage.world.pool) == [stage.refunds[refund_id].signed[-1].txid]
    stage.end()
    stage.check_the_end()


def test_a_bump_above_the_fee_limit_is_not_signed() -> None:
    stage, refund_id = stage_of_one(most_fee={Asset.ETH: 12})
    for _ in range(3):
        stage.run()
        stage.clock.passes(STUCK_S)
    assert len(stage.refunds[refund_id].signed) == 1
    assert stage.alarms.told[-1][0] == "stuck"


def test_nothing_is_sent_to_the_hot_wallet_itself() -> None:
    stage = Stage(nonces=True, payments=1)
    (payment_id,) = stage.sendings.told
    position = folded(stage.sendings.told[payment_id])
    home = asyncio.run(stage.wallet.address())
    told = asked(position, by=customer(position.payment), now=START, units=5, policy=FREELY, to=home)
    stage.sendings.append(payment_id, told)
    stage.run()
    (refund,) = stage.refunds.values()
    assert (refund.delayed, stage.world.seen) == (RefundDelay.REFUSED, set())


def test_one_that_the_wallet_refuses_stops_no_other() -> None:
    """And one that it builds wrongly is neither stored nor sent."""
    stage = Stage(nonces=True, payments=3)
    refused, wrong, good = (stage.ask(number, 700) for number in range(3))
    assert isinstance(refused, RefundId)

    class Picky(PlayedWallet):
        async def draft(self, intent: Intent, *, taken: Collection[str]) -> Draft:
            if intent.reference == refused:
                raise Invalid("it is on a black list")
            return await super().draft(intent, taken=taken)

        async def sign(self, draft: Draft) -> SignedTransaction:
            if draft.intent.reference == wrong:
                raise UnsafeTransaction("its change goes to somebody else")
            return await super().sign(draft)

    sender = stage.sender(wallet=Picky(stage.world))
    with pytest.raises(UnsafeTransaction):
        stage.loop.run_until_complete(sender.run(by=BY))
    states = {refund_id: refund.state for refund_id, refund in stage.refunds.items()}
    assert states == {refused: RefundState.APPROVED, wrong: RefundState.APPROVED, good: RefundState.BROADCAST}
    assert stage.refunds[refused].delayed is RefundDelay.REFUSED
    assert len(stage.world.seen) == 1


def test_rule_5_a_sender_that_lost_its_lease_writes_and_sends_nothing() -> None:
    """It stands still before the commit of what it signed, another one sends, and then it goes on."""
    stage, refund_id = stage_of_one()

    async def meanwhile() -> None:
        stage.sendings.held = False
        await stage.sender().run(by=BY)

    fates = []
    for at in range(1, 30):
        stage, refund_id = stage_of_one()
        fate = Fate(at, meanwhile)
        try:
            stage.loop.run_until_complete(stage.sender(fate).run(by=BY))
        except Fenced:
            fates.append(at)
        assert len(stage.refunds[refund_id].signed) == 1
        assert len(stage.world.seen) == 1
    assert fates
