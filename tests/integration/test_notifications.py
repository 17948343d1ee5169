"""Notifications on a real Postgres and against moto: decided once, sent once, addresses sealed."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from datetime import timedelta

import pytest

from emulators.component import Running, free_port
from shared.adapters.aws.mail import SesMail
from shared.adapters.aws.push import SnsPush
from shared.adapters.messages.texts import JinjaTexts
from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.notifications import PostgresNotifications, PostgresOrderNews, PostgresPeopleReached
from shared.adapters.sealing import Sealer
from shared.kernel.decision import AlreadyTaken, By, Role, Taking
from shared.kernel.errors import Bug, Forbidden, Invalid, NotFound, Transient, VersionConflict
from shared.kernel.ids import EventId, KeyId, MerchantId, NotificationId, OrderId, PayoutChangeId, ShopId, UserId
from shared.notifications.confirm_email import confirm_email
from shared.notifications.lifecycle import IN_FLIGHT, STALE
from shared.notifications.messages import OwnerNews
from shared.notifications.model import (
    ConfirmEmail,
    Delivery,
    DeviceView,
    Dispatch,
    Kind,
    RegisterDevice,
    SetPreferences,
)
from shared.notifications.notify import notify
from shared.notifications.notify_owner import notify_owner
from shared.notifications.ports import Mail, Notifications, Outcome, Sending, Sent, Words
from shared.notifications.push_notification import push_notification
from shared.notifications.register_device import register_device
from shared.notifications.send_email import send_email
from shared.notifications.set_preferences import set_preferences
from shared.orders.facts import OrderCompleted, OrderReady
from shared.settings import AwsSettings, PostgresSettings, SealingSettings
from shared.shops.facts import (
    PayoutAccount,
    PayoutFact,
    PayoutProof,
    ShopGapLimitNear,
    ShopPayoutCancelled,
    ShopPayoutChanged,
    ShopPayoutConfirmed,
    ShopPayoutProposed,
    ShopPayoutProven,
)
from shared.supply.facts import StockLow
from tests.integration.ordering import NOON, FixedClock
from tests.integration.shops_rows import a_shop, an_order, not_as_their_events_say, stands

ADDRESS = "ada.lovelace@example.com"
WORK = Sql(
    "select topic, convert_from(body, 'UTF8') from outbox"
    " where topic in ('work:emails', 'work:push-notifications') order by seq"
)
EVERYTHING = Sql(
    "select string_agg(convert_from(body, 'UTF8'), '') from events union all"
    " select string_agg(convert_from(body, 'UTF8'), '') from outbox union all"
    " select string_agg(devices::text, '') from devices union all"
    " select string_agg(preferences::text, '') from preferences"
)
DISABLED = Sql("select disabled_at is not null, endpoint from devices where device_id = :device_id")


class Room:
    """A customer, their order, and everything that tells them about it."""

    def __init__(self, url: str, aws: Running | None = None, *, mail: Mail | None = None) -> None:
        self.db = Database(PostgresSettings(url, connections=8))
        self.clock = FixedClock()
        self.sealer = Sealer(SealingSettings(bytes(range(32))))
        self.people = PostgresPeopleReached(self.db, self.sealer)
        self.using = Notifications(
            PostgresNotifications(self.db, region="test"), self.people, PostgresOrderNews(self.db), self.clock
        )
        env = aws.env if aws else {"AWS_REGION": "eu-central-1", "EMAIL_FROM": "x@y.zz"}
        settings = AwsSettings.from_env(env)
        self.sending = Sending(JinjaTexts(), SnsPush(settings), mail or SesMail(settings))
        self.merchant, self.customer = MerchantId.new(), UserId.new()
        self.shop, self.order = ShopId.new(), OrderId.new()

    async def open(self) -> Room:
        self.shop = await a_shop(self.db, self.merchant)
        self.order = await an_order(self.db, self.shop, self.merchant, self.customer, "ready")
        return self

    def by(self) -> By:
        return By(self.customer, frozenset({Role.CUSTOMER, Role.OWNER}), MerchantId.like(self.customer))

    async def prefers(self, **chosen: object) -> None:
        command = SetPreferences.model_validate({"email": ADDRESS, **chosen})
        await set_preferences(command, if_match=None, by=self.by(), using=self.using)
        await self.confirmed()

    async def confirmed(self, by: By | None = None) -> None:
        """Confirm the address that was set, as its owner does who reads the mail."""
        by = by or self.by()
        asked = await self.people.begin_confirming(UserId(by.actor))
        if asked is not None:
            await confirm_email(ConfirmEmail(code=asked.code), by=by, using=self.using)

    async def has_phone(self, token: str = "token-of-a-phone-1") -> DeviceView:
        command = RegisterDevice(platform="fcm", token=token)
        return (await register_device(command, by=self.by(), using=self.using)).view

    async def ready(self, event: EventId | None = None) -> NotificationId:
        """Tell `notify` that the order is ready; return the id that its message has."""
        fact = OrderReady(
            order_id=self.order, shop_id=self.shop, merchant_id=self.merchant, customer_id=self.customer, at=NOON
        )
        event = event or EventId.new()
        by = By("notify", causation=event, once=Taking("notify", event))
        await notify(fact, happened_at=NOON, by=by, using=self.using)
        return NotificationId.like(event)

    async def completed(self, event: EventId | None = None) -> NotificationId:
        """Tell `notify` that the order was handed over."""
        fact = OrderCompleted(
            order_id=self.order, shop_id=self.shop, merchant_id=self.merchant, customer_id=self.customer, at=NOON
        )
        event = event or EventId.new()
        by = By("notify", causation=event, once=Taking("notify", event))
        await notify(fact, happened_at=NOON, by=by, using=self.using)
        return NotificationId.like(event)

    async def work(self) -> list[tuple[str, str, Dispatch]]:
        """Return (topic, event id, work) of everything queued."""
        found = []
        for topic, body in await self.db.run(WORK):
            event = json.loads(body)
            found.append((topic, event["id"], Dispatch.model_validate(event["data"])))
        return found

    async def carry(self, topic: str, event: str, work: Dispatch) -> None:
        """Deliver one piece of work, as Pub/Sub would."""
        operation = {"work:emails": send_email, "work:push-notifications": push_notification}[topic]
        by = By(operation.__name__, causation=event, once=Taking(operation.__name__, event))
        await operation(work, by=by, using=self.using, sending=self.sending)

    async def delivery(self, id: NotificationId, channel: str = "email") -> Delivery:
        found = await self.using.store.load(id)
        assert found is not None
        return found.state.deliveries[channel]


def sent_by(aws: Running) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Return the mails that moto holds, and its push endpoints."""
    with urllib.request.urlopen(f"{aws.env['AWS_ENDPOINT_URL']}/moto-api/data.json", timeout=10) as answer:
        held = json.loads(answer.read())
    return held["ses"]["Message"], held["sns"]["PlatformEndpoint"]


