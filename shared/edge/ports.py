"""What the edge needs from outside. The adapters are bound in `shared/wiring/edge.py`, on the first call."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from shared.kernel.decision import Claim, Role, StoredReply
from shared.kernel.ids import KeyId, MerchantId, ShopId


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A staff key as it is stored: never the secret, only its SHA-256."""

    key_id: KeyId
    merchant_id: MerchantId
    role: Role
    secret_hash: bytes = field(repr=False)
    shop_ids: frozenset[ShopId] | None = None
    """The shops this key is good for; None for all shops of the merchant."""
    revoked: bool = False


class Gateway(Protocol):
    """Keys, stored replies, limits and readiness."""

    async def api_key(self, key_id: KeyId) -> ApiKey | None:
        """Return a staff key, or None when there is none. Raises Transient when the store does not answer."""
        ...

    async def stored_reply(self, claim: Claim) -> StoredReply | None:
        """Return what was answered under this key, or None when nothing was.

        Raises KeyReused when the key was used for another body, Transient when the store does not answer.
        """
        ...

    def allow(self, caller: str, operation: str) -> int | None:
        """Count a call; return None when it may go on, else after how many seconds it may be tried again.

        Answers at once, from what this process knows. What it can't know (a store is down) it allows.
        """
        ...

    async def ready(self) -> Mapping[str, str]:
        """Return 'ok', or what is wrong, for each dependency of this region. Never asks another region."""
        ...
