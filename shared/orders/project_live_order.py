"""project_live_order: keep the document that a customer's phone listens to as new as the database."""

from shared.claims import facts as claim
from shared.kernel.decision import By
from shared.orders import facts as order
from shared.orders.ports import LiveProjection
from shared.payments import facts as payment

Shown = (
    order.OrderPlaced
    | order.OrderModified
    | order.OrderDestinationSet
    | order.OrderConfirmed
    | order.OrderHalted
    | order.OrderResumed
    | order.OrderPreparing
    | order.OrderReady
    | order.OrderCompleted
    | order.OrderCancelled
    | order.OrderExpired
    | payment.PaymentRequested
    | payment.PaymentSeen
    | payment.PaymentSettled
    | payment.PaymentReversed
    | payment.PaymentExpired
    | claim.ClaimIssued
    | claim.ClaimDelegated
    | claim.ClaimRevoked
)
"""The facts that change what a live document shows."""


async def project_live_order(fact: Shown, *, by: By, using: LiveProjection) -> None:
    """Write the order's live document whole, from the present rows; whichever fact woke us, and however late."""
    document = await using.reads.live(fact.order_id)
    if document is not None:
        await using.documents.put(document)
    await using.inbox.take(by)
