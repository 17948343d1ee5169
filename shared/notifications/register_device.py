"""register_device: a phone or browser is to receive push messages."""

from shared.kernel.decision import By
from shared.kernel.errors import Forbidden
from shared.kernel.ids import UserId
from shared.kernel.reply import Reply
from shared.notifications.model import DeviceView, RegisterDevice
from shared.notifications.ports import Notifications


async def register_device(command: RegisterDevice, *, by: By, using: Notifications) -> Reply[DeviceView]:
    """Return 201 with the device; the same token gives the same device. Raises Forbidden for staff keys."""
    view = await using.people.register_device(person(by), command, now=using.clock.now())
    return Reply(view, status=201)


def person(by: By) -> UserId:
    """Return the person that is calling. Raises Forbidden for staff keys."""
    if not by.actor.startswith(f"{UserId.prefix}_"):
        raise Forbidden("Only people are notified; sign in with a wallet.")
    return UserId(by.actor)
