"""Values of sweeps: which coins move to a shop's treasury, in which transactions, and how far they have come."""

from enum import StrEnum
from typing import Final, Literal

from pydantic import Field

from shared.kernel.ids import PaymentId, ShopId, SweepId
from shared.kernel.money import Asset, Frozen, Money, Units


class SweepStage(StrEnum):
    """How far the coins of one payment have come in a sweep."""

    PLANNED = "planned"
    MOVING = "moving"
    """They left the address in a block that may still be taken back."""
    SWEPT = "swept"
    DROPPED = "dropped"


class SweepState(StrEnum):
    """How far a sweep has come as a whole."""

    PLANNED = "planned"
    SEEN = "seen"
    CONFIRMED = "confirmed"
    FINAL = "final"
    DROPPED = "dropped"


RESERVED: Final = frozenset({SweepStage.PLANNED, SweepStage.MOVING, SweepStage.SWEPT})


class PaymentSweep(Frozen):
    """Coins of a payment in a sweep: a fold of its facts, kept on the payment.

    `coins` is all that leaves the address in the asset, network fees included where they are paid in it; `fee` what the
    network takes of it, or of what `gas` brought to the address before. `inputs` are the arrivals that are spent, as
    `txid:position`, where the chain has outputs.
    """

    sweep_id: SweepId
    stage: SweepStage
    coins: Money
    fee: Money
    gas: Money | None = None
    inputs: tuple[str, ...] = ()
    txid: str | None = None


class SweptCoin(Frozen):
    """What a plan takes from one address. `transaction` is the number of the one that moves it, `gas` that funds it."""

    payment_id: PaymentId
    shop_id: ShopId
    address: str
    key: str
    fingerprint: str
    index: int
    units: Units
    fee: Units
    transaction: int
    gas: Units = 0
    inputs: tuple[str, ...] = ()


class PlannedTransaction(Frozen):
    """An unsigned transaction. `body` is a PSBT in base64, or an EIP-1559 transaction in hex with 0x.

    `fields` says an EIP-1559 transaction as wallets' libraries take it, numbers in hex.
    """

    number: int
    kind: Literal["gas", "sweep"]
    body: str
    sender: str = ""
    to: str
    units: Units
    fee: Units
    txid: str | None = None
    fields: dict[str, str] = Field(default={})


class SweepPlan(Frozen):
    """All of a sweep, as it was planned; nothing of it ever changes."""

    chain: str
    asset: Asset
    to: str
    to_key: str
    fee_rate: Units
    coins: tuple[SweptCoin, ...]
    transactions: tuple[PlannedTransaction, ...]
