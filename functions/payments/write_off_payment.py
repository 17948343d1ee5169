"""On payment.reversed and order.completed: write off what was handed over unpaid."""

from shared.edge.alarm import alarm
from shared.edge.cloud_event import Event
from shared.orders.facts import OrderCompleted
from shared.payments import write_off_payment as rule
from shared.payments.facts import PaymentReversed
from shared.wiring.edge import event_function
from shared.wiring.payments import payments


@event_function
async def write_off_payment(event: Event[PaymentReversed | OrderCompleted]) -> None:
    """On payment.reversed and order.completed: write off what was handed over unpaid."""
    if await rule.write_off_payment(event.fact, by=event.by, using=payments()):
        ids, merchant = (event.fact.order_id,), event.fact.merchant_id
        alarm("write_off_payment", "goods-unpaid", "What was handed over is unpaid.", ids=ids, merchant=merchant)
