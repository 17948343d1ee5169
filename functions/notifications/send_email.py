"""Work `emails`: carry a message to a person's mailbox."""

from shared.edge.cloud_event import Work
from shared.notifications import send_email as rule
from shared.notifications.model import Dispatch
from shared.wiring.edge import work_function
from shared.wiring.notifications import notifications, sending


@work_function
async def send_email(work: Work[Dispatch]) -> None:
    """Work `emails`: carry a message to a person's mailbox."""
    await rule.send_email(work.body, by=work.by, using=notifications(), sending=sending())
