"""The rules of discounts. Pure: a rule takes the state and what is known, returns facts or refuses.

How often one was used is no part of its state: orders count that in their own commit, see `discount_counters`.
"""

from collections.abc import Sequence

from shared.catalog import facts, lifecycle
from shared.catalog.discount_model import (
    MAX_DISCOUNTS,
    DiscountUse,
    DiscountView,
    KeptDiscount,
    PutDiscount,
    UseState,
)
from shared.catalog.model import Menu
from shared.catalog.ports import OrderStanding, ShopTerms
from shared.kernel.decision import Stored
from shared.kernel.errors import Bug, Conflict, NotFound
from shared.kernel.facts import Fact
from shared.kernel.ids import DiscountId, DiscountUseId


class CodeTaken(Conflict):
    """Another discount of the shop has this code."""

    type = "discount-code-taken"
    title = "The code belongs to another discount"


class TooManyDiscounts(Conflict):
    """The shop has as many discounts as a shop may have."""

    type = "too-many-discounts"
    title = "The shop has too many discounts"


def put(
    known: KeptDiscount | None,
    discount_id: DiscountId,
    command: PutDiscount,
    *,
    shop: ShopTerms,
    menu: Menu | None,
    code_of: DiscountId | None,
    count: int,
) -> Sequence[Fact]:
    """Return the facts of a discount given, or given otherwise. `code_of` has its code now, `count` are there.

    Raises NotFound for another shop's, CodeTaken, TooManyDiscounts, UnknownItem.
    """
    if known is not None and known.shop_id != shop.shop_id:
        raise NotFound("There is no such discount.")
    if known is None and count >= MAX_DISCOUNTS:
        raise TooManyDiscounts(f"A shop has at most {MAX_DISCOUNTS} discounts; put one that is over to a new use.")
    if code_of not in (None, discount_id):
        raise CodeTaken("Take another code.")
    discount = command.discount(discount_id)
    lifecycle.items_exist(discount, menu.items if menu else ())
    return (
        facts.DiscountPut(
            discount_id=discount_id,
            shop_id=shop.shop_id,
            merchant_id=shop.merchant_id,
            currency=shop.currency,
            discount=discount,
        ),
    )


def give_back(use: DiscountUse | None, order: OrderStanding) -> Sequence[Fact]:
    """Return the facts of a discount that an order had which came to nothing; none when there is none to return."""
    if use is None or use.state is not UseState.USED or not order.over:
        return ()
    return (
        facts.DiscountReturned(
            discount_id=use.discount_id, order_id=use.order_id, shop_id=use.shop_id, merchant_id=use.merchant_id
        ),
    )


def evolve(known: KeptDiscount | None, fact: Fact) -> KeptDiscount:
    """Return the state after `fact`; anything but a put is a Bug."""
    if not isinstance(fact, facts.DiscountPut):
        raise Bug(f"a discount does not know {fact.type}")
    return KeptDiscount(
        discount_id=fact.discount_id,
        shop_id=fact.shop_id,
        merchant_id=fact.merchant_id,
        currency=fact.currency,
        discount=fact.discount,
    )


def evolve_use(use: DiscountUse | None, fact: Fact) -> DiscountUse:
    """Return the state after `fact`. The use itself began with its order, so the fact says all of it."""
    if not isinstance(fact, facts.DiscountReturned) or (use is not None and use.state is not UseState.USED):
        raise Bug(f"{fact.type} can't happen to a discount that is {use.state if use else 'used'}")
    return DiscountUse(
        use_id=DiscountUseId.like(fact.order_id),
        order_id=fact.order_id,
        discount_id=fact.discount_id,
        shop_id=fact.shop_id,
        merchant_id=fact.merchant_id,
        state=UseState.RETURNED,
    )


def view(stored: Stored[KeptDiscount], used: int | None = None) -> DiscountView:
    """Return what its merchant sees of a discount."""
    kept = stored.state
    return DiscountView(
        **dict(kept.discount), shop_id=kept.shop_id, currency=kept.currency, version=stored.version, used=used
    )
