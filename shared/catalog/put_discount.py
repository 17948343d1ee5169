"""put_discount: give a discount at a shop, or give it otherwise; with a code or to everybody."""

from shared.catalog import discounts, lifecycle
from shared.catalog.discount_model import DiscountPath, DiscountView, KeptDiscount, PutDiscount
from shared.catalog.ports import Discounting
from shared.kernel.decision import By, Stored
from shared.kernel.facts import Fact
from shared.kernel.ids import MenuId
from shared.kernel.reply import Reply


async def put_discount(
    path: DiscountPath, command: PutDiscount, *, if_match: int | None, by: By, using: Discounting
) -> Reply[DiscountView]:
    """Return the discount. Orders get it, or get it no more, within seconds.

    Raises NotFound, Forbidden, CodeTaken, TooManyDiscounts, UnknownItem, VersionConflict, AlreadyAnswered.
    """
    shop = await using.shops.terms(path.shop_id)
    lifecycle.run_by(shop, by)

    async def rule(known: KeptDiscount | None) -> list[Fact]:
        menu = await using.menus.load(MenuId.like(path.shop_id)) if command.items else None
        code_of = await using.read.with_code(path.shop_id, command.code) if command.code else None
        count = await using.read.count(path.shop_id) if known is None else 0
        told = discounts.put(
            known,
            path.discount_id,
            command,
            shop=shop,
            menu=menu.state if menu else None,
            code_of=code_of,
            count=count,
        )
        return list(told)

    stored = await using.store.decide(
        path.discount_id, rule, by=by, now=using.clock.now(), reply=said, if_match=if_match
    )
    return said(stored)


def said(stored: Stored[KeptDiscount]) -> Reply[DiscountView]:
    """Return the answer to a change of a discount."""
    return Reply(discounts.view(stored), version=stored.version, stream=stored.state.discount_id)
