"""What can happen to a person and to a staff key. Pure."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from shared.kernel.decision import By
from shared.kernel.errors import Bug, Conflict, Forbidden, NotFound
from shared.kernel.facts import Fact
from shared.kernel.ids import KeyId, MerchantId, UserId, WalletId
from shared.wallets.facts import (
    ApiKeyCreated,
    ApiKeyRevoked,
    PersonErased,
    WalletLinked,
    WalletRegistered,
    WalletUnlinked,
)
from shared.wallets.model import MOST_WALLETS, ApiKey, CreateApiKey, User, Wallet


class WalletTaken(Conflict):
    """The wallet is somebody else's here."""

    type = "wallet-taken"
    title = "This wallet belongs to another account"


class NotErasable(Conflict):
    """Others still have claims on the person, or the person on others."""

    type = "not-erasable"
    title = "You can't be erased yet"


class LastWallet(Conflict):
    """Without it nobody could sign in any more."""

    type = "last-wallet"
    title = "Nobody could sign in without this wallet"


class TooManyWallets(Conflict):
    """One person has so many and no more."""

    type = "too-many-wallets"
    title = "You have too many wallets"


def owner(by: By) -> MerchantId:
    """Return the merchant of the person that is calling. Raises Forbidden for staff keys: they make no other keys."""
    if not by.actor.startswith(f"{UserId.prefix}_") or by.merchant_id is None:
        raise Forbidden("Keys are made by the owner in person; sign in with the wallet.")
    return by.merchant_id


def secret_hash(secret: str) -> bytes:
    """Return what is kept of a key's secret. It has 256 random bits, so no salt or stretching is needed."""
    return sha256(secret.encode()).digest()


def create(key_id: KeyId, command: CreateApiKey, *, merchant: MerchantId, secret: str, now: datetime) -> ApiKeyCreated:
    """Return the fact of a new staff key."""
    return ApiKeyCreated(
        key_id=key_id,
        merchant_id=merchant,
        role=command.role,
        shop_id=command.shops[0] if command.shops else None,
        shop_ids=command.shops if len(command.shops) > 1 else (),
        label=command.label,
        secret_hash=secret_hash(secret).hex(),
        at=now,
    )


def revoke(key: ApiKey | None, *, merchant: MerchantId, by: By, now: datetime) -> Sequence[Fact]:
    """Return the fact of a key's end; none when it was revoked before. Raises NotFound for somebody else's."""
    if key is None or key.merchant_id != merchant:
        raise NotFound("There is no such staff key of yours.")
    if key.revoked_at is not None:
        return ()
    return (ApiKeyRevoked(key_id=key.key_id, merchant_id=merchant, revoked_by=by.actor, at=now),)


def link(user: User | None, linked: WalletLinked) -> Sequence[Fact]:
    """Return the fact of another wallet; none when it is the person's already. Raises TooManyWallets."""
    if user is None or user.erased_at is not None:
        raise NotFound("There is no such account.")
    if any(wallet.account == linked.account for wallet in user.wallets):
        return ()
    if len(user.wallets) >= MOST_WALLETS:
        raise TooManyWallets(f"You have {MOST_WALLETS}. Unlink one first.")
    return (linked,)


def unlink(user: User | None, wallet_id: WalletId, *, now: datetime) -> Sequence[Fact]:
    """Return the fact of a wallet less. Raises NotFound, LastWallet while no other one signs in."""
    wallet = next((each for each in user.wallets if each.wallet_id == wallet_id), None) if user else None
    if user is None or wallet is None:
        raise NotFound("There is no such wallet of yours.")
    if not any(each.signs_in for each in user.wallets if each.wallet_id != wallet_id):
        raise LastWallet("Link another wallet first.")
    return (WalletUnlinked(user_id=user.user_id, wallet_id=wallet_id, at=now),)


def erase(user: User | None, open_: Sequence[str], *, now: datetime) -> Sequence[Fact]:
    """Return the fact of an erasure; none when it was done before. Raises NotFound, NotErasable naming what is open."""
    if user is None:
        raise NotFound("There is no such account.")
    if user.erased_at is not None:
        return ()
    if open_:
        raise NotErasable(f"Still open: {', '.join(open_)}. Finish or close these first.", open=list(open_))
    return (PersonErased(user_id=user.user_id, at=now),)


def evolve_user(user: User | None, fact: Fact) -> User:
    """Return the person after `fact`."""
    if user is None and isinstance(fact, WalletRegistered):
        return User(
            user_id=fact.user_id,
            merchant_id=MerchantId.like(fact.user_id),
            address=fact.address,
            chain_id=fact.chain_id,
            registered_at=fact.at,
            contract=fact.contract,
            account=fact.account,
        )
    if user is not None and user.erased_at is None and isinstance(fact, PersonErased):
        return user.model_copy(update={"address": "", "account": None, "linked": (), "erased_at": fact.at})
    if user is not None and isinstance(fact, WalletLinked):
        told = Wallet.model_validate({**fact.model_dump(exclude={"user_id", "at"}), "linked_at": fact.at})
        return user.model_copy(update={"linked": (*user.linked, told)})
    if user is not None and isinstance(fact, WalletUnlinked):
        if fact.wallet_id == WalletId.like(user.user_id):
            return user.model_copy(update={"unlinked_at": fact.at})
        left = tuple(each for each in user.linked if each.wallet_id != fact.wallet_id)
        return user.model_copy(update={"linked": left})
    raise Bug(f"{fact.type} can't happen to {'nobody' if user is None else user.user_id}")


def evolve_key(key: ApiKey | None, fact: Fact) -> ApiKey:
    """Return the staff key after `fact`."""
    if key is None and isinstance(fact, ApiKeyCreated):
        return ApiKey.model_validate(
            {
                "key_id": fact.key_id,
                "merchant_id": fact.merchant_id,
                "role": fact.role,
                "shop_id": fact.shop_id,
                "shop_ids": fact.shop_ids,
                "secret_hash": bytes.fromhex(fact.secret_hash),
                "label": fact.label,
                "created_at": fact.at,
            }
        )
    if key is not None and key.revoked_at is None and isinstance(fact, ApiKeyRevoked):
        return key.model_copy(update={"revoked_at": fact.at})
    raise Bug(f"{fact.type} can't happen to {'no key' if key is None else key.key_id}")
