"""Which discount an order gets, and how it is shared out among its lines. Pure; integers only.

An order has one discount at most: that of its code, else of those without a code the one that is worth most to it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.catalog.facts import Discount, MenuItem
from shared.kernel.errors import Conflict
from shared.kernel.ids import DiscountId, ShopId
from shared.orders.facts import LineDiscount, OrderLine

Draft = tuple[MenuItem, OrderLine]
"""A line priced without discount and tax, and the item it is of."""


class DiscountNotApplicable(Conflict):
    """The code that an order names gives nothing, or nothing for this order."""

    type = "discount-not-applicable"
    title = "The discount does not apply"


class DiscountUsedUp(Conflict):
    """As many orders have the discount as may have it."""

    type = "discount-used-up"
    title = "The discount is used up"


@dataclass(frozen=True, slots=True)
class OfferedDiscount:
    """A discount that a shop gives, and how many more orders may have it; None: as many as come."""

    discount: Discount
    left: int | None = None

    def had_by(self, having: DiscountId | None) -> "OfferedDiscount":
        """Return it as an order sees it that has the discount `having`: one more use is left for it."""
        if self.left is None or self.discount.discount_id != having:
            return self
        return OfferedDiscount(self.discount, max(self.left, 0) + 1)


class Discounts(Protocol):
    """Reads discounts: process cache, primary."""

    async def of(self, shop_id: ShopId) -> Sequence[OfferedDiscount]:
        """Return the shop's active discounts, at most some seconds old."""
        ...


class NoDiscounts:
    """A platform on which nobody gives any."""

    async def of(self, shop_id: ShopId) -> Sequence[OfferedDiscount]:
        """Return none."""
        return ()


def discounted(
    drafts: Sequence[Draft], offered: Iterable[OfferedDiscount], *, code: str | None, now: datetime
) -> tuple[OrderLine, ...]:
    """Return the lines with what is taken off them. Raises DiscountNotApplicable, DiscountUsedUp for a code."""
    lines = tuple(line for _, line in drafts)
    known = [each for each in offered if _in_force(each.discount, now)]
    if code is not None:
        discount = _with_code(known, code)
        off = _worth(discount, drafts)
        if not off:
            raise DiscountNotApplicable(
                f"“{discount.name}” is for orders of other or more things.", minimum=str(discount.minimum)
            )
        return _shared_out(discount, off, drafts)
    worth = [
        (_worth(each.discount, drafts), each.discount)
        for each in known
        if each.discount.code is None and (each.left is None or each.left > 0)
    ]
    best = max(worth, key=lambda pair: (pair[0], pair[1].discount_id), default=None)
    return _shared_out(best[1], best[0], drafts) if best is not None and best[0] else lines


def _in_force(discount: Discount, now: datetime) -> bool:
    begun = discount.starts_at is None or discount.starts_at <= now
    return discount.active and begun and (discount.ends_at is None or now < discount.ends_at)


def _with_code(known: Iterable[OfferedDiscount], code: str) -> Discount:
    wanted = code.upper()
    for each in known:
        if each.discount.code == wanted:
            if each.left is not None and each.left <= 0:
                raise DiscountUsedUp("It was used as often as it may be.")
            return each.discount
    raise DiscountNotApplicable("The shop gives no such discount now.")


def _worth(discount: Discount, drafts: Sequence[Draft]) -> int:
    """Return what it takes off these lines, in minor units: 0 where it is not for them, at most what its items cost.

    A rate is rounded half up, once for the order.
    """
    base = sum(line.total for item, line in drafts if discount.covers(item))
    if base < discount.minimum:
        return 0
    if discount.rate_bp is None:
        return min(discount.amount or 0, base)
    off = (2 * base * discount.rate_bp + 10_000) // 20_000
    return min(off, base if discount.maximum is None else discount.maximum)


def _shared_out(discount: Discount, off: int, drafts: Sequence[Draft]) -> tuple[OrderLine, ...]:
    """Return the lines, each with its part of `off` by what it costs. The parts add up; none is more than its line."""
    base = sum(line.total for item, line in drafts if discount.covers(item))
    lines, seen = [], 0
    for item, line in drafts:
        if not discount.covers(item):
            lines.append(line)
            continue
        before, seen = seen, seen + line.total
        part = off * seen // base - off * before // base
        share = LineDiscount(discount_id=discount.discount_id, name=discount.name, units=part) if part else None
        lines.append(line.model_copy(update={"discount": share}))
    return tuple(lines)
