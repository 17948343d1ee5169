"""What can happen to a person and to a staff key. Pure."""

from datetime import datetime
from hashlib import sha256

from shared.kernel.decision import By
from shared.kernel.errors import Bug, Forbidden
from shared.kernel.facts import Fact
from shared.kernel.ids import KeyId, MerchantId, UserId
from shared.wallets.facts import ApiKeyCreated, WalletRegistered
from shared.wallets.model import ApiKey, CreateApiKey, User


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
        shop_id=command.shop_id,
        label=command.label,
        secret_hash=secret_hash(secret).hex(),
        at=now,
    )


def evolve_user(user: User | None, fact: Fact) -> User:
    """Return the person after `fact`."""
    if user is None and isinstance(fact, WalletRegistered):
        return User(
            user_id=fact.user_id,
            merchant_id=MerchantId.like(fact.user_id),
            address=fact.address,
            chain_id=fact.chain_id,
            registered_at=fact.at,
        )
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
                "secret_hash": bytes.fromhex(fact.secret_hash),
                "label": fact.label,
                "created_at": fact.at,
            }
        )
    raise Bug(f"{fact.type} can't happen to {'no key' if key is None else key.key_id}")
