"""propose_payout: a shop is to be paid to another account, whose keys the merchant has shown to hold."""

from functools import partial

from shared.kernel.decision import By, Decided, Stored
from shared.kernel.ids import PayoutChangeId, ShopId
from shared.kernel.reply import Reply
from shared.shops import payout_lifecycle
from shared.shops.lifecycle import run_by
from shared.shops.model import Shop
from shared.shops.payout import PayoutChangeView, ProofRefused, ProposePayout
from shared.shops.payout_proof import answered, must_be_free, spending
from shared.shops.ports import Payouts


async def propose_payout(shop_id: ShopId, command: ProposePayout, *, by: By, using: Payouts) -> Reply[PayoutChangeView]:
    """Return 201 with the change: it waits for somebody else, or took effect where nothing was ever paid before.

    Raises NotFound, Forbidden, ProofRefused, AccountTaken, ChangeRefused, and Invalid for what is no account key.
    """
    now, change_id = using.clock.now(), PayoutChangeId.new()
    account = using.account_keys.seal(shop_id, command.family, command.account_key.get_secret_value().strip())

    async def rule(shop: Shop | None) -> Decided:
        shop = run_by(shop, by)
        challenge = await answered(shop_id, command.nonce, command.signature, using=using)
        if challenge.family is not command.family:
            raise ProofRefused("The nonce was given for an account of another family of chains.")
        facts = payout_lifecycle.propose(shop, change_id, challenge, command.signature, account=account, by=by, now=now)
        await must_be_free(shop, account.fingerprint, using=using)
        return Decided(facts, params=spending(challenge, shop))

    shown = partial(change_shown, change_id, status=201)
    return shown(await using.store.proven(shop_id, rule, by=by, now=now, reply=shown))


def change_shown(change_id: PayoutChangeId, stored: Stored[Shop], *, status: int = 200) -> Reply[PayoutChangeView]:
    """Return one change of a shop as an answer."""
    shop = stored.state
    change = next(one for one in shop.changes if one.change_id == change_id)
    view = payout_lifecycle.change_view(shop, change)
    return Reply(view, status=status, version=stored.version, stream=shop.shop_id)
