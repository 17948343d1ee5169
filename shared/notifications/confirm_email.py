"""confirm_email: whoever reads the mailbox says so, and messages are sent there from now on."""

from shared.kernel.decision import By
from shared.kernel.errors import Conflict, NotFound
from shared.kernel.reply import Reply
from shared.notifications.model import ConfirmEmail, PreferencesView
from shared.notifications.ports import Notifications
from shared.notifications.register_device import person


class WrongConfirmationCode(Conflict):
    """The code is not the one that was sent last, too old, or was tried too often."""

    type = "wrong-confirmation-code"
    title = "This code does not confirm your address"


async def confirm_email(command: ConfirmEmail, *, by: By, using: Notifications) -> Reply[PreferencesView]:
    """Return the preferences with the address confirmed; confirming it again changes nothing.

    Raises NotFound where no address is set, and WrongConfirmationCode: the same whatever is wrong with the code.
    """
    user_id = person(by)
    found = await using.people.preferences(user_id)
    if found is None or found[0].email is None:
        raise NotFound("No e-mail address is set. Set one with your preferences; a code is then sent there.")
    if not found[0].email_confirmed:
        code = command.code.replace("-", "").upper()
        if not await using.people.confirm_email(user_id, code, now=using.clock.now()):
            raise WrongConfirmationCode("Set the address again to be sent a fresh code.")
        found = await using.people.preferences(user_id)
        assert found is not None, "preferences are never deleted"
    view, version = found
    return Reply(view, version=version)
