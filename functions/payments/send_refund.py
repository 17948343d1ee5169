"""Every 5 s: send the refunds that were agreed to, and see each of them to its end."""

from shared.edge.cloud_event import Tick
from shared.payments.send_refund import send_refunds
from shared.wiring.edge import scheduled_function
from shared.wiring.sending import senders


@scheduled_function
async def send_refund(tick: Tick) -> None:
    """Every 5 s: send the refunds that were agreed to, and see each of them to its end."""
    await send_refunds(senders(), by=tick.by)
