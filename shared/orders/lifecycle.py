"""The state machine of an order. Pure: a rule takes the state and what is known, returns facts or refuses.

pending ──▶ confirmed ──▶ preparing ──▶ ready ──▶ completed
   │            │
   ├─▶ expired  └─▶ cancelled        halted/resumed: the payment was reversed, and settled again
   └─▶ cancelled              a payment that stays away for a day: cancelled, until it is handed over
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.kernel.clock import rfc3339
from shared.kernel.decision import By, Role
from shared.kernel.errors import Bug, Conflict, Forbidden, Invalid, NotFound
from shared.kernel.facts import Fact
from shared.kernel.hours import changes_at, open_window
from shared.kernel.ids import OrderId, PaymentId, UserId
from shared.kernel.money import Fiat
from shared.orders import facts, pricing
from shared.orders.discounts import OfferedDiscount
from shared.orders.model import Order, OrderStatus, PlaceOrder
from shared.orders.ports import PricedMenu, ShopTerms
from shared.orders.slots import slot_of

PAY_WITHIN: Final = timedelta(minutes=15)
GRACE: Final = timedelta(minutes=10)
SOONEST: Final = timedelta(minutes=10)
LATEST: Final = timedelta(days=14)
"""So far ahead may an order be placed."""
MAX_TOTAL: Final = 10**12
_LOST: Final = "The chain took the payment back, and it did not come again."

_NEXT: Final = {
    OrderStatus.PENDING: {OrderStatus.CONFIRMED, OrderStatus.CANCELLED, OrderStatus.EXPIRED},
    OrderStatus.CONFIRMED: {OrderStatus.PREPARING, OrderStatus.CANCELLED},
    OrderStatus.PREPARING: {OrderStatus.READY},
    OrderStatus.READY: {OrderStatus.COMPLETED},
    OrderStatus.COMPLETED: set(),
    OrderStatus.CANCELLED: set(),
    OrderStatus.EXPIRED: set(),
}


class ShopClosed(Conflict):
    """The shop takes no orders at this hour."""

    type = "shop-closed"
    title = "The shop is closed"


class WrongState(Conflict):
    """The order is in a state from which this step does not lead."""

    type = "order-state"
    title = "The order's state does not allow this"


class Halted(Conflict):
    """The chain took the payment back."""

    type = "order-halted"
    title = "The order waits for its payment to settle again"


def place(
    order_id: OrderId,
    command: PlaceOrder,
    *,
    customer: UserId,
    shop: ShopTerms,
    menu: PricedMenu,
    named: PricedMenu | None = None,
    discounts: Sequence[OfferedDiscount] = (),
    now: datetime,
) -> facts.OrderPlaced:
    """Return the fact of a new order, priced from `menu`, the present one. `named` is the one that the order names.

    Raises ShopClosed, MenuChanged, NotOnMenu, NotSoldNow, DiscountNotApplicable, DiscountUsedUp, Invalid.
    """
    at = _made_at(command, shop, now)
    pricing.must_be_present(command, named, menu, timezone=shop.timezone, at=now)
    lines = pricing.lines_of(command, menu, discounts, timezone=shop.timezone, now=now, at=at)
    total = sum(line.payable for line in lines) + command.tip
    if total == command.tip:
        raise Invalid("An order of nothing but free items has nothing to pay; ask for them at the counter.")
    if total > MAX_TOTAL:
        raise Invalid("The order is worth more than the platform takes in one payment.")
    return facts.OrderPlaced(
        order_id=order_id,
        shop_id=shop.shop_id,
        merchant_id=shop.merchant_id,
        customer_id=customer,
        menu_version=menu.version,
        lines=lines,
        total=Fiat(currency=menu.currency, units=total),
        note=command.note,
        pickup_at=at if command.pickup_at else None,
        slot=slot_of(at) if shop.capacity else None,
        tip=command.tip,
        placed_at=now,
        pay_by=now + PAY_WITHIN,
        hold_until=now + PAY_WITHIN + GRACE,
    )


def modify(order: Order | None, instead: facts.OrderPlaced, *, by: By, now: datetime) -> Sequence[Fact]:
    """Return the facts of an order that its customer changes to what it would be if it were placed now.

    Raises NotFound, WrongState. Whoever stores them sees to it that no payment was asked for.
    """
    order = visible(order, by)
    if by.actor != order.customer_id:
        raise NotFound("There is no such order among yours.")
    if order.status is not OrderStatus.PENDING or now >= order.pay_by:
        raise WrongState("Only an order that waits for its payment can be changed.", order_status=order.status)
    if facts.discount_of(instead.lines) != facts.discount_of(order.lines):
        raise WrongState("It would have another discount: cancel it, and place it anew.", order_status=order.status)
    fee, least = (order.delivery.fee, order.delivery.minimum) if order.delivery else (0, 0)
    if instead.total.units - instead.tip < least:
        raise WrongState("It is to be delivered, and would be too little for that.", order_status=order.status)
    told = facts.OrderModified(
        **who(order, now),
        menu_version=instead.menu_version,
        lines=instead.lines,
        total=instead.total.model_copy(update={"units": instead.total.units + fee}),
        note=instead.note,
        pickup_at=instead.pickup_at,
        slot=instead.slot,
        tip=instead.tip,
        takes=facts.taken(instead.reserves),
        freed=(),
    )
    return (told,)


def _made_at(command: PlaceOrder, shop: ShopTerms, now: datetime) -> datetime:
    """Return when it is made: now, or for when it is wanted. Raises ShopClosed, Invalid."""
    if command.pickup_at is None:
        _must_be_open(shop, now)
        return now
    at = command.pickup_at.astimezone(UTC)
    if not now + SOONEST <= at <= now + LATEST:
        within = f"from {SOONEST.seconds // 60} minutes to {LATEST.days} days from now"
        raise Invalid(f"pickup_at: {within}; without it, it is made at once.")
    paused = shop.pause is not None and shop.pause.holds(at)
    if paused or open_window(shop.weekly, shop.timezone, at, shop.special) is None:
        raise ShopClosed("It is closed then; list_slots tells when it takes orders.")
    return at


def _must_be_open(shop: ShopTerms, now: datetime) -> None:
    if shop.pause is not None and shop.pause.holds(now):
        why = f" ({shop.pause.reason})" if shop.pause.reason else ""
        again = {"resumes_at": rfc3339(shop.pause.until)} if shop.pause.until else {}
        raise ShopClosed(f"It takes no orders for a while{why}.", **again)
    if open_window(shop.weekly, shop.timezone, now, shop.special) is None:
        raise ShopClosed("It takes no orders now; get_shop tells its hours.")
    if not shop.last_order_min:
        return
    closes = changes_at(shop.weekly, shop.timezone, now, shop.special)
    if closes is not None and closes - now <= timedelta(minutes=shop.last_order_min):
        raise ShopClosed("It closes soon, and takes no more orders until it opens again.", closes_at=rfc3339(closes))


def confirm(order: Order | None, payment_id: PaymentId, *, settled: bool, now: datetime) -> Sequence[Fact]:
    """Return the facts of a settled payment: confirmed, or resumed after a reversal. Late, stale or over: none.

    What resumes an order may be another payment of it than the one that was reversed: whichever settles pays it. It may
    be told before the reversal is: of an order's payments one alone stands settled.
    """
    order = existing(order)
    if not settled:
        return ()
    if order.status is OrderStatus.PENDING:
        return (facts.OrderConfirmed(**who(order, now), payment_id=payment_id),)
    over = order.status in {OrderStatus.CANCELLED, OrderStatus.EXPIRED}
    otherwise = order.payment_id != payment_id and order.status is not OrderStatus.COMPLETED
    if (order.halted or otherwise) and not over:
        return (facts.OrderResumed(**who(order, now), payment_id=payment_id),)
    return ()


def halt(order: Order | None, payment_id: PaymentId, *, settled: bool, now: datetime) -> Sequence[Fact]:
    """Return the facts of a payment that the chain took back before hand-over. After it, the loss is the ledger's."""
    order = existing(order)
    open_ = order.status in {OrderStatus.CONFIRMED, OrderStatus.PREPARING, OrderStatus.READY}
    if settled or not open_ or order.halted or order.payment_id != payment_id:
        return ()
    return (facts.OrderHalted(**who(order, now), payment_id=payment_id),)


