"""send_email: carry a message to a person's mailbox."""

from shared.kernel.decision import By
from shared.notifications.deliver import Send, deliver, short_number
from shared.notifications.model import Dispatch, Notification
from shared.notifications.ports import Notifications, OrderStanding, Outcome, Refused, Sending


async def send_email(work: Dispatch, *, by: By, using: Notifications, sending: Sending) -> None:
    """Send the e-mail once, the attempt recorded before. Raises NotFound, Transient."""

    async def prepare(notification: Notification, order: OrderStanding) -> Send | Refused:
        address = await using.people.email(notification.user_id)
        if address is None:
            return Refused("no-address")
        words = sending.texts.words(
            notification.template, notification.language, shop=order.shop_name, order=short_number(order.order_id)
        )

        async def send() -> Outcome:
            return await sending.mail.send(address, words)

        return send

    await deliver(work, prepare, by=by, using=using)
