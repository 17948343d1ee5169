"""POST /v1/devices: a phone or browser is to receive push messages."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.notifications import register_device as rule
from shared.notifications.model import DeviceView, RegisterDevice
from shared.wiring.edge import http_function
from shared.wiring.notifications import notifications


@http_function
async def register_device(request: Request[RegisterDevice, Nothing]) -> Reply[DeviceView]:
    """POST /v1/devices: a phone or browser is to receive push messages."""
    return await rule.register_device(request.body, by=request.by, using=notifications())
