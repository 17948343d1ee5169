"""push_notification: carry a message to one device."""

from shared.kernel.decision import By
from shared.kernel.errors import Transient
from shared.kernel.ids import DeviceId
from shared.notifications.deliver import Send, deliver, short_number
from shared.notifications.model import Dispatch, Notification
from shared.notifications.ports import Device, Notifications, NotNow, OrderStanding, Outcome, Refused, Sending


async def push_notification(work: Dispatch, *, by: By, using: Notifications, sending: Sending) -> None:
    """Send the push message once, the attempt recorded before. Raises NotFound, Transient."""

    async def prepare(notification: Notification, order: OrderStanding) -> Send | Refused:
        device = await using.people.device(DeviceId(work.channel.removeprefix("push:")), notification.user_id)
        if device is None:
            return Refused("no-device")
        endpoint = await known(device, using=using, sending=sending)
        if isinstance(endpoint, Refused):
            return endpoint
        words = sending.texts.words(
            notification.template, notification.language, shop=order.shop_name, order=short_number(order.order_id)
        )

        async def send() -> Outcome:
            outcome = await sending.push.send(endpoint, words, order_id=order.order_id)
            if isinstance(outcome, Refused) and outcome.gone:
                await using.people.disable(device.device_id, now=using.clock.now())
            return outcome

        return send

    await deliver(work, prepare, by=by, using=using)


async def known(device: Device, *, using: Notifications, sending: Sending) -> str | Refused:
    """Return under which name the provider knows the device. Raises Transient when the provider does not answer."""
    if device.endpoint is not None:
        return device.endpoint
    endpoint = await sending.push.endpoint(device)
    if isinstance(endpoint, NotNow):
        raise Transient("The push provider takes no devices at the moment.", retry_after_s=10)
    if isinstance(endpoint, Refused):
        if endpoint.gone:
            await using.people.disable(device.device_id, now=using.clock.now())
        return endpoint
    await using.people.know_endpoint(device.device_id, endpoint)
    return endpoint
