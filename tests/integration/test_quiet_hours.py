"""Quiet hours and channels by topic on a real Postgres: held, released once, told in the log."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from shared.kernel.decision import By
from shared.kernel.errors import Forbidden, Invalid, VersionConflict
from shared.kernel.ids import EventId, KeyId, NotificationId, UserId
from shared.notifications.get_preferences import get_preferences
from shared.notifications.list_notifications import list_notifications
from shared.notifications.model import ListNotifications, SetPreferences
from shared.notifications.release_notifications import release_notifications
from shared.notifications.set_preferences import set_preferences
from tests.integration.ordering import NOON
from tests.integration.shops_rows import not_as_their_events_say, stands
from tests.integration.test_notifications import ADDRESS, Flaky, Room

SIESTA = {"starts": "13:00", "ends": "16:00", "timezone": "Europe/Berlin"}
"""In which noon (UTC) lies; it ends at 14:00 UTC."""


async def completed(room: Room, order: str = "completed") -> None:
    await stands(room.db, room.order, order)


async def release(room: Room) -> None:
    await release_notifications(by=By("release_notifications"), using=room.using)


async def test_what_is_not_urgent_waits_for_the_end_and_is_sent_once(database: str) -> None:
    mail = Flaky()
    room = await Room(database, mail=mail).open()
    await room.prefers(quiet_hours=SIESTA)
    await completed(room)
    id = await room.completed()
    assert await room.work() == []
    room.clock.at = NOON + timedelta(hours=1, minutes=59)
    await release(room)
    assert await room.work() == []
    room.clock.at = NOON + timedelta(hours=2)
    await asyncio.gather(*(release(room) for _ in range(4)))
    await release(room)
    (piece,) = await room.work()
    await room.carry(*piece)
    assert mail.sends == 1
    assert (await room.delivery(id)).status == "sent"
    assert not_as_their_events_say(database, "ntf_") == []


async def test_what_is_ready_for_pick_up_is_told_at_once(database: str) -> None:
    room = await Room(database).open()
    await room.prefers(quiet_hours=SIESTA)
    await room.ready()
    assert len(await room.work()) == 1


async def test_what_is_no_longer_true_when_they_end_is_not_sent(database: str) -> None:
    mail = Flaky()
    room = await Room(database, mail=mail).open()
    await room.prefers(quiet_hours=SIESTA)
    await completed(room)
    id = await room.completed()
    await completed(room, "cancelled")
    room.clock.at = NOON + timedelta(hours=2)
    await release(room)
    (piece,) = await room.work()
    await room.carry(*piece)
    assert mail.sends == 0
    assert (await room.delivery(id)).reason == "overtaken"


async def test_a_muted_topic_is_not_queued_and_others_are(database: str) -> None:
    room = await Room(database).open()
    await room.prefers(topics={"order_progress": [], "order_ready": ["email"]})
    await completed(room)
    await room.completed()
    assert await room.work() == []
    await completed(room, "ready")
    await room.ready()
    assert len(await room.work()) == 1


async def test_preferences_are_read_as_they_were_set(database: str) -> None:
    room = await Room(database).open()
    by = room.by()
    nothing = await get_preferences(by=by, using=room.using)
    assert (nothing.headers["etag"], nothing.view.channels) == ('"0"', ("push", "email"))
    wanted = {"language": "es", "email": ADDRESS, "quiet_hours": SIESTA, "topics": {"refund": ["push"]}}
    command = SetPreferences.model_validate(wanted)
    reply = await set_preferences(command, if_match=0, by=by, using=room.using)
    read = await get_preferences(by=by, using=room.using)
    assert read.headers["etag"] == reply.headers["etag"] == '"1"'
    assert read.view == reply.view
    assert read.view.email == "a…@example.com"
    with pytest.raises(VersionConflict):
        await set_preferences(command, if_match=0, by=by, using=room.using)
    endless = SetPreferences.model_validate({"quiet_hours": {**SIESTA, "ends": "13:00"}})
    with pytest.raises(Invalid):
        await set_preferences(endless, if_match=None, by=by, using=room.using)
    with pytest.raises(Forbidden):
        await get_preferences(by=By(KeyId.new()), using=room.using)


async def test_a_person_sees_what_they_were_told_and_nobody_elses(database: str) -> None:
    mail = Flaky()
    room = await Room(database, mail=mail).open()
    await room.prefers(quiet_hours=SIESTA)
    phone = await room.has_phone()
    first = await room.ready()
    for piece in [piece for piece in await room.work() if piece[0] == "work:emails"]:
        await room.carry(*piece)
    await completed(room)
    second = await room.completed()
    former, room.customer = room.customer, UserId.new()
    assert (await list_notifications(ListNotifications(), by=room.by(), using=room.using)).view.notifications == ()
    room.customer = former
    page = (await list_notifications(ListNotifications(limit=1), by=room.by(), using=room.using)).view
    (newest,) = page.notifications
    assert (newest.notification_id, newest.held_until) == (second, NOON + timedelta(hours=2))
    assert page.next is not None
    older = ListNotifications(cursor=NotificationId(page.next), limit=1)
    last = (await list_notifications(older, by=room.by(), using=room.using)).view
    (told,) = last.notifications
    assert (told.notification_id, told.template, told.about, last.next) == (first, "order-ready", room.order, None)
    assert [(one.kind, one.status) for one in told.channels] == [("email", "sent"), ("push", "queued")]
    assert told.channels[1].device_id == phone.device_id
    assert ADDRESS not in last.model_dump_json()
    with pytest.raises(Forbidden):
        await list_notifications(ListNotifications(), by=By(KeyId.new()), using=room.using)


async def test_an_event_that_comes_again_in_quiet_hours_is_held_once(database: str) -> None:
    room = await Room(database).open()
    await room.prefers(quiet_hours=SIESTA)
    await completed(room)
    event = EventId.new()
    await room.completed(event)
    await room.completed(event)
    room.clock.at = NOON + timedelta(hours=3)
    await release(room)
    assert len(await room.work()) == 1