@pytest.fixture
def moto(aws: Running, monkeypatch: pytest.MonkeyPatch) -> Running:
    for name, value in aws.env.items():
        monkeypatch.setenv(name, value)
    return aws


async def test_an_event_that_comes_many_times_sends_one_mail_and_one_push(database: str, moto: Running) -> None:
    room = await Room(database, moto).open()
    address = f"{room.customer}@example.com"
    await room.prefers(email=address, language="de")
    phone = await room.has_phone(f"token-{room.customer}")
    event = EventId.new()

    async def again() -> None:
        try:
            await room.ready(event)
        except AlreadyTaken:
            return

    await asyncio.gather(*(again() for _ in range(5)))
    work = await room.work()
    assert sorted(topic for topic, _, _ in work) == ["work:emails", "work:push-notifications"]

    async def carried(piece: tuple[str, str, Dispatch]) -> None:
        try:
            await room.carry(*piece)
        except (AlreadyTaken, Transient):
            return

    await asyncio.gather(*(carried(piece) for piece in work * 5))
    for piece in work * 2:
        await carried(piece)
    mails, endpoints = sent_by(moto)
    mine = [mail for mail in mails if mail["destinations"] == {"ToAddresses": [address]}]
    assert len(mine) == 1
    assert mine[0]["subject"] == f"Bestellung {room.order[-6:].upper()} ist fertig"
    (mobile,) = [endpoint for endpoint in endpoints if endpoint["token"] == f"token-{room.customer}"]
    assert isinstance(mobile["messages"], dict)
    assert len(mobile["messages"]) == 1
    pushed = json.loads(next(iter(mobile["messages"].values())))
    assert json.loads(pushed["GCM"])["fcmV1Message"]["message"]["data"] == {"order_id": room.order}
    id = NotificationId.like(event)
    assert (await room.delivery(id)).status == "sent"
    assert (await room.delivery(id, f"push:{phone.device_id}")).status == "sent"
    assert not_as_their_events_say(database, "ntf_") == []


