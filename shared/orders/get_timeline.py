"""get_timeline: what happened to an order, its payments and its claim, as its customer and its shop may read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, Protocol

from pydantic import Field

from shared.kernel.decision import By
from shared.kernel.errors import NotFound
from shared.kernel.ids import KeyId, OrderId, UserId
from shared.kernel.money import Frozen
from shared.kernel.reply import Reply
from shared.orders import lifecycle
from shared.orders.ports import Orders

_SHOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "order.placed.v1": ("total", "pay_by"),
    "order.modified.v1": ("total",),
    "order.destination_set.v1": ("total",),
    "order.dispatched.v1": (),
    "order.confirmed.v1": ("payment_id",),
    "order.halted.v1": ("payment_id",),
    "order.resumed.v1": ("payment_id",),
    "order.preparing.v1": (),
    "order.ready.v1": (),
    "order.completed.v1": (),
    "order.cancelled.v1": ("reason",),
    "order.expired.v1": (),
    "payment.requested.v1": ("chain", "due", "address", "confirmations", "expires_at"),
    "payment.requoted.v1": ("due", "expires_at"),
    "payment.superseded.v1": ("chain", "asset"),
    "payment.seen.v1": ("transfer", "asset", "units"),
    "payment.included.v1": ("transfer", "asset", "units", "height", "block_hash"),
    "payment.excluded.v1": ("transfer", "reason"),
    "payment.settled.v1": ("received", "height"),
    "payment.reversed.v1": ("reason",),
    "payment.confirmed.v1": ("height",),
    "payment.final.v1": (),
    "payment.expired.v1": (),
    "payment.closed.v1": ("reason",),
    "payment.refund_requested.v1": ("refund_id", "amount", "to", "reason"),
    "payment.refund_approved.v1": ("refund_id",),
    "payment.refund_declined.v1": ("refund_id", "reason"),
    "payment.refund_lapsed.v1": ("refund_id",),
    "payment.refund_broadcast.v1": ("refund_id", "txid"),
    "payment.refund_mined.v1": ("refund_id", "txid", "height"),
    "payment.refund_reverted.v1": ("refund_id", "txid"),
    "payment.refund_confirmed.v1": ("refund_id", "txid", "height"),
    "payment.refund_failed.v1": ("refund_id", "txid", "height"),
    "claim.issued.v1": (),
    "claim.delegated.v1": (),
    "claim.revoked.v1": (),
    "claim.redeemed.v1": (),
}
"""What is shown of which facts. The rest is the platform's own business: quotes, hashes, who of the staff."""

Whose = Literal["customer", "shop", "platform"]


@dataclass(frozen=True, slots=True)
class Happened:
    """A fact of the order or of what belongs to it: its stream, type and data, and who set it down."""

    at: datetime
    stream: str
    type: str
    actor: str
    data: Mapping[str, Any]


class Histories(Protocol):
    """Reads facts, from the primary."""

    async def of(self, order_id: OrderId) -> Sequence[Happened]:
        """Return the facts of the order, its payments and its claim, by time, and each stream in its own order."""
        ...


class TimelineStep(Frozen):
    """One thing that happened."""

    at: datetime
    type: str = Field(description="The fact's type, as events carry it", examples=["payment.settled.v1"])
    of: str = Field(description="The order, payment or claim that it happened to")
    by: Whose
    detail: dict[str, Any] = Field(description="Members of the fact, as events carry them")


class Timeline(Frozen):
    """What happened, the oldest first."""

    order_id: OrderId
    steps: tuple[TimelineStep, ...]


async def get_timeline(order_id: OrderId, *, by: By, using: Orders, histories: Histories) -> Reply[Timeline]:
    """Return everything that happened to the order so far. Raises NotFound, also for somebody else's order."""
    found = await using.store.load(order_id)
    if found is None:
        raise NotFound("There is no such order.")
    order = lifecycle.visible(found.state, by)
    steps = [step(told, order.customer_id) for told in await histories.of(order_id) if told.type in _SHOWN]
    return Reply(Timeline(order_id=order_id, steps=tuple(steps)))


def step(told: Happened, customer_id: UserId) -> TimelineStep:
    """Return what is shown of a fact."""
    shown = {name: told.data[name] for name in _SHOWN[told.type] if told.data.get(name) not in (None, "")}
    return TimelineStep(at=told.at, type=told.type, of=told.stream, by=_whose(told.actor, customer_id), detail=shown)


def _whose(actor: str, customer_id: UserId) -> Whose:
    if actor == customer_id:
        return "customer"
    return "shop" if actor.startswith((f"{KeyId.prefix}_", f"{UserId.prefix}_")) else "platform"
