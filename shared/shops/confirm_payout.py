"""confirm_payout: somebody else agrees to a change of a shop's account; it takes effect after a delay."""

from functools import partial

from shared.kernel.decision import By, Decided
from shared.kernel.errors import Invalid
from shared.kernel.ids import PayoutChangeId, ShopId
from shared.kernel.reply import Reply
from shared.shops import payout_lifecycle
from shared.shops.lifecycle import run_by
from shared.shops.model import Shop
from shared.shops.payout import ConfirmPayout, PayoutChangeView
from shared.shops.payout_proof import answered, spending
from shared.shops.ports import Payouts
from shared.shops.propose_payout import change_shown


async def confirm_payout(
    shop_id: ShopId, change_id: PayoutChangeId, command: ConfirmPayout, *, by: By, using: Payouts
) -> Reply[PayoutChangeView]:
    """Return the change with the time from which it holds.

    Raises NotFound, Forbidden, SecondPersonNeeded, ProofRefused, ChangeRefused.
    """
    now, shown = using.clock.now(), partial(change_shown, change_id)
    key_made_at = await using.store.key_made_at(by.actor)

    async def rule(shop: Shop | None) -> Decided:
        shop = run_by(shop, by)
        signed = None
        if command.nonce is not None and command.signature is not None:
            challenge = await answered(shop_id, command.nonce, command.signature, using=using)
            signed = (challenge, command.signature)
        facts = payout_lifecycle.confirm(
            shop, change_id, signed=signed, key_made_at=key_made_at, delay=using.delay, by=by, now=now
        )
        return Decided(facts, params=spending(signed[0], shop) if signed else {})

    if (command.nonce is None) != (command.signature is None):
        raise Invalid("A nonce comes with a signature, and a signature with its nonce.")
    decide = using.store.proven if command.nonce is not None else using.store.decide
    return shown(await decide(shop_id, rule, by=by, now=now, reply=shown))
