"""receive_stock: a delivery is taken into stock; the counters go up in the same commit."""

from collections.abc import Sequence

from shared.kernel.decision import By, Stored
from shared.kernel.facts import Fact
from shared.kernel.ids import ReceiptId, ShopId
from shared.kernel.reply import Reply
from shared.supply import lifecycle
from shared.supply.model import ReceiptView, ReceiveStock, StockReceipt
from shared.supply.ports import Supply


async def receive_stock(shop_id: ShopId, command: ReceiveStock, *, by: By, using: Supply) -> Reply[ReceiptView]:
    """Return 201 with the delivery. Raises NotFound, Forbidden, UnitMismatch, AlreadyAnswered, KeyReused, Transient."""
    receipt_id, merchant_id = ReceiptId.new(), await using.shops.merchant_of(shop_id)
    measured = [line.sku for line in command.lines if line.unit is not None]

    async def rule(_: StockReceipt | None) -> Sequence[Fact]:
        shelf = await using.shelves.of(shop_id, measured) if measured else {}
        return lifecycle.receive(receipt_id, shop_id, command, merchant_id=merchant_id, by=by, shelf=shelf)

    stored = await using.receipts.decide(receipt_id, rule, by=by, now=using.clock.now(), reply=_received)
    return _received(stored)


def _received(stored: Stored[StockReceipt]) -> Reply[ReceiptView]:
    receipt = stored.state
    view = ReceiptView(receipt_id=receipt.receipt_id, shop_id=receipt.shop_id, lines=receipt.lines, note=receipt.note)
    return Reply(view, status=201, version=stored.version, stream=receipt.receipt_id)
