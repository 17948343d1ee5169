"""The rules of payout accounts. Pure.

An account that is paid to was proven: its own key has signed. One that is paid to is replaced only when the new one has
proven itself, a second pair of eyes (or the present account's own key) agreed, and time has passed in which everybody
who was told could call it off. An account that was never proven was never paid to: it is replaced at once.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.kernel.decision import By
from shared.kernel.errors import Bug, NotFound
from shared.kernel.facts import Fact
from shared.kernel.ids import PayoutChangeId
from shared.shops import facts
from shared.shops.accounts import Family
from shared.shops.facts import PayoutAccount, PayoutProof
from shared.shops.model import Shop
from shared.shops.payout import (
    KEPT,
    AccountView,
    Challenge,
    ChangeRefused,
    FormerAccount,
    PayoutChange,
    PayoutChangeView,
    PayoutView,
    ProofRefused,
    Purpose,
    SecondPersonNeeded,
    Standing,
)


def proof_of(challenge: Challenge, signature: str) -> PayoutProof:
    """Return what a fact keeps of an answered challenge."""
    return PayoutProof(nonce=challenge.nonce, address=challenge.address, message=challenge.message, signature=signature)


def must_fit(challenge: Challenge | None, shop: Shop, purpose: str) -> Challenge:
    """Return the challenge. Raises ProofRefused for one of another shop, for something else, or for none."""
    if challenge is None or challenge.shop_id != shop.shop_id:
        raise ProofRefused("This nonce was not given for this shop, was used, or is too old. Ask for a fresh one.")
    if challenge.purpose != purpose:
        raise ProofRefused("The message that was signed is about something else. Ask for a fresh nonce.")
    return challenge


def prove(shop: Shop, challenge: Challenge, signature: str, *, by: By, now: datetime) -> Sequence[Fact]:
    """Return the fact that the shop's present account is the merchant's. Raises ChangeRefused, ProofRefused."""
    challenge = must_fit(challenge, shop, Purpose.OWN)
    account = shop.payout.get(challenge.family)
    if account is None or account.fingerprint != challenge.fingerprint:
        raise ProofRefused("The shop has another account by now. Ask for a fresh nonce.")
    if not account.unproven:
        raise ChangeRefused("The account is proven already; there is nothing to do.")
    return (
        facts.ShopPayoutProven(
            shop_id=shop.shop_id,
            merchant_id=shop.merchant_id,
            family=challenge.family,
            fingerprint=account.fingerprint,
            proof=proof_of(challenge, signature),
            actor=by.actor,
            at=now,
        ),
    )


def may_propose(shop: Shop, family: Family, fingerprint: str) -> None:
    """Raise ChangeRefused while another change is open, or where the account is the one that the shop has."""
    present = shop.payout.get(family)
    if present is not None and present.fingerprint == fingerprint:
        raise ChangeRefused("The shop has this very account. To prove it, use prove_payout.")
    for change in shop.changes:
        if change.open and change.family == family:
            raise ChangeRefused(
                "A change of this account is open. Cancel it first, if it is not wanted.", change_id=change.change_id
            )


def propose(
    shop: Shop,
    change_id: PayoutChangeId,
    challenge: Challenge,
    signature: str,
    *,
    account: PayoutAccount,
    by: By,
    now: datetime,
) -> Sequence[Fact]:
    """Return the facts of a proposal; one that replaces nothing that was ever paid to takes effect at once."""
    challenge = must_fit(challenge, shop, Purpose.OWN)
    if challenge.fingerprint != account.fingerprint:
        raise ProofRefused("Another account has signed than the one that is proposed.")
    may_propose(shop, challenge.family, account.fingerprint)
    present = shop.payout.get(challenge.family)
    proposed = facts.ShopPayoutProposed(
        shop_id=shop.shop_id,
        merchant_id=shop.merchant_id,
        family=challenge.family,
        change_id=change_id,
        account=account,
        instead_of=present.fingerprint if present else None,
        proof=proof_of(challenge, signature),
        actor=by.actor,
        at=now,
    )
    if present is None or present.unproven:
        after = evolve(shop, proposed)
        return (proposed, _changed(shop, after.changes[-1], actor=by.actor, now=now))
    return (proposed,)


def open_change(shop: Shop, change_id: PayoutChangeId) -> PayoutChange:
    """Return the change. Raises NotFound, and ChangeRefused when it is over."""
    for change in shop.changes:
        if change.change_id == change_id:
            if not change.open:
                raise ChangeRefused(f"The change is {change.standing} already.")
            return change
    raise NotFound("There is no such change of this shop's accounts.")


def confirm(
    shop: Shop,
    change_id: PayoutChangeId,
    *,
    signed: tuple[Challenge, str] | None,
    key_made_at: datetime | None,
    delay: timedelta,
    by: By,
    now: datetime,
) -> Sequence[Fact]:
    """Return the fact of an agreement. `key_made_at`: of the staff key that is calling, None for a person.

    Whoever proposed it needs what the present account has signed. A staff key must have been there for as long as the
    delay when the change was proposed: else one who has stolen the owner's session would make a second person.
    """
    change = open_change(shop, change_id)
    if change.standing is not Standing.PROPOSED:
        raise ChangeRefused("The change is confirmed already, and takes effect when its time has come.")
    if signed is not None:
        challenge = must_fit(signed[0], shop, f"{Purpose.CONFIRM}:{change_id}")
        if challenge.fingerprint != change.instead_of:
            raise ProofRefused("Another account has signed than the one that is to be replaced.")
    elif by.actor == change.proposed_by:
        raise SecondPersonNeeded(
            "Another owner or manager confirms it, or the shop's present account: add what its key has signed."
        )
    elif key_made_at is not None and key_made_at > change.proposed_at - delay:
        raise SecondPersonNeeded("This staff key is too young: it must be older than the change by the time it waits.")
    return (
        facts.ShopPayoutConfirmed(
            shop_id=shop.shop_id,
            merchant_id=shop.merchant_id,
            family=change.family,
            change_id=change_id,
            fingerprint=change.account.fingerprint,
            proof=proof_of(*signed) if signed else None,
            takes_effect_at=now + delay,
            actor=by.actor,
            at=now,
        ),
    )


def cancel(shop: Shop, change_id: PayoutChangeId, *, by: By, now: datetime) -> Sequence[Fact]:
    """Return the fact that a change is called off: any owner or manager of the shop may, until it takes effect."""
    change = open_change(shop, change_id)
    return (
        facts.ShopPayoutCancelled(
            shop_id=shop.shop_id,
            merchant_id=shop.merchant_id,
            family=change.family,
            change_id=change_id,
            fingerprint=change.account.fingerprint,
            actor=by.actor,
            at=now,
        ),
    )


def apply(shop: Shop | None, *, actor: str, now: datetime) -> Sequence[Fact]:
    """Return the facts of the changes whose time has come."""
    if shop is None:
        return ()
    return tuple(
        _changed(shop, change, actor=actor, now=now)
        for change in shop.changes
        if change.standing is Standing.CONFIRMED and change.takes_effect_at and change.takes_effect_at <= now
    )


def _changed(shop: Shop, change: PayoutChange, *, actor: str, now: datetime) -> facts.ShopPayoutChanged:
    return facts.ShopPayoutChanged(
        shop_id=shop.shop_id,
        merchant_id=shop.merchant_id,
        family=change.family,
        change_id=change.change_id,
        account=change.account,
        instead_of=change.instead_of,
        actor=actor,
        at=now,
    )


def evolve(shop: Shop, fact: facts.PayoutFact) -> Shop:
    """Return the shop after a fact about its accounts. Anything else is a Bug."""
    match fact:
        case facts.ShopPayoutProven():
            proven = shop.payout[fact.family].model_copy(update={"unproven": False})
            return shop.model_copy(update={"payout": {**shop.payout, fact.family: proven}})
        case facts.ShopPayoutProposed():
            change = PayoutChange(
                change_id=fact.change_id,
                family=fact.family,
                account=fact.account,
                instead_of=fact.instead_of,
                standing=Standing.PROPOSED,
                proposed_by=fact.actor,
                proposed_at=fact.at,
            )
            return shop.model_copy(update={"changes": _kept((*shop.changes, change))})
        case facts.ShopPayoutConfirmed():
            confirmed = {"confirmed_by": fact.actor, "takes_effect_at": fact.takes_effect_at}
            return _with(shop, fact.change_id, standing=Standing.CONFIRMED, **confirmed)
        case facts.ShopPayoutCancelled():
            return _with(shop, fact.change_id, standing=Standing.CANCELLED, ended_by=fact.actor, ended_at=fact.at)
        case facts.ShopPayoutChanged():
            before = shop.payout.get(fact.family)
            paid_before = before is not None and not before.unproven
            former = (FormerAccount(family=fact.family, account=before),) if before and paid_before else ()
            payout = {**shop.payout, fact.family: fact.account}
            moved = shop.model_copy(update={"payout": payout, "former": (*shop.former, *former)})
            return _with(moved, fact.change_id, standing=Standing.EFFECTIVE, ended_by=fact.actor, ended_at=fact.at)
        case facts.ShopGapLimitNear():
            return shop
    raise Bug(f"{fact.type} can't happen to {shop.shop_id}")


def _with(shop: Shop, change_id: PayoutChangeId, **now: object) -> Shop:
    changes = tuple(one.model_copy(update=now) if one.change_id == change_id else one for one in shop.changes)
    return shop.model_copy(update={"changes": _kept(changes)})


def _kept(changes: tuple[PayoutChange, ...]) -> tuple[PayoutChange, ...]:
    """Return the changes without the oldest of those that are over, where there are too many."""
    surplus = len(changes) - KEPT
    over = [one.change_id for one in changes if not one.open][: max(surplus, 0)]
    return tuple(one for one in changes if one.change_id not in over)


def change_view(shop: Shop, change: PayoutChange) -> PayoutChangeView:
    """Return a change as the merchant sees it."""
    return PayoutChangeView(
        change_id=change.change_id,
        shop_id=shop.shop_id,
        family=Family(change.family),
        fingerprint=change.account.fingerprint,
        instead_of=change.instead_of,
        standing=change.standing,
        proposed_by=change.proposed_by,
        proposed_at=change.proposed_at,
        confirmed_by=change.confirmed_by,
        takes_effect_at=change.takes_effect_at,
        ended_by=change.ended_by,
        ended_at=change.ended_at,
    )


def payout_view(shop: Shop) -> PayoutView:
    """Return the shop's accounts and their changes, the newest first."""
    return PayoutView(
        shop_id=shop.shop_id,
        accounts=tuple(
            AccountView(family=Family(family), fingerprint=account.fingerprint, proven=not account.unproven)
            for family, account in sorted(shop.payout.items())
        ),
        changes=tuple(change_view(shop, change) for change in reversed(shop.changes)),
    )
