"""Claims: codes that are derived and never stored, and a hand-over that happens once whatever is tried."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shared.claims import lifecycle
from shared.claims.codes import LENGTH, Codes, grouped, normalised
from shared.claims.facts import ClaimDelegated, ClaimIssued, ClaimRedeemed, ClaimRevoked
from shared.claims.model import Claim, ClaimStatus
from shared.claims.ports import OrderStanding
from shared.kernel.decision import By, Role
from shared.kernel.errors import Bug, NotFound
from shared.kernel.facts import Fact
from shared.kernel.ids import ClaimId, KeyId, MerchantId, OrderId, ShopId, UserId

NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)
CODES = Codes(bytes(range(32)))
STATUSES = ["pending", "confirmed", "preparing", "ready", "completed", "cancelled", "expired"]
STAFF = [By(KeyId.new(), frozenset({Role.BARISTA})) for _ in range(2)]


def an_order() -> OrderStanding:
    return OrderStanding(OrderId.new(), ShopId.new(), MerchantId.new(), UserId.new(), "confirmed", False, 1)


def code_hash(order: OrderStanding) -> str:
    return CODES.hash(order.shop_id, CODES.code(ClaimId.like(order.order_id)))


class Handing(RuleBasedStateMachine):
    """One order and its claim, pushed around in any order."""

    @initialize()
    def start(self) -> None:
        self.order = an_order()
        self.claim: Claim | None = None
        self.recorded: list[Fact] = []
        self.handed_over = 0
        self.dead: set[str] = set()

    def hash_of(self, serial: int) -> str:
        return CODES.hash_of(ClaimId.like(self.order.order_id), self.order.shop_id, serial)

    def record(self, facts: object) -> None:
        for fact in facts:  # type: ignore[attr-defined]  # whatever a rule returns
            self.claim = lifecycle.evolve(self.claim, fact)
            self.recorded.append(fact)

    @rule(status=st.sampled_from(STATUSES), halted=st.booleans())
    def the_order_moves(self, status: str, halted: bool) -> None:
        self.order = replace(self.order, status=status, halted=halted, version=self.order.version + 1)

    @rule()
    def the_order_becomes_ready(self) -> None:
        self.the_order_moves("ready", False)

    @rule()
    def it_is_confirmed_again(self) -> None:
        self.record(lifecycle.issue(self.claim, self.order, code_hash=code_hash(self.order), now=NOW))

    @rule(attempt=st.sampled_from(["attempt-1", "attempt-2"]), by=st.sampled_from(STAFF))
    def somebody_redeems(self, attempt: str, by: By) -> None:
        if self.claim is None:
            with pytest.raises(Bug):
                lifecycle.redeem(None, self.order, attempt_id=attempt, by=by, now=NOW)
            return
        before = self.claim
        try:
            facts = lifecycle.redeem(self.claim, self.order, attempt_id=attempt, by=by, now=NOW)
        except lifecycle.AlreadyRedeemed:
            assert before.status is ClaimStatus.REDEEMED
            assert (before.attempt_id, before.redeemed_by) != (attempt, by.actor)
        except lifecycle.WrongCode:
            assert before.status is ClaimStatus.REVOKED
        except lifecycle.NotReady:
            assert before.status is ClaimStatus.ISSUED
            assert self.order.status != "ready" or self.order.halted
        else:
            self.record(facts)
            if facts:
                assert (self.order.status, self.order.halted) == ("ready", False)
                self.handed_over += 1
            else:
                assert (before.attempt_id, before.redeemed_by) == (attempt, by.actor)

    @rule(to=st.sampled_from([None, UserId.new(), UserId.new()]), own=st.booleans())
    def the_code_is_replaced(self, to: UserId | None, own: bool) -> None:
        before, by = self.claim, By(self.order.customer_id if own else UserId.new())
        try:
            (fact,) = lifecycle.delegate(before, self.order, to=to, hash_of=self.hash_of, by=by, now=NOW)
        except NotFound:
            assert before is None or not own
        except lifecycle.AlreadyRedeemed:
            assert self.handed_over == 1
        except lifecycle.Withheld:
            assert self.order.halted or self.order.status not in ("confirmed", "preparing", "ready")
        except lifecycle.CodesUsedUp:
            assert before is not None
            assert before.serial == lifecycle.MOST_CODES
        else:
            assert before is not None
            self.dead.add(before.code_hash)
            self.record([fact])
            assert isinstance(fact, ClaimDelegated)
            assert self.claim is not None
            assert self.claim.shown_to == (to or self.order.customer_id)

    @rule(by=st.sampled_from(["customer", "staff", "stranger"]))
    def the_code_is_revoked(self, by: str) -> None:
        before, merchant = self.claim, self.order.merchant_id
        actor = {
            "customer": By(self.order.customer_id),
            "staff": By(KeyId.new(), frozenset({Role.BARISTA}), merchant, shop_ids=frozenset({self.order.shop_id})),
            "stranger": By(KeyId.new(), frozenset({Role.OWNER}), merchant, shop_ids=frozenset({ShopId.new()})),
        }[by]
        try:
            facts = lifecycle.revoke(before, hash_of=self.hash_of, by=actor, now=NOW)
        except NotFound:
            assert before is None or by == "stranger"
        except lifecycle.AlreadyRedeemed:
            assert self.handed_over == 1
        else:
            assert before is not None
            if before.status is ClaimStatus.REVOKED:
                assert not facts
                return
            (fact,) = facts
            assert isinstance(fact, ClaimRevoked)
            self.dead.add(before.code_hash)
            self.record(facts)

    @invariant()
    def no_code_comes_back(self) -> None:
        assert self.claim is None or self.claim.code_hash not in self.dead

    @invariant()
    def it_is_handed_over_once_at_most(self) -> None:
        assert self.handed_over <= 1
        assert sum(isinstance(fact, ClaimRedeemed) for fact in self.recorded) == self.handed_over
        assert sum(isinstance(fact, ClaimIssued) for fact in self.recorded) <= 1

    @invariant()
    def the_code_is_shown_only_while_it_leads_somewhere(self) -> None:
        if self.claim is not None and lifecycle.showable(self.claim, self.order):
            assert self.claim.status is ClaimStatus.ISSUED
            assert self.order.status in ("confirmed", "preparing", "ready")
            assert not self.order.halted

    @invariant()
    def no_fact_tells_the_code(self) -> None:
        code = CODES.code(ClaimId.like(self.order.order_id))
        assert all(code not in fact.canonical.decode() for fact in self.recorded)


TestHanding = Handing.TestCase


def test_a_code_is_the_same_every_time_and_another_for_every_claim_and_key() -> None:
    claims = [ClaimId.new() for _ in range(500)]
    codes = {CODES.code(claim) for claim in claims}
    assert len(codes) == 500
    assert all(len(code) == LENGTH and set(code) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ") for code in codes)
    assert CODES.code(claims[0]) == Codes(bytes(range(32))).code(claims[0])
    assert CODES.code(claims[0]) != Codes(bytes(32)).code(claims[0])


def test_every_place_of_a_code_takes_every_character() -> None:
    codes = [CODES.code(ClaimId.new()) for _ in range(2000)]
    assert all(len({code[place] for code in codes}) == 32 for place in range(LENGTH))


def test_a_code_is_worth_nothing_in_another_shop() -> None:
    code, here, there = CODES.code(ClaimId.new()), ShopId.new(), ShopId.new()
    assert CODES.shows(CODES.hash(here, code), here, code)
    assert not CODES.shows(CODES.hash(here, code), there, code)


@given(st.text(max_size=32))
def test_whatever_is_typed_has_a_digest(typed: str) -> None:
    try:
        typed.encode()
    except UnicodeEncodeError:
        return
    assert len(CODES.hash(ShopId.new(), normalised(typed))) == 64


def test_a_code_is_understood_as_people_write_it() -> None:
    assert normalised(" 7k3fq-xm9ta ") == "7K3FQXM9TA"
    assert normalised("oO iIlL") == "001111"
    code = CODES.code(ClaimId.new())
    assert normalised(grouped(code).lower()) == code


def test_an_order_that_was_called_off_gets_no_claim() -> None:
    for status in ("cancelled", "expired", "completed", "pending"):
        order = replace(an_order(), status=status)
        assert lifecycle.issue(None, order, code_hash=code_hash(order), now=NOW) == ()


def test_a_redeemed_claim_takes_no_second_redemption() -> None:
    order = replace(an_order(), status="ready")
    issued = lifecycle.evolve(None, lifecycle.issue(None, order, code_hash=code_hash(order), now=NOW)[0])
    (redeemed,) = lifecycle.redeem(issued, order, attempt_id="attempt-1", by=STAFF[0], now=NOW)
    after = lifecycle.evolve(issued, redeemed)
    with pytest.raises(Bug):
        lifecycle.evolve(after, redeemed)
    with pytest.raises(lifecycle.AlreadyRedeemed):
        lifecycle.redeem(after, order, attempt_id="attempt-2", by=STAFF[0], now=NOW + timedelta(minutes=1))
