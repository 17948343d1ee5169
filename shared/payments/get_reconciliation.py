"""get_reconciliation: how ledger, facts and chains compare, for the owner of the shops that they are about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal, Protocol

from pydantic import Field

from shared.kernel.clock import Clock
from shared.kernel.decision import By, Page, Window
from shared.kernel.errors import Forbidden, NotFound
from shared.kernel.ids import DifferenceId, MerchantId, PaymentId, ShopId
from shared.kernel.money import Asset, Frozen
from shared.kernel.reply import Reply
from shared.kernel.text import Name
from shared.payments.reconciliation import Kind
from shared.payments.statement import SignedUnits

EXPLAINED: Final[dict[Kind, str]] = {
    Kind.NOT_POSTED: "The ledger lacked an entry. It was posted when it was found; nothing is to do.",
    Kind.NOT_CAUSED: "The ledger has an entry that nothing happened for. Count on neither; we look into it.",
    Kind.POSTED_OTHERWISE: "An entry says something else than what happened. Go by the payment; we look into it.",
    Kind.ROW_DIFFERS: "The payment is shown otherwise than its history makes it. We rebuild it from its history.",
    Kind.UNBALANCED: "Debits and credits of this shop and asset differ. Don't close the day before we are done.",
    Kind.NOT_ON_CHAIN: "The payment was credited with a transfer that the chain does not have. Refund nothing of it.",
    Kind.NOT_CREDITED: "The address received coins that its payment was not credited with. We look why.",
    Kind.AMOUNT_DIFFERS: "The payment was credited with another amount than the chain has.",
    Kind.STRANGE: "Coins were at the address before we handed it out: another program uses the same account key.",
    Kind.MOVED: "Coins left the address, and no sweep planned here took them. If it was not you, your keys are known "
    "to somebody: change the payout account at once. If it was you, acknowledge it.",
    Kind.UNEXPLAINED: "The address holds less than all its transfers add up to. If you moved nothing, change the "
    "payout account at once.",
    Kind.HOT_WALLET: "The wallet that refunds are paid from holds less than it ought to.",
}
"""What an owner is told of each kind of difference."""


class GetReconciliation(Frozen):
    """Of which day; without one, what is open now."""

    day: date | None = Field(default=None, description="A day in UTC: what was open on it", examples=["2026-05-06"])
    cursor: DifferenceId | None = Field(default=None, description="`next` of the page before")
    limit: int = Field(default=50, ge=1, le=100)


class DifferencePath(Frozen):
    """Names one difference."""

    difference_id: DifferenceId


class AcknowledgeDifference(Frozen):
    """Why a difference is known and needs no alarm any more."""

    reason: Name = Field(examples=["moved to cold storage by hand"])


class RunView(Frozen):
    """The last comparison of one scope. `incomplete` compared nothing to the end: `reason` says why."""

    scope: str = Field(description="`books`, or a chain", examples=["evm:31337"])
    state: Literal["running", "complete", "incomplete"]
    depth: Literal["recent", "whole"]
    height: int | None = Field(default=None, description="The final block that the chain was compared at")
    block_hash: str | None = None
    began_at: datetime
    ended_at: datetime | None = None


class DifferenceView(Frozen):
    """One difference. `expected` is what our books say, `found` what the other side has, in base units."""

    difference_id: DifferenceId
    scope: str
    kind: Kind
    explanation: str
    payment_id: PaymentId | None = None
    shop_id: ShopId | None = None
    asset: Asset | None = None
    address: str | None = None
    txid: str | None = None
    position: int | None = Field(default=None, description="Of the transfer; in the books the fact's version")
    expected: SignedUnits | None = None
    found: SignedUnits | None = None
    height: int | None = None
    opened_at: datetime
    seen_at: datetime
    closed_at: datetime | None = None
    closing: Literal["gone", "posted"] | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    reason: str | None = None


class ReconciliationView(Frozen):
    """How the books and each chain were compared last, and what differs; oldest difference first."""

    day: date | None = None
    runs: tuple[RunView, ...]
    differences: tuple[DifferenceView, ...]
    next: str | None = None


class Reconciliations(Protocol):
    """Runs and differences, as they are kept."""

    async def runs(self, before: datetime) -> Sequence[RunView]:
        """Return the last run of each scope that began before a moment."""
        ...

    async def differences(
        self,
        merchant_id: MerchantId,
        shop_ids: frozenset[ShopId] | None,
        during: Window | None,
        *,
        after: str | None,
        limit: int,
    ) -> Page[DifferenceView]:
        """Return the merchant's differences that were open during some time, or are open; of some shops where named."""
        ...

    async def acknowledge(
        self,
        difference_id: DifferenceId,
        merchant_id: MerchantId,
        shop_ids: frozenset[ShopId] | None,
        reason: str,
        *,
        by: By,
    ) -> Reply[DifferenceView] | None:
        """Note that somebody knows, once; None where the merchant has no such open difference.

        Raises AlreadyAnswered and KeyReused.
        """
        ...


@dataclass(frozen=True, slots=True)
class Showing:
    """Everything that is needed to show reconciliation."""

    kept: Reconciliations
    clock: Clock


async def get_reconciliation(asked: GetReconciliation, *, by: By, using: Showing) -> Reply[ReconciliationView]:
    """Return the last runs and the differences of the caller's shops; under a key for some shops, of those."""
    if by.merchant_id is None:
        raise Forbidden("Only a merchant has books.")
    during = _day(asked.day)
    before = during.end if during else using.clock.now()
    runs = await using.kept.runs(before)
    found, after = await using.kept.differences(
        by.merchant_id, by.shop_ids, during, after=asked.cursor, limit=asked.limit
    )
    return Reply(ReconciliationView(day=asked.day, runs=tuple(runs), differences=tuple(found), next=after))


async def acknowledge_difference(
    difference_id: DifferenceId, command: AcknowledgeDifference, *, by: By, using: Showing
) -> Reply[DifferenceView]:
    """Note who knows of a difference, and why it may stay: it raises no alarm until its units change.

    Raises NotFound for one that is gone, or somebody else's.
    """
    if by.merchant_id is None:
        raise NotFound("There is no such open difference among yours.")
    kept = await using.kept.acknowledge(difference_id, by.merchant_id, by.shop_ids, command.reason, by=by)
    if kept is None:
        raise NotFound("There is no such open difference among yours.")
    return kept


def _day(day: date | None) -> Window | None:
    """Return the day as a window. The last day that a calendar knows ends with itself."""
    if day is None:
        return None
    start = datetime.combine(day, time(), UTC)
    return Window(start, start + timedelta(days=1) if day < date.max else datetime.max.replace(tzinfo=UTC))
