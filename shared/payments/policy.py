"""By what a payment is judged: tolerance, dust floor, confirmations and finality by asset and by the order's price.

A policy is configuration; what it comes to for one payment is written into `payment.requested.v1` and never looked up
again. So a later policy changes no payment under way, and a replay needs nothing but the facts.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from shared.kernel.money import Asset, Frozen, Units
from shared.payments.facts import Terms

MOST: Final = 20
"""Whatever a policy says, no more than a twentieth of what is due may be missing."""
_BASIS: Final = 10_000

Depth = Annotated[int, Field(ge=0, le=10_000)]


class Tier(Frozen):
    """What orders from a price on need. `from_minor` counts minor units of whatever currency the order is priced in.

    No currency here has a minor unit worth much more than a cent of a euro, and some are worth less: a tier
    is reached too early in those (¥1,000, Kč 10), never too late.
    """

    from_minor: Annotated[int, Field(ge=0)] = 0
    confirmations: Depth
    final_depth: Depth = 0
    """Confirmations from which the payment may count as final, where that is more than the chain's own rule asks."""


class AssetPolicy(Frozen):
    """What holds for payments in one asset. The larger tolerance of the two counts; the dust floor is in base units."""

    tolerance: Units = 0
    tolerance_bp: Annotated[int, Field(ge=0, le=500)] = 0
    """Hundredths of a percent of what is due."""
    dust: Units = 0
    tiers: tuple[Tier, ...] = ()

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        """A dearer order never needs less: raises ValueError for tiers that say so, or are out of order."""
        for lower, upper in zip(self.tiers, self.tiers[1:], strict=False):
            if upper.from_minor <= lower.from_minor:
                raise ValueError("tiers go from the lowest price to the highest")
            if upper.confirmations < lower.confirmations or upper.final_depth < lower.final_depth:
                raise ValueError("a tier asks for at least what the one below it asks for")
        return self

    def terms(self, due: int, *, price: int) -> Terms:
        """Return what a payment of `due` base units (≥ 1) for a price in fiat minor units is judged by."""
        tolerance = min(max(self.tolerance, due * self.tolerance_bp // _BASIS), due // MOST)
        # A floor above what is due would make the payment impossible.
        return Terms(tolerance=tolerance, dust=min(self.dust, due - tolerance), final_depth=self._tier(price)[1])

    def confirmations(self, price: int, *, chain: int, shop: int) -> int:
        """Return the confirmations each transfer needs: the most that chain, tier and shop ask for."""
        return max(chain, shop, self._tier(price)[0])

    def _tier(self, price: int) -> tuple[int, int]:
        reached = [tier for tier in self.tiers if tier.from_minor <= price]
        return (reached[-1].confirmations, reached[-1].final_depth) if reached else (0, 0)


_EVM_TIERS: Final = (Tier(from_minor=100_000, confirmations=12), Tier(from_minor=1_000_000, confirmations=32))

DEFAULTS: Final[Mapping[Asset, AssetPolicy]] = {
    # 294 satoshi: Bitcoin nodes relay no smaller output to a P2WPKH address.
    Asset.BTC: AssetPolicy(
        tolerance=1,
        tolerance_bp=50,
        dust=294,
        tiers=(
            Tier(confirmations=1, final_depth=6),
            Tier(from_minor=10_000, confirmations=2, final_depth=6),
            Tier(from_minor=100_000, confirmations=3, final_depth=6),
            Tier(from_minor=1_000_000, confirmations=6, final_depth=12),
        ),
    ),
    # Wallets that show 8 decimals cut off up to 10 gwei.
    Asset.ETH: AssetPolicy(tolerance=10**10, tolerance_bp=50, dust=10**12, tiers=_EVM_TIERS),
    Asset.USDC: AssetPolicy(tolerance=1, tolerance_bp=50, dust=10_000, tiers=_EVM_TIERS),
    Asset.USDT: AssetPolicy(tolerance=1, tolerance_bp=50, dust=10_000, tiers=_EVM_TIERS),
}
"""What holds where CHAINS names no `policies` of its own."""


def _unheard_of(asset: Asset) -> AssetPolicy:
    """Return the default policy of an asset that only CHAINS knows: dust is a cent, or a millionth of a coin."""
    dust = 10 ** max(asset.decimals - (2 if asset.peg else 6), 0)
    return AssetPolicy(tolerance=1, tolerance_bp=50, dust=dust, tiers=_EVM_TIERS)


def policy_of(asset: Asset, told: Mapping[str, object]) -> AssetPolicy:
    """Return the asset's default policy with what CHAINS says otherwise. Raises ValueError for what makes no sense."""
    default = DEFAULTS.get(asset) or _unheard_of(asset)
    return AssetPolicy.model_validate({**default.model_dump(), **told})
