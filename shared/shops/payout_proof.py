"""What prove_payout, propose_payout and confirm_payout have in common: an answered challenge, and what spends it."""

from collections.abc import Mapping

from shared.kernel.ids import ShopId
from shared.shops.model import Shop
from shared.shops.payout import AccountTaken, Challenge, ProofRefused
from shared.shops.ports import Payouts


async def answered(shop_id: ShopId, nonce: str, signature: str, *, using: Payouts) -> Challenge:
    """Return the challenge that the signature answers. Raises ProofRefused for any that it does not."""
    challenge = await using.store.challenged(nonce)
    if challenge is None or challenge.shop_id != shop_id:
        raise ProofRefused("This nonce was not given for this shop, was used, or is too old. Ask for a fresh one.")
    if not using.ownership.signed(challenge.family, challenge.address, challenge.message, signature):
        raise ProofRefused(
            "The signature is not that of the account's receive address 0 over the very message that was given."
        )
    return challenge


async def must_be_free(shop: Shop, fingerprint: str, *, using: Payouts) -> None:
    """Raise AccountTaken when another merchant has proven to hold the account's keys."""
    owner = await using.store.owner_of(fingerprint)
    if owner not in (None, shop.merchant_id):
        raise AccountTaken("Another merchant has proven to hold its keys. Use an account of your own.")


def spending(challenge: Challenge, shop: Shop) -> Mapping[str, object]:
    """Return the params of a decision that uses the challenge up."""
    return {
        "nonce": challenge.nonce,
        "fingerprint": challenge.fingerprint,
        "proof_shop": shop.shop_id,
        "proof_merchant": shop.merchant_id,
    }
