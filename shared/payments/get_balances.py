"""get_balances: the trial balance of a merchant, per shop and asset."""

from collections import Counter

from shared.kernel.decision import By
from shared.kernel.errors import Forbidden
from shared.kernel.reply import Reply
from shared.payments.bookkeeping import Bookkeeping
from shared.payments.ledger import Line
from shared.payments.statement import ShopBalances, TrialBalance, balance_views


async def get_balances(*, by: By, using: Bookkeeping) -> Reply[TrialBalance]:
    """Return what stands in every account, in base units; under a key for some shops, in those alone."""
    if by.merchant_id is None:
        raise Forbidden("Only a merchant has balances.")
    one = next(iter(by.shop_ids)) if by.shop_ids is not None and len(by.shop_ids) == 1 else None
    found = await using.ledger.balances(by.merchant_id, one)
    if by.shop_ids is not None:
        found = {shop_id: balances for shop_id, balances in found.items() if shop_id in by.shop_ids}
    total: Counter[Line] = Counter()
    for balances in found.values():
        total.update(balances)
    shops = tuple(
        ShopBalances(shop_id=shop_id, balances=balance_views(balances)) for shop_id, balances in sorted(found.items())
    )
    return Reply(TrialBalance(shops=shops, total=balance_views(total)))
