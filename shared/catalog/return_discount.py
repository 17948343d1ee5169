"""return_discount: an order came to nothing, so the discount that it had can be used by somebody else; once."""

from shared.catalog import discounts
from shared.catalog.discount_model import DiscountUse
from shared.catalog.ports import Discounting
from shared.kernel.decision import By, Decided, Guard
from shared.kernel.ids import DiscountUseId, OrderId


async def return_discount(order_id: OrderId, *, by: By, using: Discounting) -> None:
    """Return the order's discount if the order is over now, guarded by its version. Raises NotFound, Transient."""

    async def rule(use: DiscountUse | None) -> Decided:
        order = await using.orders.standing(order_id)
        return Decided(discounts.give_back(use, order), guard=Guard("orders", order_id, order.version))

    use_id = DiscountUseId.like(order_id)
    if await using.uses.load(use_id) is None:
        await using.inbox.take(by)
        return
    await using.uses.decide(use_id, rule, by=by, now=using.clock.now())
