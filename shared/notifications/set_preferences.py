"""set_preferences: how a person wants to be told."""

from shared.kernel.decision import By
from shared.kernel.errors import Invalid
from shared.kernel.reply import Reply
from shared.notifications.model import Kind, PreferencesView, SetPreferences
from shared.notifications.ports import Notifications
from shared.notifications.register_device import person


async def set_preferences(
    command: SetPreferences, *, if_match: int | None, by: By, using: Notifications
) -> Reply[PreferencesView]:
    """Return what is set now, with its version as ETag. An address that is new is asked for by a mail with a code.

    Raises Invalid, Forbidden, VersionConflict, TooMany.
    """
    if Kind.EMAIL in command.channels and command.email is None and "channels" in command.model_fields_set:
        raise Invalid("Name an e-mail address, or leave the channel `email` out.")
    quiet = command.quiet_hours
    if quiet is not None and quiet.starts == quiet.ends:
        raise Invalid("Quiet hours that end when they start are none; leave them out.")
    user_id = person(by)
    view, version = await using.people.set_preferences(
        user_id, command, if_match=if_match, by=by, now=using.clock.now()
    )
    return Reply(view, version=version)


def masked(address: str) -> str:
    """Return enough of an e-mail address for its owner to recognise it: 'l…@example.com'."""
    mailbox, _, domain = address.partition("@")
    return f"{mailbox[0]}…@{domain}"
