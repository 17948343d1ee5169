"""get_preferences: how a person wants to be told."""

from shared.kernel.decision import By
from shared.kernel.reply import Reply
from shared.notifications.model import Kind, PreferencesView
from shared.notifications.ports import Notifications
from shared.notifications.register_device import person


async def get_preferences(*, by: By, using: Notifications) -> Reply[PreferencesView]:
    """Return what is set, with its version as ETag; where nothing ever was, what then holds. Raises Forbidden."""
    found = await using.people.preferences(person(by))
    if found is None:
        return Reply(PreferencesView(language="en", channels=(Kind.PUSH, Kind.EMAIL)), version=0)
    view, version = found
    return Reply(view, version=version)