async def test_no_address_and_no_token_lies_in_clear_anywhere(database: str) -> None:
    room = await Room(database).open()
    await room.prefers()
    await room.has_phone("a-very-secret-token-of-a-phone")
    await room.ready()
    for (text,) in await room.db.run(EVERYTHING):
        assert text
        assert ADDRESS not in text
        assert "lovelace" not in text
        assert "a-very-secret-token" not in text
    assert await room.people.email(room.customer) == ADDRESS


async def test_a_sealed_address_opens_in_its_own_row_alone(database: str) -> None:
    room = await Room(database).open()
    await room.prefers()
    other = UserId.new()
    await room.db.run(Sql("update preferences set user_id = :other"), other=other)
    with pytest.raises(Bug):
        await room.people.email(other)


async def test_nothing_is_queued_for_what_is_over_too_old_or_unreachable(database: str) -> None:
    room = await Room(database).open()
    await room.ready()
    assert await room.work() == [], "no address, no device"
    await room.prefers()
    await stands(room.db, room.order, "completed")
    await room.ready()
    assert await room.work() == [], "it was picked up meanwhile"
    await stands(room.db, room.order, "ready")
    room.clock.at = NOON + STALE + timedelta(seconds=1)
    await room.ready()
    assert await room.work() == [], "it is ready since long"
    room.clock.at = NOON
    await room.prefers(channels=["push"])
    await room.ready()
    assert await room.work() == [], "no mail is wanted"
    taken = await room.db.run(Sql("select count(*)::int from inbox where operation = 'notify'"))
    assert taken[0][0] == 4


class Flaky:
    """A mail provider that does what it is told, or dies."""

    def __init__(self) -> None:
        self.sends = 0
        self.fails: Exception | None = None

    async def send(self, address: str, words: Words) -> Outcome:
        self.sends += 1
        if self.fails is not None:
            raise self.fails
        return Sent("m-1")


async def test_a_crash_after_the_attempt_was_recorded_is_never_sent_again(database: str) -> None:
    """Rule 15: the attempt is recorded first, and what may have been sent is not sent again."""
    mail = Flaky()
    room = await Room(database, mail=mail).open()
    await room.prefers()
    id = await room.ready()
    (piece,) = await room.work()
    mail.fails = RuntimeError("killed")
    with pytest.raises(RuntimeError):
        await room.carry(*piece)
    mail.fails = None
    with pytest.raises(Transient):
        await room.carry(*piece)
    room.clock.at += IN_FLIGHT
    await room.carry(*piece)
    assert mail.sends == 1
    delivery = await room.delivery(id)
    assert (delivery.status, delivery.reason) == ("failed", "outcome-unknown")
    await room.carry(*piece)
    assert mail.sends == 1


