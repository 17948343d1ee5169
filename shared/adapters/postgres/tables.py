"""Which state table a stream belongs to, by the prefix of its id: what replay rebuilds."""

from typing import Any, Final

from shared.adapters.postgres import orders, shops
from shared.adapters.postgres.statement import StateTable
from shared.kernel.ids import OrderId, ShopId

STREAMS: Final[dict[str, StateTable[Any]]] = {
    ShopId.prefix: shops.TABLE,
    OrderId.prefix: orders.TABLE,
}
UNREPLAYED: Final = frozenset({"chain"})
"""Streams whose facts only wake others: a chain's cursor follows the chain, not its own history."""
