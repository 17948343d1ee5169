"""Which state table a stream belongs to, by the prefix of its id: what replay rebuilds."""

from typing import Any, Final

from shared.adapters.postgres import claims, notifications, orders, shops, wallets
from shared.adapters.postgres.statement import StateTable
from shared.kernel.ids import ClaimId, KeyId, NotificationId, OrderId, ShopId, UserId

STREAMS: Final[dict[str, StateTable[Any]]] = {
    ShopId.prefix: shops.TABLE,
    OrderId.prefix: orders.TABLE,
    ClaimId.prefix: claims.TABLE,
    NotificationId.prefix: notifications.TABLE,
    UserId.prefix: wallets.USERS,
    KeyId.prefix: wallets.API_KEYS,
}
UNREPLAYED: Final = frozenset({"chain"})
"""Streams whose facts only wake others: a chain's cursor follows the chain, not its own history."""