async def test_a_provider_that_can_not_be_reached_is_tried_again(
    database: str, monkeypatch: pytest.MonkeyPatch, moto: Running
) -> None:
    room = await Room(database, moto).open()
    await room.prefers(email=f"{room.customer}@example.com")
    id = await room.ready()
    (piece,) = await room.work()
    reachable = room.sending
    nowhere = AwsSettings("eu-central-1", {}, "x@y.zz", f"http://127.0.0.1:{free_port()}", connect_timeout_s=0.5)
    room.sending = Sending(JinjaTexts(), SnsPush(nowhere), SesMail(nowhere))
    with pytest.raises(Transient):
        await room.carry(*piece)
    delivery = await room.delivery(id)
    assert (delivery.status, delivery.reason) == ("deferred", "EndpointConnectionError")
    room.sending = reachable
    await room.carry(*piece)
    assert (await room.delivery(id)).status == "sent"


async def test_a_provider_that_hangs_up_may_have_sent_it(database: str, moto: Running) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    room = await Room(database, moto).open()
    await room.prefers()
    id = await room.ready()
    (piece,) = await room.work()
    broken = AwsSettings("eu-central-1", {}, "x@y.zz", f"http://127.0.0.1:{port}", read_timeout_s=1.0)
    room.sending = Sending(JinjaTexts(), SnsPush(broken), SesMail(broken))
    await room.carry(*piece)
    server.close()
    delivery = await room.delivery(id)
    assert (delivery.status, delivery.reason) == ("failed", "ConnectionClosedError")


async def test_a_refusal_is_final_and_its_reason_names_no_address(database: str, moto: Running) -> None:
    room = await Room(database, moto).open()
    await room.prefers()
    id = await room.ready()
    (piece,) = await room.work()
    settings = AwsSettings.from_env({**moto.env, "EMAIL_FROM": "nobody.verified@this.example"})
    room.sending = Sending(JinjaTexts(), SnsPush(settings), SesMail(settings))
    await room.carry(*piece)
    delivery = await room.delivery(id)
    assert (delivery.status, delivery.reason) == ("failed", "MessageRejected")


async def test_a_device_that_its_service_disabled_gets_nothing_more(database: str, moto: Running) -> None:
    import boto3

    room = await Room(database, moto).open()
    phone = await room.has_phone(f"token-{room.customer}")
    sns = boto3.client("sns", region_name="eu-central-1", endpoint_url=moto.env["AWS_ENDPOINT_URL"])
    first = await room.ready()
    await room.carry(*(await room.work())[0])
    assert (await room.delivery(first, f"push:{phone.device_id}")).status == "sent"
    ((_, endpoint),) = await room.db.run(DISABLED, device_id=phone.device_id)
    await asyncio.to_thread(lambda: sns.set_endpoint_attributes(EndpointArn=endpoint, Attributes={"Enabled": "false"}))
    second = await room.ready()
    await room.carry(*(await room.work())[1])
    assert (await room.delivery(second, f"push:{phone.device_id}")).reason == "EndpointDisabled"
    assert [*(await room.db.run(DISABLED, device_id=phone.device_id))[0]] == [True, None]
    await room.ready()
    assert len(await room.work()) == 2
    again = await room.has_phone(f"token-{room.customer}")
    assert again.device_id == phone.device_id


async def test_a_phone_that_changes_hands_gets_nothing_meant_for_its_last_owner(database: str) -> None:
    room = await Room(database).open()
    phone = await room.has_phone()
    assert (await room.has_phone()).device_id == phone.device_id
    id = await room.ready()
    former, room.customer = room.customer, UserId.new()
    assert (await room.has_phone()).device_id != phone.device_id
    assert (await room.people.reach(former)).devices == ()
    (piece,) = await room.work()
    await room.carry(*piece)
    assert (await room.delivery(id, f"push:{phone.device_id}")).reason == "no-device"


async def test_a_person_has_ten_devices_at_most(database: str) -> None:
    room = await Room(database).open()
    for number in range(12):
        room.clock.at += timedelta(seconds=1)
        last = await room.has_phone(f"token-of-a-phone-{number}")
    devices = (await room.people.reach(room.customer)).devices
    assert len(devices) == 10
    assert devices[0] == last.device_id


