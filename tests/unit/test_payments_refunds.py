"""Who may have what back, how much, at which rate, and who has to agree; and what keeps a refund from being sent."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kernel.decision import By, Role
from shared.kernel.errors import Invalid, NotFound, Problem
from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId, RefundId, ShopId
from shared.kernel.money import Asset, Fiat, Money, units_down
from shared.payments import facts
from shared.payments.facts import RefundDelay, RefundRate
from shared.payments.ledger import Position, moved
from shared.payments.lifecycle import HOLD, confirm, who
from shared.payments.refund_lines import LineValue
from shared.payments.refund_model import DecideRefund, Refund, RefundState
from shared.payments.refund_policy import MOST, MOST_DECLINED, RefundPolicy, policy_of
from shared.payments.refund_sending import blocked, intent_of, lapsed, signed_fact
from shared.payments.refund_views import refund_view
from shared.payments.refunds import (
    FourEyes,
    RefundClosed,
    RefundExceedsHeld,
    RefundTooSmall,
    available,
    decide,
    worth_then,
)
from shared.payments.spending import Draft, SignedTransaction, UnsafeTransaction
from shared.settings import Misconfigured, RefundSettings
from tests.unit.refunding import POLICY, asked, customer, folded, refund_of, staff, stranger
from tests.unit.test_payments_ledger import START, expired, overpaid, paid, transfer

MANUAL = RefundPolicy(automatic_minor=0, automatic_revenue_minor=0, least={})


def settled() -> Position:
    """Return a payment of 1000 (4.20 EUR) that got 2500, final."""
    return folded(overpaid())


def folded_on(position: Position, told: tuple[Fact, ...]) -> Position:
    for fact in told:
        position = moved(position, fact)
    return position


def decided(position: Position, name: str, *, approve: bool = True, role: Role = Role.MANAGER) -> Position:
    by = staff(position.payment, name, role)
    command = DecideRefund(approve=approve)
    return folded_on(position, decide(position.payment, refund_of(position).refund_id, command, by=by, now=START))


def requested(position: Position, *, policy: RefundPolicy = MANUAL, shop: bool = False, **wanted: object) -> Position:
    by = staff(position.payment) if shop else customer(position.payment)
    return folded_on(position, asked(position, by=by, now=START, policy=policy, **wanted))  # type: ignore[arg-type]


def test_a_customer_has_back_what_is_theirs_and_no_revenue() -> None:
    position = settled()
    free = available(position, Asset.USDC)
    assert (free.held, free.revenue) == (1500, 1000)
    refund = refund_of(requested(position))
    assert (refund.amount.units, refund.of_settled, refund.by_customer) == (1500, 0, True)
    with pytest.raises(RefundExceedsHeld) as refused:
        requested(position, units=1501)
    assert refused.value.fields == {"available": Money(asset=Asset.USDC, units=1500)}


def test_the_shop_gives_revenue_back_as_well_and_what_is_held_goes_first() -> None:
    refund = refund_of(requested(settled(), shop=True, units=1700))
    assert (refund.amount.units, refund.of_settled, refund.by_customer) == (1700, 200, False)
    assert refund_of(requested(settled(), shop=True)).amount.units == 2500
    with pytest.raises(RefundExceedsHeld):
        requested(settled(), shop=True, units=2501)


LINES = (LineValue(210, 3), LineValue(100, 1), LineValue(0, 1), LineValue(110, 1))
"""What was paid for the lines of an order of 4.20 EUR, for which 1000 base units were due."""


def by_lines(position: Position, *lines: tuple[int, int], shop: bool = True) -> Position:
    return requested(position, shop=shop, lines=lines, values=LINES)


def test_a_shop_gives_lines_back_from_its_revenue_at_the_rate_of_the_quote_and_leaves_what_is_held() -> None:
    position = by_lines(settled(), (0, 1), (1, 1))
    refund = refund_of(position)
    assert refund.amount.units == 170 * 1000 // 420
    assert (refund.of_settled, refund.lines[0].line) == (refund.amount.units, 0)
    assert available(position, Asset.USDC).held == 1500
    rest = by_lines(position, (0, 2), (3, 1))
    assert refund_of(rest).amount.units == 250 * 1000 // 420
    assert refund_view(rest.payment, refund_of(rest)).lines == refund_of(rest).lines
    both = sum(refund.amount.units for refund in rest.payment.refunds)
    assert both <= 1000  # never more than was paid, however it is parted


def test_a_line_is_given_back_once_unless_that_was_declined() -> None:
    position = by_lines(settled(), (1, 1))
    for lines in (((1, 1),), ((0, 4),), ((4, 1),)):
        with pytest.raises(Invalid, match="lines"):
            by_lines(position, *lines)
    declined = decided(position, "key_a", approve=False)
    assert refund_of(by_lines(declined, (1, 1))).amount.units == 238


def test_lines_are_the_shops_to_give_and_of_a_settled_payment() -> None:
    with pytest.raises(Invalid, match="a shop gives back by lines"):
        by_lines(settled(), (0, 1), shop=False)
    with pytest.raises(RefundExceedsHeld):
        by_lines(folded(paid(transfer("a", 400))), (1, 1))


def test_what_is_asked_for_is_reserved_until_it_is_declined() -> None:
    position = requested(settled(), units=1000)
    assert available(position, Asset.USDC).held == 500
    with pytest.raises(RefundExceedsHeld):
        requested(position, units=501)
    position = requested(position, units=500)
    with pytest.raises(RefundExceedsHeld):
        requested(position)
    position = decided(position, "key_a", approve=False)
    assert available(position, Asset.USDC).held == 500


@given(st.lists(st.tuples(st.integers(1, 1500), st.booleans(), st.booleans()), max_size=8))
@settings(max_examples=200, deadline=None)
def test_never_more_is_reserved_than_there_is(wanted: list[tuple[int, bool, bool]]) -> None:
    position = settled()
    for units, shop, decline in wanted:
        try:
            position = requested(position, units=units, shop=shop)
        except RefundExceedsHeld:
            continue
        if decline:
            position = decided(position, "key_z", approve=False)
    standing = [r for r in position.payment.refunds if r.state is not RefundState.DECLINED]
    given_back = sum(r.amount.units for r in standing)
    assert given_back <= 2500
    assert sum(r.of_settled for r in standing) <= 1000
    free = available(position, Asset.USDC)
    assert free.held + free.revenue == 2500 - given_back


def test_what_counts_towards_an_open_payment_is_not_given_back() -> None:
    position = folded(paid(transfer("a", 400)))
    with pytest.raises(RefundExceedsHeld):
        requested(position, units=1)
    position = folded([*paid(transfer("a", 400)), expired(position.payment)])
    assert refund_of(requested(position)).amount.units == 400


def test_another_coin_goes_back_as_what_it_is_and_somebody_looks_first() -> None:
    position = folded(paid(transfer("a", 5, asset=Asset.USDT)))
    refund = refund_of(requested(position, asset=Asset.USDT, policy=POLICY))
    assert (refund.amount, refund.worth, refund.state) == (
        Money(asset=Asset.USDT, units=5),
        None,
        RefundState.REQUESTED,
    )
    with pytest.raises(RefundExceedsHeld):
        requested(position, asset=Asset.ETH)
    with pytest.raises(Invalid):
        requested(position, asset=Asset.USDT, rate=RefundRate.FIAT_NOW, shop=True, market=market("1"))


def test_strangers_and_baristas_ask_for_nothing() -> None:
    position = settled()
    elsewhere = By("key_9", frozenset({Role.MANAGER}), position.payment.merchant_id, shop_ids=frozenset({ShopId.new()}))
    rival = By("usr_9", frozenset({Role.OWNER}), MerchantId.new())
    for by in (stranger(), rival, elsewhere, staff(position.payment, "key_9", Role.BARISTA)):
        with pytest.raises(NotFound):
            asked(position, by=by, now=START)


def test_up_to_a_limit_nobody_has_to_agree_and_the_limit_is_for_all_refunds_together() -> None:
    position = requested(settled(), units=300, policy=POLICY)  # 300 of 1000 for 4.20 EUR: 1.26
    assert refund_of(position).state is RefundState.APPROVED
    assert refund_of(position).worth == Fiat(currency="EUR", units=126)
    position = requested(position, units=176, policy=POLICY)  # 0.74: 2.00 together
    assert refund_of(position).state is RefundState.APPROVED
    position = requested(position, units=1, policy=POLICY)
    assert (refund_of(position).state, refund_of(position).approvals) == (RefundState.REQUESTED, 2)


def test_the_limit_is_lower_where_revenue_is_given_back() -> None:
    position = requested(settled(), units=240, policy=POLICY)  # 1.01
    revenue = RefundPolicy(automatic_minor=10_000, automatic_revenue_minor=100, least={})
    assert refund_of(requested(settled(), shop=True, units=1501, policy=revenue)).state is RefundState.REQUESTED
    assert refund_of(position).state is RefundState.APPROVED


def test_two_different_people_agree_and_none_of_them_asked() -> None:
    position = requested(settled(), shop=True, units=1700)
    with pytest.raises(FourEyes):
        decided(position, "key_1")  # who asked
    position = decided(position, "key_a")
    assert refund_of(position).state is RefundState.REQUESTED
    with pytest.raises(FourEyes):
        decided(position, "key_a")
    position = decided(position, "usr_b", role=Role.OWNER)
    assert refund_of(position).state is RefundState.APPROVED
    with pytest.raises(RefundClosed):
        decided(position, "key_c")


def test_an_owner_who_is_the_customer_does_not_agree_to_their_own_refund() -> None:
    position = requested(settled())
    payment = position.payment
    own = By(payment.customer_id, frozenset({Role.CUSTOMER, Role.OWNER}), payment.merchant_id)
    command = DecideRefund(approve=True)
    with pytest.raises(FourEyes):
        decide(payment, refund_of(position).refund_id, command, by=own, now=START)


def test_only_the_shops_own_people_decide() -> None:
    position = requested(settled())
    refund_id, command = refund_of(position).refund_id, DecideRefund(approve=True)
    rival = By("usr_9", frozenset({Role.OWNER}), MerchantId.new())
    for by in (customer(position.payment), rival, staff(position.payment, "key_9", Role.BARISTA)):
        with pytest.raises(NotFound):
            decide(position.payment, refund_id, command, by=by, now=START)
    with pytest.raises(NotFound):
        decide(position.payment, RefundId.new(), command, by=staff(position.payment), now=START)
    with pytest.raises(NotFound):
        decide(None, refund_id, command, by=staff(position.payment), now=START)


def market(rate: str) -> facts.RefundMarket:
    return facts.RefundMarket(rate=rate, feeds=(), at=START)


@pytest.mark.parametrize(
    ("rate", "units"),
    # 500 units were worth 2.10 EUR. One USDC has 10^6 units.
    [("4200", 500), ("8400", 250), ("2100", 1000), ("1", 1500), ("9000", 233)],
)
def test_at_the_value_of_now_as_many_coins_as_buy_what_they_were_worth_but_no_more_than_are_held(
    rate: str, units: int
) -> None:
    """4.20 EUR for 1000 units is 4,200 EUR for a whole coin."""
    position = settled()
    policy = RefundPolicy(automatic_revenue_minor=0, automatic_minor=0, least={}, rate=RefundRate.FIAT_NOW)
    told = asked(position, by=customer(position.payment), now=START, units=500, policy=policy, market=market(rate))
    refund = refund_of(folded_on(position, told))
    expected = units_down(Decimal("2.10") / Decimal(rate), 6)
    assert refund.amount.units == units == min(expected, 1500)
    assert refund.rate is RefundRate.FIAT_NOW
    assert isinstance(told[0], facts.RefundRequested)
    assert told[0].market == market(rate)


def test_a_customer_does_not_choose_the_rate() -> None:
    with pytest.raises(Invalid):
        requested(settled(), rate=RefundRate.FIAT_NOW, market=market("4200"))
    refund = refund_of(requested(settled(), rate=RefundRate.FIAT_NOW, market=market("8400"), shop=True, units=500))
    assert (refund.amount.units, refund.rate) == (250, RefundRate.FIAT_NOW)


def test_what_costs_more_to_send_than_it_is_stays() -> None:
    policy = RefundPolicy(least={Asset.USDC: 100})
    with pytest.raises(RefundTooSmall):
        requested(settled(), units=99, policy=policy)
    assert refund_of(requested(settled(), units=100, policy=policy)).amount.units == 100


def test_a_payment_has_so_many_refunds_and_no_more() -> None:
    position = settled()
    for _ in range(MOST_DECLINED):
        position = requested(position, units=1)
        position = decided(position, "key_a", approve=False)
    with pytest.raises(RefundClosed):
        requested(position, units=1)
    position = settled()
    for _ in range(MOST):
        position = requested(position, units=1)
    with pytest.raises(RefundClosed):
        requested(position, units=1)


def test_fiat_is_rounded_up_where_it_is_held_against_a_limit() -> None:
    assert worth_then(settled().payment, Asset.USDC, 1) == Fiat(currency="EUR", units=1)
    assert worth_then(settled().payment, Asset.ETH, 1) is None


def approved(position: Position, **wanted: object) -> Position:
    return decided(decided(requested(position, **wanted), "key_a"), "key_b")  # type: ignore[arg-type]


def why(position: Position, refund: Refund | None = None, *, height: int = 9, final: int = 9) -> RefundDelay | None:
    return blocked(position, refund or refund_of(position), height=height, final_height=final, policy=POLICY)


def test_rule_8_only_coins_of_final_blocks_are_sent() -> None:
    position = approved(settled())
    assert why(position) is None
    assert why(position, final=0) is RefundDelay.NOT_FINAL
    assert why(position, height=-1, final=-1) is RefundDelay.NOT_FINAL
    deep = position.payment.model_copy(update={"final_depth": 12})
    assert why(Position(deep, position.credited)) is RefundDelay.NOT_FINAL


def test_coins_that_a_settlement_or_another_refund_has_a_claim_to_are_not_sent() -> None:
    """Two transfers, of which only the first is final: it is the shop's, the customer's is the other."""
    first, *told = paid(transfer("a", 1000))
    base = folded([first, *told])
    late = facts.PaymentIncluded(
        **who(base.payment),
        transfer=facts.ChainTransfer(chain="evm:1", txid="b", position=0),
        units=500,
        height=8,
        block_hash="b8",
        block_time=START,
    )
    position = approved(folded_on(base, (late,)))
    assert refund_of(position).amount.units == 500
    assert why(position, final=7) is RefundDelay.NOT_FINAL
    assert why(position, final=8) is None


def test_coins_that_left_the_chain_after_the_refund_was_agreed_to_are_not_sent() -> None:
    position = approved(settled())
    arrival = position.payment.transfers[0].model_copy(update={"live": False, "inclusion": None})
    lost = Position(position.payment.model_copy(update={"transfers": (arrival,)}), position.credited)
    assert why(lost) is RefundDelay.COINS_GONE
    about = {**who(lost.payment), "refund_id": refund_of(lost).refund_id}
    waiting = folded_on(lost, (facts.RefundDelayed(**about, reason=RefundDelay.COINS_GONE, at=START),))
    later = START + HOLD
    for why_now, at, over in (
        (RefundDelay.COINS_GONE, later, True),
        (RefundDelay.COINS_GONE, later - timedelta(seconds=1), False),
        (RefundDelay.NOT_FINAL, later, False),
    ):
        told = lapsed(waiting.payment, refund_of(waiting), why_now, now=at)
        assert (told is not None) is over
    assert lapsed(lost.payment, refund_of(lost), RefundDelay.COINS_GONE, now=later) is None  # not noted yet
    told = lapsed(waiting.payment, refund_of(waiting), RefundDelay.COINS_GONE, now=later)
    assert told is not None
    ended = refund_of(folded_on(waiting, (told,)))
    assert (ended.state, ended.declined_by) == (RefundState.DECLINED, "policy")


def test_revenue_whose_settlement_was_reversed_meanwhile_is_not_sent_from_what_waits() -> None:
    position = approved(folded(paid(transfer("a", 1000))), shop=True)
    assert refund_of(position).of_settled == 1000
    back = facts.PaymentReversed(**who(position.payment), reason="lost", at=START)
    position = folded_on(position, (back,))
    assert why(position) is RefundDelay.COINS_GONE
    again = confirm(position.payment, height=9, final_height=0, now=START + timedelta(1))
    assert why(folded_on(position, tuple(again))) is None


def test_after_too_many_failures_somebody_has_to_look() -> None:
    position = approved(settled())
    refund = refund_of(position).model_copy(update={"failures": POLICY.most_failures})
    assert why(position, refund) is RefundDelay.FAILED


def drafted(position: Position, **changes: object) -> tuple[Draft, SignedTransaction]:
    intent = intent_of(position.payment, refund_of(position))
    draft = {"intent": intent, "slots": ("nonce:1",), "fee": 10, "fee_asset": Asset.ETH, "body": b""}
    signed = {"txid": "t", "raw": "00", "slots": ("nonce:1",), "fee": 10, "fee_asset": Asset.ETH}
    for name, value in changes.items():
        which, _, key = name.partition("_")
        (draft if which == "draft" else signed)[key] = value
    return Draft(**draft), SignedTransaction(**signed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"draft_slots": (), "signed_slots": ()},
        {"signed_slots": ("nonce:2",)},
        {"signed_slots": ("nonce:1", "nonce:2")},
        {"signed_fee": 11},
        {"signed_fee_asset": Asset.BTC},
    ],
)
def test_what_was_signed_is_what_was_drafted_or_it_is_not_stored(changes: dict[str, object]) -> None:
    position = approved(settled())
    signed_fact(position.payment, refund_of(position), *drafted(position), now=START)
    with pytest.raises(UnsafeTransaction):
        signed_fact(position.payment, refund_of(position), *drafted(position, **changes), now=START)


def test_a_draft_of_something_else_is_not_stored() -> None:
    position, other = approved(settled()), approved(settled())
    draft, signed = drafted(other)
    with pytest.raises(UnsafeTransaction):
        signed_fact(position.payment, refund_of(position), draft, signed, now=START)


def test_a_bump_that_shares_nothing_with_what_was_signed_is_not_stored() -> None:
    position = approved(settled())
    fact = signed_fact(position.payment, refund_of(position), *drafted(position), now=START)
    position = folded_on(position, (fact,))
    other = drafted(position, draft_slots=("nonce:2",), signed_slots=("nonce:2",), signed_txid="u")
    with pytest.raises(UnsafeTransaction):
        signed_fact(position.payment, refund_of(position), *other, now=START)


def test_a_fact_of_a_refund_that_nobody_asked_for_is_a_bug() -> None:
    position = requested(settled())
    told = decide(
        position.payment,
        refund_of(position).refund_id,
        DecideRefund(approve=True),
        by=staff(position.payment, "k"),
        now=START,
    )
    with pytest.raises(Problem):
        folded_on(settled(), told)


def test_a_customer_is_not_told_who_agreed() -> None:
    position = approved(settled())
    refund = refund_of(position)
    assert refund_view(position.payment, refund).approved_by == ()
    shown = refund_view(position.payment, refund, to_the_shop=True)
    assert (shown.approved, shown.approvals, shown.approved_by) == (2, 2, ("key_a", "key_b"))


@pytest.mark.parametrize("told", ["[]", "{", '"x"'])
def test_a_policy_that_is_no_object_is_named(told: str) -> None:
    with pytest.raises(Misconfigured, match="REFUNDS"):
        RefundSettings.from_env({"REFUNDS": told})


@pytest.mark.parametrize(
    "told", [{"approvals": 1}, {"automatic_minor": -1}, {"rate": "best"}, {"least": {"btc": "1"}}, {"surprise": 1}]
)
def test_a_policy_that_makes_no_sense_is_refused(told: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        policy_of(told)


def test_a_policy_is_told_in_json() -> None:
    told = RefundSettings.from_env({"REFUNDS": '{"automatic_minor": 100, "least": {"BTC": "1000"}}'}).told
    policy = policy_of(told)
    assert (policy.automatic_minor, policy.floor(Asset.BTC), policy.floor(Asset.ETH)) == (100, 1000, 10**12)
    assert RefundSettings.from_env({}).told == {}
