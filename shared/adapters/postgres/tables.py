"""Which state table a stream belongs to, by the prefix of its id: what replay rebuilds."""

from typing import Any, Final

from shared.adapters.postgres import (
    catalog,
    claims,
    discounts,
    notifications,
    orders,
    payments,
    ratings,
    recipes,
    shops,
    stock_items,
    supply,
    sweeps,
    wallets,
    webhooks,
)
from shared.adapters.postgres.statement import StateTable
from shared.kernel.ids import (
    AdjustmentId,
    ClaimId,
    DiscountId,
    DiscountUseId,
    KeyId,
    MenuId,
    NotificationId,
    OrderId,
    PaymentId,
    RatingId,
    ReceiptId,
    RecipeId,
    ReservationId,
    ShopId,
    StockItemId,
    SweepId,
    TransferId,
    UserId,
    WebhookId,
)

STREAMS: Final[dict[str, StateTable[Any]]] = {
    ShopId.prefix: shops.TABLE,
    RatingId.prefix: ratings.TABLE,
    MenuId.prefix: catalog.TABLE,
    DiscountId.prefix: discounts.DISCOUNTS,
    DiscountUseId.prefix: discounts.USES,
    ReceiptId.prefix: supply.RECEIPTS,
    AdjustmentId.prefix: supply.ADJUSTMENTS,
    TransferId.prefix: supply.TRANSFERS,
    StockItemId.prefix: stock_items.TABLE,
    RecipeId.prefix: recipes.TABLE,
    ReservationId.prefix: supply.HOLDS,
    OrderId.prefix: orders.TABLE,
    PaymentId.prefix: payments.TABLE,
    ClaimId.prefix: claims.TABLE,
    NotificationId.prefix: notifications.TABLE,
    WebhookId.prefix: webhooks.TABLE,
    SweepId.prefix: sweeps.TABLE,
    UserId.prefix: wallets.USERS,
    KeyId.prefix: wallets.API_KEYS,
}
UNREPLAYED: Final = frozenset({"chain"})
"""Streams whose facts only wake others: a chain's cursor follows the chain, not its own history."""
