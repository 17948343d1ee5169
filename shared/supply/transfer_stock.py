"""transfer_stock: goods go from one location of a merchant to another; both ledgers in one commit."""

from collections.abc import Sequence

from shared.kernel.decision import By, Stored
from shared.kernel.facts import Fact
from shared.kernel.ids import ShopId, TransferId
from shared.kernel.reply import Reply
from shared.supply.model import StockTransfer, TransferStock, TransferView
from shared.supply.ports import Supply
from shared.supply.stocktaking import transfer


async def transfer_stock(shop_id: ShopId, command: TransferStock, *, by: By, using: Supply) -> Reply[TransferView]:
    """Return 201 with the transfer.

    Raises NotFound, Forbidden, Invalid, NotEnoughStock, UnitMismatch, VersionConflict, AlreadyAnswered, KeyReused,
    Transient.
    """
    transfer_id = TransferId.new()
    merchant_id = await using.shops.merchant_of(shop_id)
    there = await using.shops.merchant_of(command.to_shop_id)
    skus = [line.sku for line in command.lines]

    async def rule(_: StockTransfer | None) -> Sequence[Fact]:
        shelves = await using.shelves.of(shop_id, skus), await using.shelves.of(command.to_shop_id, skus)
        return transfer(
            transfer_id, shop_id, command, shelves=shelves, merchant_id=merchant_id, to_merchant_id=there, by=by
        )

    stored = await using.transfers.decide(transfer_id, rule, by=by, now=using.clock.now(), reply=_transferred)
    return _transferred(stored)


def _transferred(stored: Stored[StockTransfer]) -> Reply[TransferView]:
    view = TransferView.model_validate(stored.state.model_dump(exclude={"merchant_id"}))
    return Reply(view, status=201, version=stored.version, stream=view.transfer_id)
