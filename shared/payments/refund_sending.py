"""What is to be done about a refund that was agreed to, from what its chain shows. Pure.

Nothing counts before it is final: not that it is paid, and not that it failed. A transaction that reverted can succeed
in another block as long as its block can be taken back, and a second one would then pay twice.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from shared.kernel.errors import Bug
from shared.kernel.facts import Fact
from shared.kernel.money import Money
from shared.payments import facts
from shared.payments.chain import ReceiveAddress
from shared.payments.facts import RefundDelay
from shared.payments.held import claims
from shared.payments.ledger import Position
from shared.payments.lifecycle import HOLD, who
from shared.payments.model import Payment
from shared.payments.refund_model import SENT, Refund, RefundState, SignedBytes
from shared.payments.refund_policy import RefundPolicy
from shared.payments.spending import Draft, Intent, SignedTransaction, Standing, UnsafeTransaction, Whereabouts

_IN_A_BLOCK = frozenset({Whereabouts.MINED, Whereabouts.FAILED})


def intent_of(payment: Payment, refund: Refund) -> Intent:
    """Return who is to get what."""
    to = ReceiveAddress(refund.to, refund.to_key)
    return Intent(refund.refund_id, payment.chain, refund.amount.asset, to, refund.amount.units)


def about(payment: Payment, refund: Refund, now: datetime) -> dict[str, Any]:
    """Return what every fact of the refund says."""
    return {**who(payment), "refund_id": refund.refund_id, "at": now}


def blocked(
    position: Position, refund: Refund, *, height: int, final_height: int, policy: RefundPolicy
) -> RefundDelay | None:
    """Return why an approved refund can't be signed now, None when it can.

    Its coins must be the customer's (or the shop's, which gave them up) now, and as many must be final on the chain
    beyond all that has other claims to them. They are gone where a reorganisation took them.
    """
    if refund.failures >= policy.most_failures:
        return RefundDelay.FAILED
    payment, asset = position.payment, refund.amount.asset
    sent = [other for other in payment.refunds if other.refund_id != refund.refund_id and other.state in SENT]
    revoked = [*sent, refund]
    now = claims(payment, position.credited, asset, gone=sent, revoked=revoked)
    if now.refundable < refund.amount.units:
        return RefundDelay.COINS_GONE
    deep = min(final_height, height - payment.final_depth + 1)
    final = claims(payment, position.credited, asset, gone=sent, revoked=revoked, up_to=deep)
    return None if final.refundable >= refund.amount.units else RefundDelay.NOT_FINAL


def lapsed(payment: Payment, refund: Refund, why: RefundDelay, *, now: datetime) -> facts.RefundLapsed | None:
    """Return the end of a refund whose coins have been gone for a day: it would reserve for ever what may come back."""
    if not why is refund.delayed is RefundDelay.COINS_GONE or now - refund.changed_at < HOLD:
        return None
    return facts.RefundLapsed(**about(payment, refund, now))


def signed_fact(
    payment: Payment, refund: Refund, draft: Draft, signed: SignedTransaction, *, now: datetime
) -> facts.RefundSigned:
    """Return the fact of a signature. Raises UnsafeTransaction when what was signed is not what was drafted."""
    if draft.intent != intent_of(payment, refund) or not draft.slots:
        raise UnsafeTransaction(f"{refund.refund_id}: the draft is of something else")
    if set(signed.slots) != set(draft.slots) or signed.fee > draft.fee or signed.fee_asset != draft.fee_asset:
        raise UnsafeTransaction(f"{refund.refund_id}: what was signed is not what was drafted")
    for before in refund.signed:
        if not set(before.slots) & set(signed.slots):
            raise UnsafeTransaction(
                f"{refund.refund_id}: a bump shares nothing with {before.txid}: both could be mined"
            )
    return facts.RefundSigned(
        **about(payment, refund, now),
        txid=signed.txid,
        raw=signed.raw,
        slots=signed.slots,
        fee=Money(asset=signed.fee_asset, units=signed.fee),
    )


def transaction(signed: SignedBytes) -> SignedTransaction:
    """Return what may be broadcast."""
    return SignedTransaction(signed.txid, signed.raw, signed.slots, signed.fee.units, signed.fee.asset)


def observed(payment: Payment, refund: Refund, standings: Sequence[Standing], *, now: datetime) -> Sequence[Fact]:
    """Return what the chain has made of the refund's transactions, given where each is; nothing when nothing is new.

    Raises Bug when two of them are final: the chain then broke its own rule.
    """
    told: dict[str, Any] = about(payment, refund, now)
    found = list(zip(refund.signed, standings, strict=True))
    ended = [(signed, at) for signed, at in found if at.final and at.whereabouts in _IN_A_BLOCK]
    if len(ended) > 1:
        raise Bug(f"{refund.refund_id}: {' and '.join(signed.txid for signed, _ in ended)} are both final")
    if ended:
        signed, at = ended[0]
        return (_ended(told, signed, at),)
    mined = next(((signed, at) for signed, at in found if at.whereabouts in _IN_A_BLOCK), None)
    known = refund.mined
    if mined is not None:
        signed, at = mined
        if at.height is None or at.block_hash is None:
            raise Bug(f"{signed.txid} is in a block that has no height or hash")
        if known is not None and (known.txid, known.block_hash) == (signed.txid, at.block_hash):
            return ()
        moved = facts.RefundMined(**told, txid=signed.txid, height=at.height, block_hash=at.block_hash)
        return (moved,) if known is None else (_reverted(told, refund), moved)
    if known is not None:
        return (_reverted(told, refund),)
    pooled = next((signed for signed, at in found if at.whereabouts is Whereabouts.MEMPOOL), None)
    if refund.state is RefundState.SIGNED and pooled is not None:
        return (facts.RefundBroadcast(**told, txid=pooled.txid),)
    return ()


def _reverted(told: dict[str, Any], refund: Refund) -> Fact:
    if refund.mined is None:
        raise Bug(f"{refund.refund_id} was in no block")
    return facts.RefundReverted(**told, txid=refund.mined.txid, block_hash=refund.mined.block_hash)


def _ended(told: dict[str, Any], signed: SignedBytes, at: Standing) -> Fact:
    if at.fee is None or at.height is None:
        raise Bug(f"{signed.txid} is final, and nobody says at what height and fee")
    fee = Money(asset=signed.fee.asset, units=at.fee)
    if at.whereabouts is Whereabouts.FAILED:
        return facts.RefundFailed(**told, txid=signed.txid, fee=fee, height=at.height)
    return facts.RefundConfirmed(**told, txid=signed.txid, fee=fee, height=at.height, moved=at.moved)


def stuck(refund: Refund, standings: Sequence[Standing], *, after: timedelta, now: datetime) -> bool:
    """Return whether the last signature is older than the bound and nothing of the refund is in a block."""
    waiting = all(at.whereabouts not in _IN_A_BLOCK for at in standings)
    return waiting and bool(refund.signed) and now - refund.signed[-1].at >= after
