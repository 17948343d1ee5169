"""Published facts of wallets."""

from datetime import datetime
from typing import ClassVar

from shared.kernel.decision import Role
from shared.kernel.facts import Fact
from shared.kernel.ids import KeyId, MerchantId, ShopId, UserId


class WalletRegistered(Fact):
    """A person signed in with this address for the first time."""

    type: ClassVar = "wallet.registered.v1"
    user_id: UserId
    address: str
    chain_id: int
    at: datetime


class ApiKeyCreated(Fact):
    """Staff got a key; only its keyed hash is kept."""

    type: ClassVar = "wallet.api_key_created.v1"
    key_id: KeyId
    merchant_id: MerchantId
    role: Role
    shop_id: ShopId | None = None
    label: str
    secret_hash: str
    at: datetime
