"""prove_payout: the account that a shop has is the merchant's own, so that it can be paid to."""

from shared.kernel.decision import By, Decided, Stored
from shared.kernel.ids import ShopId
from shared.kernel.reply import Reply
from shared.shops import payout_lifecycle
from shared.shops.lifecycle import run_by
from shared.shops.model import Shop
from shared.shops.payout import PayoutView, ProvePayout
from shared.shops.payout_proof import answered, must_be_free, spending
from shared.shops.ports import Payouts


async def prove_payout(shop_id: ShopId, command: ProvePayout, *, by: By, using: Payouts) -> Reply[PayoutView]:
    """Return the shop's accounts. Raises NotFound, Forbidden, ProofRefused, AccountTaken, ChangeRefused."""
    now = using.clock.now()

    async def rule(shop: Shop | None) -> Decided:
        shop = run_by(shop, by)
        challenge = await answered(shop_id, command.nonce, command.signature, using=using)
        facts = payout_lifecycle.prove(shop, challenge, command.signature, by=by, now=now)
        await must_be_free(shop, challenge.fingerprint, using=using)
        return Decided(facts, params=spending(challenge, shop))

    return shown(await using.store.proven(shop_id, rule, by=by, now=now, reply=shown))


def shown(stored: Stored[Shop]) -> Reply[PayoutView]:
    """Return the accounts of a shop as an answer."""
    return Reply(payout_lifecycle.payout_view(stored.state), version=stored.version, stream=stored.state.shop_id)
