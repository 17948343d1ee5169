"""What the facts of refunds make of a payment's refunds. Pure, and total over facts of refunds that were asked for."""

from shared.kernel.errors import Bug
from shared.kernel.money import Money
from shared.payments import facts
from shared.payments.refund_model import POLICY, MinedIn, Refund, RefundState, SignedBytes


def fold(refunds: tuple[Refund, ...], fact: facts.RefundFact) -> tuple[Refund, ...]:
    """Return the refunds after a fact. Raises Bug for one that nobody asked for, or that was asked for already."""
    known = next((refund for refund in refunds if refund.refund_id == fact.refund_id), None)
    if isinstance(fact, facts.RefundRequested):
        if known is not None:
            raise Bug(f"{fact.refund_id} was asked for before")
        return (*refunds, _requested(fact))
    if known is None:
        raise Bug(f"{fact.type}: nobody asked for {fact.refund_id}")
    after = known.model_copy(update={**_changes(known, fact), "changed_at": fact.at})
    return tuple(after if refund is known else refund for refund in refunds)


def _requested(fact: facts.RefundRequested) -> Refund:
    return Refund(
        refund_id=fact.refund_id,
        amount=fact.amount,
        of_settled=fact.of_settled,
        to=fact.to,
        to_key=fact.to_key,
        rate=fact.rate,
        worth=fact.worth,
        requested_by=fact.requested_by,
        by_customer=fact.by_customer,
        approvals=fact.approvals,
        reason=fact.reason,
        lines=fact.lines,
        requested_at=fact.at,
        changed_at=fact.at,
    )


def _changes(refund: Refund, fact: facts.RefundFact) -> dict[str, object]:
    match fact:
        case facts.RefundApproved():
            approved_by = (*refund.approved_by, fact.approved_by)
            agreed = len(approved_by) >= refund.approvals
            return {"approved_by": approved_by, "state": RefundState.APPROVED if agreed else refund.state}
        case facts.RefundDeclined():
            return {"state": RefundState.DECLINED, "declined_by": fact.declined_by, "delayed": None}
        case facts.RefundLapsed():
            return {"state": RefundState.DECLINED, "declined_by": POLICY, "delayed": None}
        case facts.RefundDelayed():
            return {"delayed": fact.reason}
        case facts.RefundSigned():
            signed = SignedBytes(txid=fact.txid, raw=fact.raw, slots=fact.slots, fee=fact.fee, at=fact.at)
            first = RefundState.SIGNED if refund.state is RefundState.APPROVED else refund.state
            return {"signed": (*refund.signed, signed), "state": first, "delayed": None}
        case facts.RefundBroadcast():
            return {"state": RefundState.BROADCAST}
        case facts.RefundMined():
            mined = MinedIn(txid=fact.txid, height=fact.height, block_hash=fact.block_hash)
            return {"state": RefundState.MINED, "mined": mined}
        case facts.RefundReverted():
            return {"state": RefundState.BROADCAST, "mined": None}
        case _:
            return _ended(refund, fact)


def _ended(refund: Refund, fact: facts.RefundFact) -> dict[str, object]:
    """Return what a final block makes of the present attempt."""
    match fact:
        case facts.RefundConfirmed():
            return {"state": RefundState.CONFIRMED, "fee": fact.fee, "moved": fact.moved, "mined": _in(refund, fact)}
        case facts.RefundFailed():
            lost = Money(asset=fact.fee.asset, units=0) if refund.lost is None else refund.lost
            return {
                "state": RefundState.APPROVED,
                "signed": (),
                "mined": None,
                "lost": lost.plus(fact.fee),
                "failures": refund.failures + 1,
            }
    raise Bug(f"a refund does not know {fact.type}")


def _in(refund: Refund, fact: facts.RefundConfirmed) -> MinedIn:
    known = refund.mined.block_hash if refund.mined and refund.mined.txid == fact.txid else ""
    return MinedIn(txid=fact.txid, height=fact.height, block_hash=known)
