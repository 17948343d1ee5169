"""send_confirmation: ask the owner of a mailbox whether it is theirs to be told things at."""

from typing import Final

from shared.kernel.errors import Transient
from shared.notifications.model import Confirmation
from shared.notifications.ports import Notifications, NotNow, Sending

TEMPLATE: Final = "email-confirm"


async def send_confirmation(work: Confirmation, *, using: Notifications, sending: Sending) -> None:
    """Send the code of the latest request once, the attempt recorded before. Raises Transient."""
    asked = await using.people.begin_confirming(work.user_id)
    if asked is None:
        return
    code = f"{asked.code[:4]}-{asked.code[4:]}"
    words = sending.texts.words(TEMPLATE, asked.language, shop="", order="", code=code)
    if isinstance(await sending.mail.send(asked.address, words), NotNow):
        await using.people.confirming_failed(work.user_id, asked.number)
        raise Transient("The provider takes nothing at the moment.", retry_after_s=10)
