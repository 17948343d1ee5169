"""Which state table a stream belongs to, by the prefix of its id: what replay rebuilds."""

from typing import Any, Final

from shared.adapters.postgres import catalog, claims, notifications, orders, payments, shops, supply, sweeps, wallets
from shared.adapters.postgres.statement import StateTable
from shared.kernel.ids import (
    ClaimId,
    KeyId,
    MenuId,
    NotificationId,
    OrderId,
    PaymentId,
    ReceiptId,
    ReservationId,
    ShopId,
    SweepId,
    UserId,
)

STREAMS: Final[dict[str, StateTable[Any]]] = {
    ShopId.prefix: shops.TABLE,
    MenuId.prefix: catalog.TABLE,
    ReceiptId.prefix: supply.RECEIPTS,
    ReservationId.prefix: supply.HOLDS,
    OrderId.prefix: orders.TABLE,
    PaymentId.prefix: payments.TABLE,
    ClaimId.prefix: claims.TABLE,
    NotificationId.prefix: notifications.TABLE,
    SweepId.prefix: sweeps.TABLE,
    UserId.prefix: wallets.USERS,
    KeyId.prefix: wallets.API_KEYS,
}
UNREPLAYED: Final = frozenset({"chain"})
"""Streams whose facts only wake others: a chain's cursor follows the chain, not its own history."""
