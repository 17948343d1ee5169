"""What tests of refunds start from: people, an address, a policy, and everything that may happen to a refund next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from shared.kernel.decision import By, Role
from shared.kernel.errors import Problem
from shared.kernel.facts import Fact
from shared.kernel.ids import RefundId, UserId
from shared.kernel.money import Asset, Money
from shared.payments import facts
from shared.payments.chain import ReceiveAddress
from shared.payments.ledger import Position, moved
from shared.payments.model import Payment
from shared.payments.refund_lines import LineValue
from shared.payments.refund_model import UNDER_WAY, DecideRefund, Refund, RefundState, RequestRefund
from shared.payments.refund_policy import RefundPolicy
from shared.payments.refund_sending import about, blocked
from shared.payments.refunds import decide, find, request

TO = ReceiveAddress("0x5AAEB6053F3E94C9b9A09f33669435E7Ef1BeAed", "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed")
POLICY = RefundPolicy(automatic_minor=200, automatic_revenue_minor=100, least={})
FEE = Asset.ETH


def customer(payment: Payment) -> By:
    """Return the payment's customer."""
    return By(payment.customer_id, frozenset({Role.CUSTOMER, Role.OWNER}))


def staff(payment: Payment, name: str = "key_1", role: Role = Role.MANAGER) -> By:
    """Return somebody of the payment's merchant."""
    return By(name, frozenset({role}), payment.merchant_id)


def stranger() -> By:
    """Return somebody who has nothing to do with it."""
    return By(UserId.new(), frozenset({Role.CUSTOMER, Role.OWNER}))


def folded(told: Iterable[Fact]) -> Position:
    """Return the position after these facts."""
    position: Position | None = None
    for fact in told:
        position = moved(position, fact)
    assert position is not None
    return position


def asked(
    position: Position,
    *,
    by: By,
    now: datetime,
    units: int | None = None,
    asset: Asset | None = None,
    policy: RefundPolicy = POLICY,
    to: ReceiveAddress = TO,
    market: facts.RefundMarket | None = None,
    rate: facts.RefundRate | None = None,
    lines: Sequence[tuple[int, int]] = (),
    values: Sequence[LineValue] = (),
) -> tuple[Fact, ...]:
    """Ask for a refund as `by`; `lines` are (line, quantity)."""
    named = tuple(facts.RefundLine(line=line, quantity=quantity) for line, quantity in lines)
    command = RequestRefund(to=to.address, units=units, asset=asset, rate=rate, lines=named)
    rules = {"values": values, "refund_id": RefundId.new(), "to": to, "market": market, "policy": policy}
    return request(position, command, **rules, by=by, now=now)  # type: ignore[arg-type]  # as they are named


def refund_of(position: Position, refund_id: RefundId | None = None) -> Refund:
    """Return the refund of that id, or the last one."""
    refund = find(position.payment, refund_id) if refund_id else position.payment.refunds[-1]
    assert refund is not None
    return refund


def steps(
    position: Position, refund: Refund, *, number: int, height: int, final_height: int, now: datetime
) -> dict[str, Sequence[Fact]]:
    """Return everything that can happen to the refund next, by name. `number` makes transactions differ."""
    payment = position.payment
    told = about(payment, refund, now)
    found: dict[str, Sequence[Fact]] = {}
    for name, by, approve in (
        ("approved", staff(payment, "key_a"), True),
        ("approved too", staff(payment, "key_b"), True),
        ("declined", staff(payment, "key_c"), False),
    ):
        try:
            found[name] = decide(payment, refund.refund_id, DecideRefund(approve=approve), by=by, now=now)
        except Problem:
            continue
    fee = Money(asset=FEE, units=10 + number % 7)
    signed = facts.RefundSigned(**told, txid=f"r{number}", raw="00", slots=(f"{refund.refund_id}:0",), fee=fee)
    if refund.state is RefundState.APPROVED:
        if blocked(position, refund, height=height, final_height=final_height, policy=POLICY) is None:
            found["signed"] = (signed,)
        return found
    if refund.state in UNDER_WAY:
        txid = refund.signed[number % len(refund.signed)].txid
        spent = Money(asset=FEE, units=number % 10)
        end = {"txid": txid, "fee": spent, "height": height}
        if refund.mined is None:
            found["bumped"] = (signed,)
            found["mined"] = (facts.RefundMined(**told, txid=txid, height=height, block_hash=f"h{number}"),)
        else:
            lost = {"txid": refund.mined.txid, "block_hash": refund.mined.block_hash}
            found["reverted"] = (facts.RefundReverted(**told, **lost),)
        found["confirmed"] = (facts.RefundConfirmed(**told, **end),)
        found["failed"] = (facts.RefundFailed(**told, **end),)
    return found
