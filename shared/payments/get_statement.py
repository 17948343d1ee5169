"""get_statement: a shop's ledger of one day, for its owner and its managers."""

from shared.kernel.decision import By
from shared.kernel.errors import NotFound
from shared.kernel.reply import Reply
from shared.payments.bookkeeping import Bookkeeping
from shared.payments.statement import GetStatement, Statement, balance_views


async def get_statement(asked: GetStatement, *, by: By, using: Bookkeeping) -> Reply[Statement]:
    """Return the day's opening and closing balances and a page of its entries.

    Raises NotFound, also for somebody else's shop, and Invalid for a cursor that was not handed out here.
    """
    if by.merchant_id is None or not by.staff_of(by.merchant_id, asked.shop_id):
        raise NotFound("There is no such shop among yours.")
    found = await using.ledger.day(asked.shop_id, by.merchant_id, asked.day, after=asked.cursor, limit=asked.limit)
    if found is None:
        raise NotFound("There is no such shop among yours.")
    page, after = found.entries
    return Reply(
        Statement(
            shop_id=asked.shop_id,
            day=asked.day,
            timezone=found.timezone,
            opening=balance_views(found.opening),
            closing=balance_views(found.closing),
            entries=tuple(page),
            next=after,
        )
    )
