"""By what refunds are judged: who must agree, how many coins they are, what sending may cost and how long it may take.

A policy is configuration. What it comes to for one refund is written into `payment.refund_requested.v1`; the limits of
sending hold for whatever is sent from now on.
"""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import Field

from shared.kernel.money import Asset, Frozen, Units
from shared.payments.facts import RefundRate

MOST: Final = 20
"""As many refunds a payment can have that are not declined: nobody makes its row grow for ever."""
MOST_DECLINED: Final = 100

_Positive = Annotated[int, Field(ge=1, le=10**9)]


class RefundPolicy(Frozen):
    """What holds for every refund. Limits in minor units are those of whatever currency the order is priced in."""

    automatic_minor: Annotated[int, Field(ge=0)] = 5_000
    """Up to so much, all refunds of a payment together, what is the customer's goes back without anybody's consent."""
    automatic_revenue_minor: Annotated[int, Field(ge=0)] = 2_000
    """The same where some of it is the shop's revenue."""
    automatic_daily_minor: Annotated[int, Field(ge=0)] = 20_000
    """And all that the people of a shop ask for together, in 24 hours: nobody empties a till by small amounts."""
    approvals: Annotated[int, Field(ge=2, le=5)] = 2
    """As many different people of the merchant agree to anything else, none of them who asked for it."""
    rate: RefundRate = RefundRate.COINS
    """Which one a customer gets; the shop may choose the other."""
    least: Mapping[Asset, Units] = Field(
        # 546 satoshi: Bitcoin nodes relay no smaller output to the dearest kind of address.
        default_factory=lambda: {Asset.BTC: 546, Asset.ETH: 10**12, Asset.USDC: 10_000, Asset.USDT: 10_000}
    )
    """Base units below which nothing is sent: it would cost more than it is."""
    most_fee: Mapping[Asset, Units] = Field(default_factory=lambda: {Asset.BTC: 100_000, Asset.ETH: 10**16})
    """What one transaction may cost at most, by the asset that fees are paid in; the hot wallet has a limit besides."""
    stuck_after_s: Mapping[str, _Positive] = Field(default_factory=lambda: {"bitcoin": 20 * 60, "evm": 2 * 60})
    """By family of chain: so long after it was signed, what is in no block is sent again with a higher fee."""
    most_bumps: Annotated[int, Field(ge=0, le=50)] = 5
    most_failures: Annotated[int, Field(ge=1, le=20)] = 3
    """So often may the chain revert it; then somebody has to look."""

    def floor(self, asset: Asset) -> int:
        """Return the base units below which nothing is given back, ≥ 1."""
        return max(self.least.get(asset, 1), 1)


def policy_of(told: Mapping[str, object]) -> RefundPolicy:
    """Return the policy with what is told otherwise; tables are changed key by key. Raises ValueError for no policy."""
    usual: dict[str, object] = dict(RefundPolicy())
    tables = {
        name: {**known, **given}
        for name, given in told.items()
        if isinstance(known := usual.get(name), Mapping) and isinstance(given, Mapping)
    }
    return RefundPolicy.model_validate({**told, **tables})
