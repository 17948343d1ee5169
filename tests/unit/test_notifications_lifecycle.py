"""Messages: which fact is worth one, and never a second send of what may have been sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pydantic import ValidationError

from shared.adapters.messages.texts import JinjaTexts
from shared.claims.facts import ClaimIssued
from shared.kernel.decision import AlreadyTaken, By, Decided, Page, Stored, Taking
from shared.kernel.errors import Transient
from shared.kernel.facts import GENESIS, Fact
from shared.kernel.ids import ClaimId, MerchantId, NotificationId, OrderId, PaymentId, ShopId, UserId
from shared.kernel.reply import Reply
from shared.kernel.store import Rule
from shared.notifications import lifecycle
from shared.notifications.deliver import Send, deliver
from shared.notifications.facts import NotificationQueued
from shared.notifications.messages import BY_TEMPLATE, News, kinds_for, message_of
from shared.notifications.model import Dispatch, Kind, Notification, QuietHours, SetPreferences
from shared.notifications.ports import Notifications, NotNow, OrderStanding, Outcome, Reach, Refused, Sent, Unknown
from shared.notifications.set_preferences import masked
from shared.orders.facts import OrderCancelled
from shared.payments.facts import ChainTransfer, Closing, PaymentClosed, PaymentSeen

NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)


class Crash(Exception):
    """The process dies here."""


class MemoryStore:
    """One stream in memory, with an inbox."""

    def __init__(self, state: Notification) -> None:
        self.state, self.version = state, 1
        self.inbox: set[tuple[str, str]] = set()
        self.crash_before_append = False

    async def load(self, id: str) -> Stored[Notification] | None:
        return Stored(self.state, self.version, GENESIS)

    async def of_person(self, user_id: UserId, *, before: str | None, limit: int) -> Page[Notification]:
        return [self.state], None

    async def due(self, *, now: datetime, limit: int) -> Sequence[NotificationId]:
        return ()

    async def take(self, by: By) -> None:
        if isinstance(by.once, Taking):
            self.inbox.add((by.once.operation, by.once.event_id))

    async def decide(
        self,
        id: str,
        rule: Rule[Notification],
        *,
        by: By,
        now: datetime,
        reply: Callable[[Stored[Notification]], Reply[object]] | None = None,
        if_match: int | None = None,
    ) -> Stored[Notification]:
        told = rule(self.state)
        decided = await told if isinstance(told, Awaitable) else told
        facts = decided.facts if isinstance(decided, Decided) else decided
        if isinstance(by.once, Taking) and (by.once.operation, by.once.event_id) in self.inbox and facts:
            raise AlreadyTaken
        for fact in facts:
            self.state, self.version = lifecycle.evolve(self.state, fact), self.version + 1
        await self.take(by)
        return Stored(self.state, self.version, GENESIS)


class Orders:
    """One order that stands as told."""

    def __init__(self) -> None:
        self.status = "ready"

    async def standing(self, order_id: OrderId) -> OrderStanding:
        return OrderStanding(order_id, MerchantId.new(), self.status, False, "Kaffee")

    async def shop(self, shop_id: ShopId) -> None:
        return None

    async def about(self, id: str) -> OrderStanding:
        return await self.standing(OrderId(id))


class Clock:
    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at


def a_queued_message(channel: str = "email") -> tuple[Notification, Dispatch]:
    queued = NotificationQueued(
        notification_id=NotificationId.new(),
        user_id=UserId.new(),
        merchant_id=MerchantId.new(),
        template="order-ready",
        language="en",
        channels=(channel,),
        about=OrderId.new(),
        at=NOW,
    )
    work = Dispatch(notification_id=queued.notification_id, user_id=queued.user_id, channel=channel)
    return lifecycle.evolve(None, queued), work


class Delivering(RuleBasedStateMachine):
    """One piece of work, delivered again and again while processes die and time passes."""

    @initialize()
    def start(self) -> None:
        state, self.work = a_queued_message()
        self.store, self.orders, self.clock = MemoryStore(state), Orders(), Clock()
        self.using = Notifications(self.store, None, self.orders, self.clock)  # type: ignore[arg-type]  # nobody is read
        self.may_have_arrived = 0
        self.arrived = 0

    def deliver(self, outcome: Outcome, *, dies_after_sending: bool = False, prepares: bool = True) -> None:
        async def prepare(notification: Notification, order: OrderStanding) -> Send | Refused:
            return send if prepares else Refused("no-address")

        async def send() -> Outcome:
            self.may_have_arrived += not isinstance(outcome, NotNow | Refused)
            self.arrived += isinstance(outcome, Sent)
            if dies_after_sending:
                raise Crash
            return outcome

        by = By("send_email", once=Taking("send_email", "evt_1"))
        try:
            asyncio.run(deliver(self.work, prepare, by=by, using=self.using))
        except (Transient, AlreadyTaken, Crash):
            return

    @rule(outcome=st.sampled_from([Sent("m-1"), Unknown("timeout"), NotNow("throttled"), Refused("bounced")]))
    def it_is_delivered(self, outcome: Outcome) -> None:
        self.deliver(outcome)

    @rule()
    def the_process_dies_after_sending(self) -> None:
        self.deliver(Sent("m-1"), dies_after_sending=True)

    @rule()
    def there_is_no_address(self) -> None:
        self.deliver(Sent("m-1"), prepares=False)

    @rule(seconds=st.sampled_from([1, 29, 31, 3600 * 7]))
    def time_passes(self, seconds: int) -> None:
        self.clock.at += timedelta(seconds=seconds)

    @rule(status=st.sampled_from(["ready", "completed"]))
    def the_order_moves(self, status: str) -> None:
        self.orders.status = status

    @invariant()
    def what_may_have_arrived_is_not_sent_again(self) -> None:
        assert self.may_have_arrived <= 1

    @invariant()
    def what_is_recorded_as_sent_was_sent(self) -> None:
        if self.store.state.deliveries["email"].status == "sent":
            assert self.arrived == 1


TestDelivering = Delivering.TestCase


def test_every_message_has_words_in_every_language() -> None:
    texts = JinjaTexts()
    for template in BY_TEMPLATE:
        seen = set()
        for language in ("en", "de", "es"):
            words = texts.words(template, language, shop="Kaffee & Söhne <1>", order="A1B2C3")
            assert "{{" not in words.text + words.title + words.html
            assert "Kaffee &amp; Söhne &lt;1&gt;" in words.html or "Kaffee" not in words.text
            assert "<1>" not in words.html
            assert "\n" not in words.title
            seen.add(words.text)
        assert len(seen) == 3


def test_one_occurrence_gives_at_most_one_push_and_one_mail() -> None:
    pairs = [("order-confirmed", "claim-issued"), ("order-halted", "payment-reversed")]
    for one, other in pairs:
        assert not BY_TEMPLATE[one].kinds & BY_TEMPLATE[other].kinds


def test_a_message_that_is_no_longer_true_is_no_news() -> None:
    order = OrderStanding(OrderId.new(), MerchantId.new(), "completed", False, "Kaffee")
    assert not BY_TEMPLATE["order-ready"].news(order)
    assert BY_TEMPLATE["order-completed"].news(order)
    halted = OrderStanding(OrderId.new(), MerchantId.new(), "ready", True, "Kaffee")
    assert not BY_TEMPLATE["order-ready"].news(halted)
    assert BY_TEMPLATE["order-halted"].news(halted)


def test_who_cancels_themselves_needs_no_push() -> None:
    customer = UserId.new()
    by_shop = OrderCancelled(
        order_id=OrderId.new(),
        shop_id=ShopId.new(),
        merchant_id=MerchantId.new(),
        customer_id=customer,
        at=NOW,
        cancelled_by="key_1",
    )
    message = BY_TEMPLATE["order-cancelled"]
    assert kinds_for(by_shop, message) == {Kind.PUSH, Kind.EMAIL}
    assert kinds_for(by_shop.model_copy(update={"cancelled_by": customer}), message) == {Kind.EMAIL}


def test_a_payment_that_comes_too_late_or_twice_is_told_so() -> None:
    """U9: whoever pays when the order is over, or again, is told what becomes of the coins."""
    order_id, merchant_id = OrderId.new(), MerchantId.new()
    who = {
        "payment_id": PaymentId.new(),
        "order_id": order_id,
        "shop_id": ShopId.new(),
        "merchant_id": merchant_id,
        "customer_id": UserId.new(),
    }

    def standing(status: str) -> OrderStanding:
        return OrderStanding(order_id, merchant_id, status, False, "Kaffee")

    transfer = ChainTransfer(chain="bitcoin", txid="a", position=0)
    seen = PaymentSeen(**who, transfer=transfer, units=1, seen_at=NOW)
    told = {status: message_of(seen, standing(status)) for status in ("pending", "ready", "expired", "cancelled")}
    assert [each and each.template for each in told.values()] == ["payment-seen", None, "payment-late", "payment-late"]
    twice = PaymentClosed(**who, reason=Closing.PAID_OTHERWISE, at=NOW)
    message = message_of(twice, standing("confirmed"))
    assert message is not None
    assert (message.template, kinds_for(twice, message)) == ("payment-twice", {Kind.PUSH, Kind.EMAIL})
    off = twice.model_copy(update={"reason": Closing.ORDER_CANCELLED})
    assert kinds_for(off, message) == set()


def test_a_message_travels_only_where_its_reader_wants_it() -> None:
    reach = Reach("en", frozenset({Kind.PUSH}), has_email=True, devices=())
    assert reach.channels(frozenset(Kind)) == ()
    reach = Reach("en", frozenset(Kind), has_email=True, devices=())
    assert reach.channels(frozenset({Kind.PUSH})) == ()
    assert reach.channels(frozenset(Kind)) == ("email",)


@pytest.mark.parametrize(
    "email",
    ["", "a", "a@b", "a@b..c", "a b@c.de", "a@c.de\nBcc: x@y.z", "a@-c.de", "ä@c.de", "a@c.de,b@c.de", "<a@c.de>"],
)
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(ValidationError):
        SetPreferences(email=email)


def test_preferences_know_zones_languages_and_each_channel_once() -> None:
    assert QuietHours(starts="22:00", ends="07:00", timezone="Europe/Berlin").ends == "07:00"
    for wrong in (
        {"language": "fr"},
        {"channels": ["push", "push"]},
        {"channels": ["sms"]},
        {"quiet_hours": {"starts": "22:00", "ends": "24:00", "timezone": "Europe/Berlin"}},
        {"quiet_hours": {"starts": "22:00", "ends": "07:00", "timezone": "Mars/Olympus"}},
        {"user_id": UserId.new()},
    ):
        with pytest.raises(ValidationError):
            SetPreferences.model_validate(wrong)
    assert masked("lovelace@example.com") == "l…@example.com"


def test_every_fact_that_is_worth_a_message_names_order_customer_and_merchant() -> None:
    for fact in get_args(News):
        assert issubclass(fact, Fact)
        assert {"order_id", "customer_id", "merchant_id"} <= set(fact.model_fields)
    assert ClaimIssued in get_args(News)
    assert ClaimId.like(OrderId.new()).startswith("clm_")
