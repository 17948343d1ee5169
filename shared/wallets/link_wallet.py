"""link_wallet: somebody proves that another wallet is theirs too."""

from datetime import datetime

from shared.kernel.decision import By
from shared.kernel.errors import Forbidden, Invalid
from shared.kernel.ids import UserId, WalletId
from shared.kernel.reply import Reply
from shared.wallets import siwe
from shared.wallets.facts import WalletLinked
from shared.wallets.list_wallets import listed
from shared.wallets.model import LinkWallet, WalletList, evm_account
from shared.wallets.ports import Linking, SigningIn
from shared.wallets.proving import SignedBy, prove


class WalletProof(Invalid):
    """The message or its signature does not show that the wallet is the caller's."""

    type = "wallet-proof"
    title = "This does not prove that the wallet is yours"


async def link_wallet(
    command: LinkWallet, *, client: str, by: By, proof: Linking, using: SigningIn
) -> Reply[WalletList]:
    """Return the caller's wallets with the new one; one that is theirs already changes nothing.

    Whoever can sign with a linked EVM wallet signs in as this person. Raises MalformedMessage, WalletProof,
    WalletTaken, TooManyWallets, TooMany, Forbidden for staff keys, Transient.
    """
    user_id = person(by)
    await using.nonces.admit(client=client)
    now = using.clock.now()
    try:
        linked, nonce = await _proven(command, user_id, proof=proof, using=using, now=now)
        stored = await using.people.link(linked, nonce, by=by, now=now)
    except siwe.SignInRefused as refused:
        raise WalletProof(refused.detail, **refused.fields) from None
    return Reply(listed(stored.state), version=stored.version, stream=user_id)


def person(by: By) -> UserId:
    """Return the person that is calling. Raises Forbidden for staff keys: wallets are people's."""
    try:
        return UserId.parse(by.actor)
    except ValueError:
        raise Forbidden("Wallets are linked in person; sign in with one.") from None


async def _proven(
    command: LinkWallet, user_id: UserId, *, proof: Linking, using: SigningIn, now: datetime
) -> tuple[WalletLinked, str]:
    """Return the fact that the proof is of, and the nonce that it uses up."""
    if command.kind == "bitcoin":
        message = siwe.parse_bitcoin(command.message)
        siwe.check_place_and_time(message, domain=using.terms.domain, now=now)
        if message.chain != proof.bitcoin.chain:
            raise siwe.SignInRefused("The message names another Bitcoin network.", bitcoin_chain=proof.bitcoin.chain)
        address = proof.bitcoin.written(message.address)
        kind, account = "bitcoin", f"bip122:{message.chain}:{address}"
        chain: str | None = "bitcoin"
        good = proof.bitcoin.signed(address, command.message, command.signature)
    else:
        message = siwe.parse(command.message)
        siwe.check(message, domain=using.terms.domain, chain_ids=using.terms.chain_ids, now=now)
        siwe.check_link(message, user_id=user_id)
        kind = await prove(message, command.message, command.signature, provers=proof, nonces=using.nonces)
        contract = kind is SignedBy.CONTRACT
        chain, address = (f"evm:{message.chain_id}" if contract else None), message.address.lower()
        account, good = evm_account(address, message.chain_id if contract else None), True
    siwe.check_link(message, user_id=user_id)
    if not good:
        raise siwe.SignInRefused("The signature is not that of the address in the message.")
    told = {"kind": str(kind), "chain": chain, "address": address, "account": account}
    linked = WalletLinked.model_validate({"user_id": user_id, "wallet_id": WalletId.new(), "at": now, **told})
    return linked, message.nonce
