"""Values of sweeps: what an owner asks for, what is kept of a sweep, what is shown."""

from datetime import datetime
from typing import Final

from pydantic import Field

from shared.kernel.ids import MerchantId, ShopId, SweepId
from shared.kernel.money import Asset, Frozen, KnownAsset, Money, Units
from shared.payments.sweep_values import PlannedTransaction, SweepPlan, SweepState

MOST_COINS: Final = 200
"""Addresses that one plan takes coins from; the next plan has the others."""


class SweepShop(Frozen):
    """Names the shop whose coins move."""

    shop_id: ShopId


class PlanSweep(Frozen):
    """Which coins are to move where, and at what fee."""

    chain: str = Field(pattern=r"^[a-z0-9:-]{1,40}$", examples=["bitcoin", "evm:31337"])
    asset: KnownAsset
    to: str = Field(min_length=14, max_length=90, description="The shop's treasury: an address whose keys it holds")
    fee_rate: Units = Field(ge=1, le=10**13, description="Bitcoin: satoshi per 1,000 vB. EVM: wei per gas, at most")
    gas_from: str | None = Field(
        default=None, max_length=42, description="Tokens: the address that sends each receive address Ether for its gas"
    )
    origin: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{8}(/[0-9]{1,10}h?){0,8}$",
        description="Bitcoin: fingerprint of the wallet's master key and path to the account, as hardware wallets ask"
        " for it; else the account's own fingerprint is named",
        examples=["d34db33f/84h/0h/0h"],
    )


class SweepPath(Frozen):
    """Names one sweep."""

    sweep_id: SweepId


class ListSweeps(Frozen):
    """Sweeps of a shop, the newest first."""

    shop_id: ShopId
    cursor: SweepId | None = Field(default=None, description="`next` of the page before")
    limit: int = Field(default=20, ge=1, le=100)


class SubmitSweep(Frozen):
    """A signed transaction of the plan: a signed PSBT in base64, or the transaction itself in hex."""

    signed: str = Field(min_length=20, max_length=400_000, pattern=r"^(0x)?[A-Za-z0-9+/=]+$", strict=True)


class Sweep(Frozen):
    """The state of a sweep: a fold of its facts, and one row of `sweeps`. `txids` by number of transaction."""

    sweep_id: SweepId
    shop_id: ShopId
    merchant_id: MerchantId
    chain: str
    asset: Asset
    state: SweepState
    plan: SweepPlan
    txids: dict[int, str]
    planned_at: datetime
    changed_at: datetime


class SweepSummary(Frozen):
    """A sweep in a list."""

    sweep_id: SweepId
    shop_id: ShopId
    chain: str
    asset: Asset
    to: str
    state: SweepState
    coins: int = Field(description="Addresses that coins are taken from")
    total: Money = Field(description="What leaves them")
    fee: Money = Field(description="What the network takes of it at most; for tokens of the Ether that is sent before")
    planned_at: datetime
    changed_at: datetime


class SweepView(SweepSummary):
    """A sweep with its transactions: sign each, those that bring gas first, and give them to the network or to us."""

    transactions: tuple[PlannedTransaction, ...]
    txids: dict[int, str]
    version: int


class Sweeps(Frozen):
    """A page of a shop's sweeps."""

    sweeps: tuple[SweepSummary, ...]
    next: SweepId | None = None
