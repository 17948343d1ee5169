"""release_notifications: messages whose person's quiet hours are over go on their way."""

from typing import Final

from shared.kernel.decision import By, Decided
from shared.kernel.errors import VersionConflict
from shared.notifications import lifecycle
from shared.notifications.model import Notification
from shared.notifications.notify import work_of
from shared.notifications.ports import Notifications

A_TICK: Final = 500


async def release_notifications(*, by: By, using: Notifications) -> None:
    """Queue one piece of work per channel of every message that is due, in the commit that says so; each once.

    Whether it is still news is asked when it is sent, as of every other.
    """
    now = using.clock.now()

    def rule(present: Notification | None) -> Decided:
        facts = lifecycle.release(present, now=now)
        if present is None or not facts:
            return Decided(())
        channels = tuple(present.deliveries)
        return Decided(facts, work=work_of(present.notification_id, present.user_id, channels))

    for notification_id in await using.store.due(now=now, limit=A_TICK):
        try:
            await using.store.decide(notification_id, rule, by=by, now=now)
        except VersionConflict:
            continue  # another tick is at it