def prepare(order: Order | None, *, by: By, now: datetime) -> Sequence[Fact]:
    """Return the facts of a barista beginning to make the order. Raises NotFound, WrongState, Halted."""
    order = staffed(order, by)
    _step(order, OrderStatus.PREPARING)
    return (facts.OrderPreparing(**who(order, now), barista=by.actor),)


def ready(order: Order | None, *, by: By, now: datetime) -> Sequence[Fact]:
    """Return the facts of the order standing on the counter. Raises NotFound, WrongState, Halted."""
    order = staffed(order, by)
    _step(order, OrderStatus.READY)
    return (facts.OrderReady(**who(order, now)),)


def complete(order: Order | None, *, now: datetime) -> Sequence[Fact]:
    """Return the facts of the hand-over: the claim was redeemed, so it is complete whatever the chain says later."""
    order = existing(order)
    if order.status is OrderStatus.COMPLETED:
        return ()
    if order.status is not OrderStatus.READY:
        raise WrongState(f"A claim was redeemed for an order that is {order.status}.")
    return (facts.OrderCompleted(**who(order, now)),)


def cancel(order: Order | None, *, reason: str, by: By, now: datetime) -> Sequence[Fact]:
    """Return the facts of calling it off: its customer while pending, its shop until preparation begins."""
    order = visible(order, by)
    if Role.CUSTOMER in by.roles and by.actor == order.customer_id and order.status is OrderStatus.CONFIRMED:
        raise WrongState("It is paid; ask the shop to cancel it, so that it can refund you.")
    if OrderStatus.CANCELLED not in _NEXT[order.status]:
        raise WrongState(f"An order that is {order.status} can't be cancelled.", order_status=order.status)
    return (facts.OrderCancelled(**who(order, now), cancelled_by=by.actor, reason=reason),)


