"""sign_in_with_ethereum: a signed message proves an address; its person gets a token."""

from dataclasses import replace

from shared.kernel.decision import By
from shared.kernel.ids import UserId
from shared.kernel.reply import Reply
from shared.wallets import siwe
from shared.wallets.facts import WalletRegistered
from shared.wallets.model import SignedIn, SignIn
from shared.wallets.ports import Proof, SigningIn
from shared.wallets.proving import SignedBy, prove


async def sign_in_with_ethereum(
    command: SignIn, *, client: str, by: By, proof: Proof, using: SigningIn
) -> Reply[SignedIn]:
    """Return a token for the person whose wallet signed; a wallet that is new becomes a person.

    Raises MalformedMessage, SignInRefused, TooMany, Transient. The nonce is used up only by a good signature.
    """
    await using.nonces.admit(client=client)
    now = using.clock.now()
    message = siwe.parse(command.message)
    siwe.check(message, domain=using.terms.domain, chain_ids=using.terms.chain_ids, now=now)
    siwe.check_sign_in(message)
    signed_by = await prove(message, command.message, command.signature, provers=proof, nonces=using.nonces)
    fresh = UserId.new()
    registered = WalletRegistered(
        user_id=fresh,
        address=message.address.lower(),
        chain_id=message.chain_id,
        contract=signed_by is SignedBy.CONTRACT,
        at=now,
    )
    user = await using.people.sign_in(registered, message.nonce, by=replace(by, actor=fresh), now=now)
    token = proof.tokens.issue(user.user_id)
    view = SignedIn(
        user_id=user.user_id, merchant_id=user.merchant_id, token=token.token, expires_in_s=token.expires_in_s
    )
    return Reply(view, headers={"cache-control": "no-store"})
