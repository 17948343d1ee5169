"""Work `email-confirmations`: ask the owner of a mailbox whether it is theirs to be told things at."""

from shared.edge.cloud_event import Work
from shared.notifications import send_confirmation as rule
from shared.notifications.model import Confirmation
from shared.wiring.edge import work_function
from shared.wiring.notifications import notifications, sending


@work_function
async def send_confirmation(work: Work[Confirmation]) -> None:
    """Work `email-confirmations`: ask the owner of a mailbox whether it is theirs to be told things at."""
    await rule.send_confirmation(work.body, using=notifications(), sending=sending())
