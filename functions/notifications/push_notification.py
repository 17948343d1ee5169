"""Work `push-notifications`: carry a message to one device."""

from shared.edge.cloud_event import Work
from shared.notifications import push_notification as rule
from shared.notifications.model import Dispatch
from shared.wiring.edge import work_function
from shared.wiring.notifications import notifications, sending


@work_function
async def push_notification(work: Work[Dispatch]) -> None:
    """Work `push-notifications`: carry a message to one device."""
    await rule.push_notification(work.body, by=work.by, using=notifications(), sending=sending())
