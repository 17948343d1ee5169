"""Published facts of wallets."""

from datetime import datetime
from typing import ClassVar, Literal

from shared.kernel.decision import Role
from shared.kernel.facts import Fact
from shared.kernel.ids import KeyId, MerchantId, ShopId, UserId, WalletId


class WalletRegistered(Fact):
    """A person signed in with this address for the first time."""

    type: ClassVar = "wallet.registered.v1"
    user_id: UserId
    address: str
    """Sealed with the person's key; in clear in facts from before there were keys."""
    chain_id: int
    contract: bool = False
    """Whether the address is a contract, which is somebody's on its own chain alone."""
    account: str | None = None
    """What is one person's alone, after CAIP-10, as a keyed digest."""
    at: datetime


class WalletLinked(Fact):
    """The person has proven that another wallet is theirs too."""

    type: ClassVar = "wallet.linked.v1"
    user_id: UserId
    wallet_id: WalletId
    kind: Literal["eoa", "contract", "bitcoin"]
    chain: str | None = None
    """`evm:1` of a contract, `bitcoin`; none for a key that is the same on every EVM chain."""
    address: str
    """Sealed with the person's key."""
    account: str
    """The keyed digest of `eip155:0x…` (every chain), `eip155:1:0x…` (a contract) or `bip122:…:bc1…`, after CAIP-10."""
    at: datetime


class WalletUnlinked(Fact):
    """The wallet is the person's no more: it signs nobody in as them."""

    type: ClassVar = "wallet.unlinked.v1"
    user_id: UserId
    wallet_id: WalletId
    at: datetime


class PersonErased(Fact):
    """The person wanted to be forgotten: their key is destroyed, and what was sealed with it can't be read any more."""

    type: ClassVar = "wallet.person_erased.v1"
    user_id: UserId
    at: datetime


class ApiKeyCreated(Fact):
    """Staff got a key; only its keyed hash is kept."""

    type: ClassVar = "wallet.api_key_created.v1"
    key_id: KeyId
    merchant_id: MerchantId
    role: Role
    shop_id: ShopId | None = None
    """The one shop, or the first of several."""
    shop_ids: tuple[ShopId, ...] = ()
    """All of them, where they are several."""
    label: str
    secret_hash: str
    at: datetime


class ApiKeyRevoked(Fact):
    """The key opens nothing any more."""

    type: ClassVar = "wallet.api_key_revoked.v1"
    key_id: KeyId
    merchant_id: MerchantId
    revoked_by: str
    at: datetime