def expire(order: Order | None, *, now: datetime) -> Sequence[Fact]:
    """Return the facts of an order that no payment can settle any more; none when it has moved on.

    One that is halted, because the chain took its payment back, is called off.
    """
    order = existing(order)
    if order.status is OrderStatus.PENDING:
        return (facts.OrderExpired(**who(order, now)),)
    unfinished = order.status in {OrderStatus.CONFIRMED, OrderStatus.PREPARING, OrderStatus.READY}
    if order.halted and unfinished:
        return (facts.OrderCancelled(**who(order, now), cancelled_by="expire_order", reason=_LOST),)
    return ()


def existing(order: Order | None) -> Order:
    """Return the order. Raises NotFound when there is none."""
    if order is None:
        raise NotFound("There is no such order.")
    return order


def visible(order: Order | None, by: By) -> Order:
    """Return the order if the caller is its customer or works for its merchant. Raises NotFound otherwise."""
    if order is None or not (by.actor == order.customer_id or by.staff_of(order.merchant_id, order.shop_id)):
        raise NotFound("There is no such order.")
    return order


def staffed(order: Order | None, by: By) -> Order:
    """Return the order if the caller works at its shop. Raises NotFound, Forbidden."""
    order = visible(order, by)
    if not by.staff_of(order.merchant_id, order.shop_id):
        raise Forbidden("Only the shop's staff does this.")
    return order


def _step(order: Order, to: OrderStatus) -> None:
    if to not in _NEXT[order.status]:
        raise WrongState(f"An order that is {order.status} can't become {to}.", order_status=order.status)
    if order.halted:
        raise Halted("The chain reversed the payment. Wait until it settles again.")


def who(order: Order, now: datetime) -> dict[str, object]:
    """Return what every later fact of the order says."""
    return {
        "order_id": order.order_id,
        "shop_id": order.shop_id,
        "merchant_id": order.merchant_id,
        "customer_id": order.customer_id,
        "at": now,
    }


def evolve(order: Order | None, fact: Fact) -> Order:
    """Return the state after `fact`. Total over the facts of this service; anything else is a Bug."""
    if isinstance(fact, facts.OrderPlaced):
        return Order(
            order_id=fact.order_id,
            shop_id=fact.shop_id,
            merchant_id=fact.merchant_id,
            customer_id=fact.customer_id,
            status=OrderStatus.PENDING,
            lines=fact.lines,
            currency=fact.total.currency,
            total=fact.total.units,
            menu_version=fact.menu_version,
            note=fact.note,
            pickup_at=fact.pickup_at,
            slot=fact.slot,
            tip=fact.tip,
            placed_at=fact.placed_at,
            pay_by=fact.pay_by,
            hold_until=fact.hold_until,
            changed_at=fact.placed_at,
        )
    if order is None or not isinstance(fact, facts.OrderFact):
        raise Bug(f"{fact.type} can't happen to {'no order' if order is None else order.status}")
    return order.model_copy(update={"changed_at": fact.at, **_changes(fact)})


def _changes(fact: facts.OrderFact) -> dict[str, object]:
    match fact:
        case facts.OrderDestinationSet():
            return {"delivery": fact.delivery, "total": fact.total.units}
        case facts.OrderDispatched():
            return {"dispatched_at": fact.at}
        case facts.OrderModified():
            kept = fact.model_dump(include={"menu_version", "note", "pickup_at", "slot", "tip"})
            return {**kept, "lines": fact.lines, "total": fact.total.units}
        case facts.OrderConfirmed():
            return {"status": OrderStatus.CONFIRMED, "payment_id": fact.payment_id}
        case facts.OrderHalted():
            return {"halted": True}
        case facts.OrderResumed():
            return {"halted": False, "payment_id": fact.payment_id}
        case facts.OrderPreparing():
            return {"status": OrderStatus.PREPARING}
        case facts.OrderReady():
            return {"status": OrderStatus.READY}
        case facts.OrderCompleted():
            return {"status": OrderStatus.COMPLETED}
        case facts.OrderCancelled():
            return {"status": OrderStatus.CANCELLED}
        case facts.OrderExpired():
            return {"status": OrderStatus.EXPIRED}
    raise Bug(f"an order does not know {fact.type}")
