"""Quiet hours: until when somebody is not to be disturbed, over midnight and over the nights the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kernel.ids import MerchantId, NotificationId, OrderId, UserId
from shared.notifications import lifecycle
from shared.notifications.facts import NotificationQueued, NotificationReleased
from shared.notifications.lifecycle import STALE
from shared.notifications.messages import BY_TEMPLATE
from shared.notifications.model import Kind, QuietHours, Topic
from shared.notifications.ports import Reach
from shared.notifications.quiet import quiet_until

NIGHT = QuietHours(starts="22:00", ends="07:00", timezone="Europe/Berlin")
LATE = QuietHours(starts="22:00", ends="02:30", timezone="Europe/Berlin")
EVENING = QuietHours(starts="22:00", ends="00:00", timezone="UTC")
MORNING = QuietHours(starts="00:00", ends="06:00", timezone="Asia/Kolkata")
BREAK = QuietHours(starts="13:00", ends="14:30", timezone="America/New_York")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("quiet", "now", "until"),
    [
        (NIGHT, "2026-05-06T21:59:59+02:00", None),
        (NIGHT, "2026-05-06T22:00:00+02:00", "2026-05-07T07:00:00+02:00"),
        (NIGHT, "2026-05-06T23:59:59+02:00", "2026-05-07T07:00:00+02:00"),
        (NIGHT, "2026-05-07T00:00:00+02:00", "2026-05-07T07:00:00+02:00"),
        (NIGHT, "2026-05-07T06:59:59+02:00", "2026-05-07T07:00:00+02:00"),
        (NIGHT, "2026-05-07T07:00:00+02:00", None),
        (BREAK, "2026-05-06T13:00:00-04:00", "2026-05-06T14:30:00-04:00"),
        (BREAK, "2026-05-06T14:30:00-04:00", None),
        # the night that is an hour shorter, and the one that is an hour longer
        (NIGHT, "2026-03-28T23:00:00+01:00", "2026-03-29T07:00:00+02:00"),
        (NIGHT, "2026-10-24T23:00:00+02:00", "2026-10-25T07:00:00+01:00"),
        # an end that does not exist, and one that comes twice: the first is meant
        (LATE, "2026-03-29T01:59:00+01:00", "2026-03-29T03:30:00+02:00"),
        (LATE, "2026-10-25T02:10:00+02:00", "2026-10-25T02:30:00+02:00"),
        (LATE, "2026-10-25T02:10:00+01:00", None),
        (EVENING, "2026-05-06T23:30:00+00:00", "2026-05-07T00:00:00+00:00"),
        (MORNING, "2026-05-06T00:30:00+05:30", "2026-05-06T06:00:00+05:30"),
    ],
)
def test_quiet_hours_end_when_the_persons_clock_says_so(quiet: QuietHours, now: str, until: str | None) -> None:
    assert quiet_until(quiet, at(now)) == (at(until) if until else None)


def test_without_quiet_hours_there_are_none() -> None:
    assert quiet_until(None, at("2026-05-06T23:00:00Z")) is None


_CLOCK = st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda hm: f"{hm[0]:02d}:{hm[1]:02d}")


@given(
    _CLOCK,
    _CLOCK,
    st.sampled_from(["Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
    st.integers(0, 365 * 24 * 60).map(lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)),
)
@settings(max_examples=100)
def test_quiet_hours_always_end_within_a_day_and_an_hour_and_are_over_then(
    starts: str, ends: str, timezone: str, now: datetime
) -> None:
    if starts == ends:
        return
    until = quiet_until(QuietHours(starts=starts, ends=ends, timezone=timezone), now)
    if until is not None:
        assert now < until <= now + timedelta(hours=25)
        assert quiet_until(QuietHours(starts=starts, ends=ends, timezone=timezone), until) is None


def test_what_was_held_is_stale_only_when_it_is_old_since_then() -> None:
    queued_at, until = at("2026-05-06T22:30:00Z"), at("2026-05-07T07:00:00Z")
    queued = NotificationQueued(
        notification_id=NotificationId.new(),
        user_id=UserId.new(),
        merchant_id=MerchantId.new(),
        template="order-completed",
        language="en",
        channels=("email",),
        about=OrderId.new(),
        at=queued_at,
        held_until=until,
    )
    held = lifecycle.evolve(None, queued)
    assert held.held
    assert lifecycle.release(held, now=until - timedelta(seconds=1)) == ()
    (fact,) = lifecycle.release(held, now=until)
    assert isinstance(fact, NotificationReleased)
    free = lifecycle.evolve(held, fact)
    assert lifecycle.release(free, now=until) == ()
    assert lifecycle.release(None, now=until) == ()
    first = lifecycle.begin(free, "email", news=True, now=until)
    assert first is not None
    assert first.type == "notification.attempted.v1"
    late = lifecycle.begin(free, "email", news=True, now=until + STALE + timedelta(seconds=1))
    assert late is not None
    assert late.type == "notification.failed.v1"


def test_what_is_ready_and_what_is_about_security_does_not_wait() -> None:
    urgent = {template for template, message in BY_TEMPLATE.items() if message.urgent}
    assert {"order-ready", "payout-proposed", "payout-changed", "order-halted"} <= urgent
    assert not {"order-completed", "refund-confirmed", "payment-seen", "gap-limit-near"} & urgent


def test_a_topic_takes_the_channels_that_its_person_chose_and_security_all_of_them() -> None:
    chosen = {Topic.ORDER_PROGRESS: frozenset[Kind](), Topic.REFUND: frozenset({Kind.EMAIL})}
    reach = Reach("en", frozenset(Kind), True, (), chosen)
    assert reach.channels(frozenset(Kind), Topic.ORDER_PROGRESS) == ()
    assert reach.channels(frozenset({Kind.PUSH}), Topic.REFUND) == ()
    assert reach.channels(frozenset(Kind), Topic.REFUND) == ("email",)
    assert reach.channels(frozenset(Kind), Topic.PAYMENT) == ("email",)
    assert reach.channels(frozenset(Kind), None) == ("email",)
    assert [name for name, message in BY_TEMPLATE.items() if message.topic is None] == [
        name for name in BY_TEMPLATE if name.startswith("payout-")
    ]