async def test_preferences_are_replaced_under_their_version(database: str) -> None:
    room = await Room(database).open()
    by, chosen = room.by(), SetPreferences(language="es", email=ADDRESS, channels=(Kind.EMAIL,))
    with pytest.raises(VersionConflict):
        await set_preferences(chosen, if_match=1, by=by, using=room.using)
    reply = await set_preferences(chosen, if_match=None, by=by, using=room.using)
    assert reply.headers["etag"] == '"1"'
    assert (reply.view.email, reply.view.email_confirmed) == ("a…@example.com", False)
    reply = await set_preferences(SetPreferences(), if_match=1, by=by, using=room.using)
    assert reply.headers["etag"] == '"2"'
    assert await room.people.email(room.customer) is None
    with pytest.raises(VersionConflict):
        await set_preferences(chosen, if_match=1, by=by, using=room.using)
    with pytest.raises(Invalid):
        await set_preferences(SetPreferences(channels=(Kind.EMAIL,)), if_match=None, by=by, using=room.using)
    staff = By(KeyId.new(), frozenset({Role.BARISTA}), room.merchant)
    with pytest.raises(Forbidden):
        await set_preferences(chosen, if_match=None, by=staff, using=room.using)


async def test_work_about_no_message_is_refused(database: str) -> None:
    room = await Room(database).open()
    work = Dispatch(notification_id=NotificationId.new(), user_id=room.customer, channel="email")
    with pytest.raises(NotFound):
        await room.carry("work:emails", EventId.new(), work)


async def test_the_owner_hears_of_every_step_of_a_payout_account_and_of_low_stock(database: str, moto: Running) -> None:
    room = await Room(database, moto).open()
    owner = UserId.like(room.merchant)
    by = By(owner, frozenset({Role.OWNER}), room.merchant)
    command = SetPreferences.model_validate({"email": ADDRESS, "language": "de"})
    await set_preferences(command, if_match=None, by=by, using=room.using)
    await room.confirmed(by)
    shop_id, merchant_id, actor, family = room.shop, room.merchant, "key_0", "evm"
    said = PayoutFact(shop_id=shop_id, merchant_id=merchant_id, family=family, actor=actor, at=NOON).model_dump()
    change, account = PayoutChangeId.new(), PayoutAccount(sealed_xpub="c2VhbGVk", fingerprint="00")
    proof = PayoutProof(nonce="0", address="0x0", message="m", signature="s")
    facts: list[OwnerNews] = [
        ShopPayoutProven(**said, fingerprint="00", proof=proof),
        ShopPayoutProposed(**said, change_id=change, account=account, proof=proof),
        ShopPayoutConfirmed(**said, change_id=change, fingerprint="00", takes_effect_at=NOON),
        ShopPayoutCancelled(**said, change_id=change, fingerprint="00"),
        ShopPayoutChanged(**said, change_id=change, account=account),
        ShopGapLimitNear(**said, fingerprint="00", unused=16, limit=20),
        StockLow(shop_id=shop_id, merchant_id=merchant_id, sku="milk", on_hand=900, reorder_point=1000),
    ]
    for fact in facts:
        event = EventId.new()
        once = By("notify_owner", causation=event, once=Taking("notify_owner", event))
        for _ in range(2):
            await notify_owner(fact, happened_at=NOON, by=once, using=room.using)
    work = await room.work()
    assert [one.user_id for _, _, one in work] == [owner] * len(facts)
    for topic, carried, one in work:
        await room.carry(topic, carried, one)
        assert (await room.delivery(one.notification_id)).status == "sent"
    mails, _ = sent_by(moto)
    subjects = [str(mail["subject"]) for mail in mails][-len(facts) :]
    assert len({*subjects}) == len(facts)
    assert all("Kaffee & Söhne <1>" in subject for subject in subjects)
    room.db.close()
