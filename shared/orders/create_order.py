"""create_order: place an order, its prices fixed and its stock reserved in the same commit."""

from datetime import datetime

from shared.kernel.decision import By, Stored
from shared.kernel.errors import Forbidden
from shared.kernel.ids import DiscountId, OrderId, UserId
from shared.kernel.reply import Reply
from shared.orders import lifecycle
from shared.orders.facts import OrderPlaced
from shared.orders.model import Order, OrderView, PlaceOrder
from shared.orders.ports import Orders
from shared.orders.taking import by_recipes


async def create_order(command: PlaceOrder, *, by: By, using: Orders) -> Reply[OrderView]:
    """Return 201 with the pending order; pay it before `pay_by`.

    Raises NotFound, ShopClosed, MenuChanged, NotOnMenu, NotSoldNow, DiscountNotApplicable, DiscountUsedUp,
    SoldOut, AlreadyAnswered, KeyReused, Transient.
    """
    if not by.actor.startswith(UserId.prefix):
        raise Forbidden("Orders are placed by people; sign in with a wallet.")
    now, order_id = using.clock.now(), OrderId.new()
    placed = await priced(order_id, command, customer=UserId(by.actor), now=now, using=using)
    replies: list[Reply[OrderView]] = []

    def answer(stored: Stored[Order]) -> Reply[OrderView]:
        replies.append(created(stored))
        return replies[-1]

    stored = await using.store.place(order_id, placed, by=by, now=now, reply=answer)
    return replies[-1] if replies else created(stored)  # the reply that was stored, encoded once


async def priced(
    order_id: OrderId,
    command: PlaceOrder,
    *,
    customer: UserId,
    now: datetime,
    using: Orders,
    having: DiscountId | None = None,
) -> OrderPlaced:
    """Return the fact of the order, priced and with what it takes. Raises what create_order raises.

    `having` is the discount that the order has already: one of its uses is its own.
    """
    shop = await using.shops.terms(command.shop_id)
    version = command.menu_version
    menu = await using.menus.current(command.shop_id, at_least=version or 0)
    stale = version is not None and version != menu.version
    named = await using.menus.version(command.shop_id, version or 0) if stale else menu
    discounts = [each.had_by(having) for each in await using.discounts.of(command.shop_id)]
    placed = lifecycle.place(
        order_id, command, customer=customer, shop=shop, menu=menu, named=named, discounts=discounts, now=now
    )
    return by_recipes(placed, await using.recipes.of(command.shop_id))


def created(stored: Stored[Order]) -> Reply[OrderView]:
    """Return the answer to a new order."""
    return shown(stored, status=201, location=f"/v1/orders/{stored.state.order_id}")


def shown(stored: Stored[Order], *, status: int = 200, location: str | None = None) -> Reply[OrderView]:
    """Return an order as an answer, with its ETag and consistency token."""
    return Reply(
        OrderView.of(stored.state, stored.version),
        status=status,
        version=stored.version,
        stream=stored.state.order_id,
        location=location,
    )
