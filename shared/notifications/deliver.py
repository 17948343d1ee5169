"""What sending a push message and sending an e-mail have in common: the attempt first, then the send, then its outcome.

Whatever breaks between attempt and outcome leaves an attempt whose outcome nobody knows; it is not sent again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from shared.kernel.decision import AlreadyTaken, By
from shared.kernel.errors import NotFound, Transient, VersionConflict
from shared.kernel.facts import Fact
from shared.notifications import lifecycle
from shared.notifications.facts import NotificationAttempted
from shared.notifications.lifecycle import Step
from shared.notifications.messages import BY_TEMPLATE
from shared.notifications.model import Dispatch, Notification
from shared.notifications.ports import Notifications, NotNow, OrderStanding, Outcome, Refused

RECORD_PAUSES_S: Final = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Between the tries to record an outcome: an outcome that isn't recorded is one that nobody knows."""

Rule = Callable[[Notification | None], tuple[Fact, ...]]
Send = Callable[[], Awaitable[Outcome]]
Prepare = Callable[[Notification, OrderStanding], Awaitable[Send | Refused]]
"""Finds everything that sending needs, so that nothing but the send itself stands between attempt and outcome."""


async def deliver(work: Dispatch, prepare: Prepare, *, by: By, using: Notifications) -> None:
    """Carry out one piece of work, once; deliveries of it that come again find it done.

    Raises NotFound, and Transient when the work should be delivered again later.
    """
    found = await using.store.load(work.notification_id)
    if found is None or found.state.user_id != work.user_id:
        raise NotFound("There is no such message.")
    order = await using.orders.about(found.state.about)
    if order is None:
        raise NotFound("The message is about nothing that is there.")
    news = BY_TEMPLATE[found.state.template].news(order)
    attempting = replace(by, once=None)

    def first(present: Notification | None) -> Step:
        return lifecycle.begin(present, work.channel, news=news, now=using.clock.now())

    if not isinstance(first(found.state), NotificationAttempted):
        await _recorded(work, lambda present: _conclusion(first(present)), by=by, using=using)
        return
    send = await prepare(found.state, order)
    if isinstance(send, Refused):
        await _ended(work, send, by=by, using=using)
        return
    await _recorded(work, lambda present: _attempt(first(present)), by=attempting, using=using)
    outcome = await send()
    if isinstance(outcome, NotNow):
        await _ended(work, outcome, by=attempting, using=using)
        raise Transient("The provider takes nothing at the moment.", retry_after_s=10)
    await _ended(work, outcome, by=by, using=using)


def _attempt(step: Step) -> tuple[Fact, ...]:
    if not isinstance(step, NotificationAttempted):
        raise Transient("Another attempt was faster.")
    return (step,)


def _conclusion(step: Step) -> tuple[Fact, ...]:
    """Return the fact of giving up, or none when the channel is done."""
    if isinstance(step, NotificationAttempted):
        raise Transient("The message changed meanwhile.")
    return (step,) if step else ()


async def _ended(work: Dispatch, outcome: Outcome, *, by: By, using: Notifications) -> None:
    """Record the outcome, and not give up at the first conflict: other channels write to the same stream."""

    def rule(present: Notification | None) -> tuple[Fact, ...]:
        fact = lifecycle.end(present, work.channel, outcome, now=using.clock.now())
        return (fact,) if fact else ()

    for pause_s in RECORD_PAUSES_S:
        await asyncio.sleep(pause_s)
        try:
            return await _recorded(work, rule, by=by, using=using)
        except AlreadyTaken:
            return None  # the try before had reached the database after all
        except (Transient, VersionConflict) as error:
            failed = error
    raise failed


async def _recorded(work: Dispatch, rule: Rule, *, by: By, using: Notifications) -> None:
    await using.store.decide(work.notification_id, rule, by=by, now=using.clock.now())


def short_number(order_id: str) -> str:
    """Return an order's number as people say it: its last six digits, in upper case."""
    return order_id[-6:].upper()
