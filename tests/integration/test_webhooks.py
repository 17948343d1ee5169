"""Webhooks on a real Postgres, against real servers: signed, retried for a day, isolated, and never lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest

from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.notifications import PostgresNotifications, PostgresOrderNews, PostgresPeopleReached
from shared.adapters.postgres.webhook_deliveries import PostgresDeliveries
from shared.adapters.postgres.webhooks import PostgresWebhooks
from shared.adapters.sealing import Sealer
from shared.adapters.webhooks.secrets import SealedSecrets
from shared.adapters.webhooks.sending import WebhookEndpoints
from shared.kernel.decision import AlreadyAnswered, AlreadyTaken, By, Claim, Role, Taking
from shared.kernel.errors import Bug, Invalid, NotFound, VersionConflict
from shared.kernel.facts import fact_of
from shared.kernel.ids import DeliveryId, EventId, MerchantId, OrderId, ShopId, UserId, WebhookId
from shared.kernel.money import Fiat
from shared.notifications.confirm_email import confirm_email
from shared.notifications.delete_webhook import delete_webhook
from shared.notifications.deliver_webhook import deliver_webhook
from shared.notifications.list_deliveries import list_deliveries
from shared.notifications.list_webhooks import list_webhooks
from shared.notifications.model import ConfirmEmail, SetPreferences
from shared.notifications.notify_owner import notify_owner
from shared.notifications.ports import Notifications
from shared.notifications.queue_webhooks import queue_webhooks
from shared.notifications.redeliver import redeliver
from shared.notifications.register_webhook import register_webhook
from shared.notifications.retry_webhooks import retry_webhooks
from shared.notifications.rotate_webhook_secret import rotate_webhook_secret
from shared.notifications.set_preferences import set_preferences
from shared.notifications.update_webhook import update_webhook
from shared.notifications.webhook_facts import WebhookDisabled
from shared.notifications.webhook_lifecycle import TooManyWebhooks, WebhookOff
from shared.notifications.webhook_model import (
    EVENTS,
    MOST_WEBHOOKS,
    HookDeliveryView,
    HookDispatch,
    ListDeliveries,
    RegisterWebhook,
    RotateSecret,
    Told,
    UpdateWebhook,
    WebhookView,
)
from shared.notifications.webhook_ports import AT_ONCE, LEASE_S, Issuing, Webhooks
from shared.notifications.webhook_signing import genuine
from shared.orders.facts import OrderPlaced
from shared.settings import PostgresSettings, SealingSettings, WebhookSettings
from tests.integration.endpoints import Endpoint, endpoint
from tests.integration.ordering import NOON, FixedClock
from tests.integration.shops_rows import a_shop, not_as_their_events_say
from tests.waiting import until

WORK = Sql("delete from outbox where topic = 'work:webhooks' returning convert_from(body, 'UTF8')")
MAILS = Sql("select count(*)::int from outbox where topic = 'work:emails'")
PLACED = Sql(
    "insert into events (stream, version, id, type, body, prev_hash, hash, merchant_id, region, actor, correlation, at)"
    " values (:order_id, 1, :id, 'order.placed.v1', :body::bytea, :head::bytea, :head::bytea, :merchant_id, 'test',"
    " 'test', 'test', :at::timestamptz)"
)
DISABLED = Sql("select id, body from events where type = 'notification.webhook_disabled.v1'")
NEXT = Sql(
    "select least((select min(due_at) from webhook_deliveries where ended_at is null),"
    " (select min(greatest(d.due_at, h.open_until)) from webhook_deliveries d join webhook_health h using (webhook_id)"
    " where d.ended_at is null)), (select max(open_until) from webhook_health)"
)
EVERYTHING = Sql(
    "select concat((select string_agg(convert_from(body, 'UTF8'), '') from events),"
    " (select string_agg(w::text, '') from webhooks w),"
    " (select string_agg(convert_from(reply, 'UTF8'), '') from idempotency))"
)


class Office:
    """A merchant with a shop, webhooks, and everything that works on them."""

    def __init__(self, url: str, *, total_s: float = 0.5) -> None:
        self.db = Database(PostgresSettings(url, connections=8))
        self.clock = clock = FixedClock()
        self.merchant, self.shop_id = MerchantId.new(), ShopId.new()
        sealer = Sealer(SealingSettings(bytes(range(32))))
        news = PostgresOrderNews(self.db)
        self.hooks = Webhooks(
            PostgresWebhooks(self.db, region="test"), PostgresDeliveries(self.db, region="test"), news, clock
        )
        self.issuing = Issuing(
            SealedSecrets(sealer), WebhookEndpoints(WebhookSettings(allow_loopback=True), total_s=total_s)
        )
        people = PostgresPeopleReached(self.db, sealer)
        self.notices = Notifications(PostgresNotifications(self.db, region="test"), people, news, clock)
        self.keys = 0

    def by(self, merchant: MerchantId | None = None, shop_id: ShopId | None = None) -> By:
        merchant, self.keys = merchant or self.merchant, self.keys + 1
        actor = UserId.like(merchant)
        claim = Claim(actor, "POST /v1/webhooks", f"k{self.keys}", b"{}")
        shops = frozenset({shop_id}) if shop_id else None
        return By(actor, frozenset({Role.OWNER}), merchant, once=claim, shop_ids=shops)

    async def register(self, url: str, *events: str, by: By | None = None, **more: object) -> WebhookView:
        command = RegisterWebhook.model_validate({"url": url, "events": events or ("order.placed.v1",), **more})
        reply = await register_webhook(command, by=by or self.by(), using=self.hooks, issuing=self.issuing)
        return reply.view

    async def happens(self) -> EventId:
        """Let an order be placed, and tell queue_webhooks; return the event's id."""
        id, now = EventId.new(), self.clock.now()
        fact = an_order_placed(self.merchant, self.shop_id, now)
        body = fact.canonical
        await self.db.run(PLACED, order_id=fact.order_id, id=id, body=body, head=b"", merchant_id=self.merchant, at=now)
        await self.tell(id, fact, now)
        return id

    async def tell(self, id: EventId, fact: Told, at: datetime) -> None:
        by = By("queue_webhooks", causation=id, once=Taking("queue_webhooks", id))
        await queue_webhooks(fact, id=id, happened_at=at, by=by, using=self.hooks)

    async def works(self) -> list[HookDispatch]:
        """Take what lies in the outbox for `deliver_webhook`."""
        return [HookDispatch.model_validate(json.loads(body)["data"]) for (body,) in await self.db.run(WORK)]

    async def carry(self, *works: HookDispatch) -> None:
        """Deliver work, all at once, as Pub/Sub would."""
        by = By("deliver_webhook", once=Taking("deliver_webhook", EventId.new()))
        await asyncio.gather(
            *(
                deliver_webhook(work, by=by, using=self.hooks, issuing=self.issuing, chance=lambda: 0.0)
                for work in works
            )
        )

    async def tick(self) -> None:
        """Let `retry_webhooks` look, and carry what it found."""
        await retry_webhooks(by=By("retry_webhooks"), using=self.hooks)
        await self.carry(*await self.works())

    async def deliveries(self, webhook_id: WebhookId, **wanted: object) -> tuple[HookDeliveryView, ...]:
        query = ListDeliveries.model_validate({"webhook_id": webhook_id, **wanted})
        return (await list_deliveries(query, by=self.by(), using=self.hooks)).view.deliveries

    def later(self, **by: float) -> None:
        self.clock.at += timedelta(**by)


def an_order_placed(merchant_id: MerchantId, shop_id: ShopId, at: datetime) -> OrderPlaced:
    """Return the fact of an order of nothing in particular."""
    return OrderPlaced(
        order_id=OrderId.new(),
        shop_id=shop_id,
        merchant_id=merchant_id,
        customer_id=UserId.new(),
        menu_version=1,
        lines=(),
        total=Fiat(currency="EUR", units=420),
        placed_at=at,
        pay_by=at,
        hold_until=at,
    )


@asynccontextmanager
async def opened(url: str, *, total_s: float = 0.5) -> AsyncIterator[tuple[Office, Endpoint]]:
    office = Office(url, total_s=total_s)
    office.shop_id = await a_shop(office.db, office.merchant)
    async with endpoint() as there:
        try:
            yield office, there
        finally:
            office.db.close()


async def test_an_event_is_brought_signed_and_once_though_everything_comes_twice(database: str) -> None:
    async with opened(database) as (office, there):
        hook = await office.register(there.url())
        event = await office.happens()
        ((body,),) = await office.db.run(Sql("select body from events where id = :id"), id=event)
        with pytest.raises(AlreadyTaken):
            await office.tell(event, an_order_placed(office.merchant, office.shop_id, office.clock.now()), NOON)
        (work,) = await office.works()
        await office.carry(*[work] * 10)
        (call,) = there.calls
        assert hook.secret is not None
        assert genuine(call.headers, call.body, hook.secret, now=office.clock.now())
        said = json.loads(call.body)
        assert (call.headers["webhook-id"], said["id"], said["type"]) == (event, event, "order.placed.v1")
        assert said["data"] == json.loads(body)
        (delivery,) = await office.deliveries(hook.webhook_id)
        assert (delivery.status, delivery.attempts, delivery.tries[0].status) == ("delivered", 1, 204)
        assert not_as_their_events_say(database, "whk_") == []


async def test_only_who_listens_is_told(database: str) -> None:
    async with opened(database) as (office, there):
        stranger = MerchantId.new()
        await office.register(there.url("ok"), "order.ready.v1")
        await office.register(there.url("ok"), by=office.by(stranger))
        deleted = await office.register(there.url("ok"))
        await delete_webhook(deleted.webhook_id, if_match=None, by=office.by(), using=office.hooks)
        off = await office.register(there.url("ok"))
        settings = UpdateWebhook(url=there.url("ok"), events=("order.placed.v1",), enabled=False)
        await update_webhook(
            off.webhook_id, settings, if_match=None, by=office.by(), using=office.hooks, issuing=office.issuing
        )
        here = await office.register(there.url("told"), shop_id=office.shop_id)
        await office.happens()
        await office.carry(*await office.works())
        assert [call.path for call in there.calls] == ["/told"]
        listed = await list_webhooks(None, by=office.by(), using=office.hooks)
        assert len(listed.view.webhooks) == 3
        assert listed.view.webhooks[0].webhook_id == here.webhook_id
        assert [hook.secret for hook in listed.view.webhooks] == [None] * 3
        of_shop = await list_webhooks(None, by=office.by(shop_id=office.shop_id), using=office.hooks)
        assert [hook.webhook_id for hook in of_shop.view.webhooks] == [here.webhook_id]


async def test_an_endpoint_that_is_broken_is_tried_for_a_day_and_then_no_more(database: str) -> None:
    async with opened(database) as (office, there):
        there.does = "broken"
        hook = await office.register(there.url())
        began = office.clock.now()
        await office.happens()
        await office.carry(*await office.works())
        while (await office.deliveries(hook.webhook_id))[0].status != "failed":
            ((due, pause),) = await office.db.run(NEXT)
            office.clock.at = max(due, pause or due, office.clock.at + timedelta(seconds=1))
            await office.tick()
        (delivery,) = await office.deliveries(hook.webhook_id, status="failed")
        assert (delivery.attempts, len(there.calls)) == (10, 10)
        assert timedelta(hours=20) < office.clock.now() - began < timedelta(days=1)
        assert {one.status for one in delivery.tries} == {500}
        assert len({call.body for call in there.calls}) == 1
        office.later(days=1)
        await office.tick()
        assert len(there.calls) == 10
        there.does = "ok"
        again = await redeliver(hook.webhook_id, delivery.delivery_id, by=office.by(), using=office.hooks)
        assert (again.status, again.view.status) == (202, "waiting")
        await office.carry(*await office.works())
        (delivery,) = await office.deliveries(hook.webhook_id)
        assert (delivery.status, delivery.attempts) == ("delivered", 11)
        assert len({call.headers["webhook-id"] for call in there.calls}) == 1


async def test_retry_after_is_heeded_and_a_redirect_is_a_failure(database: str) -> None:
    async with opened(database) as (office, there):
        hook = await office.register(there.url())
        for does, pause_s in (("busy", 90), ("redirect", 5), ("hang-up", 5)):
            there.does = does
            await office.happens()
            await office.carry(*await office.works())
            newest = (await office.deliveries(hook.webhook_id))[0]
            assert newest.next_attempt_at == office.clock.now() + timedelta(seconds=pause_s), does
        assert [call.path for call in there.calls] == ["/told"] * 3


async def test_one_dead_endpoint_delays_nobody(database: str) -> None:
    """A dead one holds four places, then one; the other's events are all there before it has timed out once."""
    async with opened(database, total_s=1.5) as (office, there):
        dead = await office.register(there.url("hang"))
        await office.register(there.url("ok"))
        for _ in range(30):
            await office.happens()
        works = sorted(await office.works(), key=lambda work: work.webhook_id != dead.webhook_id)
        assert len(works) == 60
        carrying = asyncio.create_task(office.carry(*works))
        try:
            everybody = "the other endpoint has all of them before the dead one has timed out once"
            await until(lambda: len(there.of("ok")) == 30, everybody, deadline_s=1.4)
        finally:
            await carrying
        assert len(there.of("hang")) <= AT_ONCE + 8, "its other events wait without a connection"
        office.later(seconds=1)
        before = len(there.of("hang"))
        await office.happens()
        await office.carry(*await office.works())
        await office.tick()
        assert len(there.of("hang")) == before, "while it pauses it is not called at all"
        office.later(hours=1)
        await office.tick()
        assert len(there.of("hang")) == before + 1, "one tries whether it is back"
        assert len({call.headers["webhook-id"] for call in there.of("ok")}) == 31


async def test_what_waited_for_an_endpoint_goes_out_when_it_is_back(database: str) -> None:
    async with opened(database) as (office, there):
        there.does = "broken"
        hook = await office.register(there.url())
        events = [await office.happens() for _ in range(40)]
        for _ in range(4):
            await office.carry(*await office.works())
            office.later(minutes=10)
            await retry_webhooks(by=By("retry_webhooks"), using=office.hooks)
        there.does, there.calls = "ok", []
        office.later(hours=1)
        await office.tick()
        assert {call.headers["webhook-id"] for call in there.calls} == set(events)
        assert len(there.calls) == 40, "each once"
        assert {one.status for one in await office.deliveries(hook.webhook_id, limit=100)} == {"delivered"}


async def test_a_worker_that_dies_in_the_middle_leaves_a_delivery_that_is_made(database: str) -> None:
    """Rule 15: at least once."""
    async with opened(database) as (office, there):
        hook = await office.register(there.url())
        await office.happens()
        (work,) = await office.works()
        claimed = await office.hooks.deliveries.claim(
            work.webhook_id, work.delivery_id, now=office.clock.now()
        )  # and nothing more is heard of it
        assert claimed is not None
        await office.tick()
        assert there.calls == [], "it may be at work still"
        office.later(seconds=LEASE_S)
        await office.tick()
        assert len(there.calls) == 1
        (delivery,) = await office.deliveries(hook.webhook_id)
        assert (delivery.status, delivery.attempts) == ("delivered", 2)
        made = delivery.tries[0]
        assert await office.hooks.deliveries.failed(claimed, made, again_at=None, now=office.clock.now()) is None
        assert (await office.deliveries(hook.webhook_id))[0].status == "delivered", "the dead one's word is late"


async def test_work_that_got_lost_is_queued_again(database: str) -> None:
    async with opened(database) as (office, there):
        await office.register(there.url())
        await office.happens()
        await office.works()  # lost
        await office.tick()
        assert there.calls == []
        office.later(minutes=5)
        await office.tick()
        assert len(there.calls) == 1


@pytest.mark.parametrize("how", ["failing", "gone"])
async def test_an_endpoint_that_is_dead_for_days_or_gone_is_switched_off_and_its_owner_told(
    database: str, how: str
) -> None:
    async with opened(database) as (office, there):
        there.does = "broken" if how == "failing" else "gone"
        chosen = SetPreferences(email="owner@example.com")
        await set_preferences(chosen, if_match=None, by=office.by(), using=office.notices)
        asked = await office.notices.people.begin_confirming(UserId.like(office.merchant))
        assert asked is not None
        await confirm_email(ConfirmEmail(code=asked.code), by=office.by(), using=office.notices)
        hook = await office.register(there.url())
        for _ in range(12):
            await office.happens()
        await office.carry(*await office.works())
        for _ in range(0 if how == "gone" else 10):
            office.later(hours=18)
            await office.tick()
        (shown,) = (await list_webhooks(None, by=office.by(), using=office.hooks)).view.webhooks
        assert (shown.enabled, shown.disabled_reason) == (False, how)
        ((id, body),) = await office.db.run(DISABLED)
        fact = fact_of("notification.webhook_disabled.v1", bytes(body))
        assert isinstance(fact, WebhookDisabled)
        by = By("notify_owner", causation=id, once=Taking("notify_owner", id))
        await notify_owner(fact, happened_at=office.clock.now(), by=by, using=office.notices)
        assert (await office.db.run(MAILS))[0][0] == 1
        await office.tick()
        left = await office.deliveries(hook.webhook_id, limit=100)
        assert {one.status for one in left} <= {"dropped", "failed", "delivered"}
        one = left[0].delivery_id
        with pytest.raises(WebhookOff):
            await redeliver(hook.webhook_id, one, by=office.by(), using=office.hooks)
        there.does = "ok"
        on = UpdateWebhook(url=there.url(), events=("order.placed.v1",))
        await update_webhook(
            hook.webhook_id, on, if_match=None, by=office.by(), using=office.hooks, issuing=office.issuing
        )
        await redeliver(hook.webhook_id, one, by=office.by(), using=office.hooks)
        await office.carry(*await office.works())
        assert (await office.deliveries(hook.webhook_id))[0].status == "delivered"
        assert not_as_their_events_say(database, "whk_", "ntf_") == []


async def test_two_secrets_sign_while_one_follows_the_other(database: str) -> None:
    async with opened(database) as (office, there):
        hook = await office.register(there.url())
        reply = await rotate_webhook_secret(
            hook.webhook_id, RotateSecret(overlap_hours=1), by=office.by(), using=office.hooks, issuing=office.issuing
        )
        old, new = hook.secret, reply.view.secret
        assert old
        assert new
        for later_hours, both in ((0, True), (1, False)):
            office.later(hours=later_hours)
            await office.happens()
            await office.carry(*await office.works())
            call, now = there.calls[-1], office.clock.now()
            assert genuine(call.headers, call.body, new, now=now)
            assert genuine(call.headers, call.body, old, now=now) is both


async def test_a_secret_lies_nowhere_in_clear_and_is_told_once(database: str) -> None:
    async with opened(database) as (office, there):
        by = office.by()
        hook = await office.register(there.url(), by=by)
        with pytest.raises(AlreadyAnswered) as again:
            await office.register(there.url(), by=by)
        assert hook.secret is not None
        assert b"whsec_" not in again.value.reply.body
        ((text,),) = await office.db.run(EVERYTHING)
        assert "whsec_" not in text
        assert hook.secret.removeprefix("whsec_") not in text
        await office.db.run(Sql("update webhooks set webhook_id = :other"), other=WebhookId.new())
        ((other, sealed),) = await office.db.run(Sql("select webhook_id, secrets->0->>'sealed' from webhooks"))
        with pytest.raises(Bug):
            office.issuing.secrets.open(other, sealed)


async def test_bad_input_is_refused_and_nothing_is_kept(database: str) -> None:
    async with opened(database) as (office, there):
        with pytest.raises(Invalid):
            await office.register("https://10.0.0.1/hook")
        with pytest.raises(NotFound):
            await office.register(there.url(), shop_id=ShopId.new())
        hook = await office.register(there.url(), *EVENTS)
        for _ in range(MOST_WEBHOOKS - 1):
            await office.register(there.url())
        with pytest.raises(TooManyWebhooks):
            await office.register(there.url())
        rival = office.by(MerchantId.new())
        with pytest.raises(NotFound):
            await redeliver(hook.webhook_id, DeliveryId.new(), by=rival, using=office.hooks)
        with pytest.raises(NotFound):
            await redeliver(hook.webhook_id, DeliveryId.new(), by=office.by(), using=office.hooks)
        with pytest.raises(NotFound):
            await list_deliveries(ListDeliveries(webhook_id=hook.webhook_id), by=rival, using=office.hooks)
        changed = UpdateWebhook(url="https://192.168.0.1/", events=("order.placed.v1",))
        with pytest.raises(Invalid):
            await update_webhook(
                hook.webhook_id, changed, if_match=None, by=office.by(), using=office.hooks, issuing=office.issuing
            )
        with pytest.raises(VersionConflict):
            await delete_webhook(hook.webhook_id, if_match=7, by=office.by(), using=office.hooks)
        assert len((await list_webhooks(None, by=office.by(), using=office.hooks)).view.webhooks) == MOST_WEBHOOKS


async def test_deliveries_are_listed_by_page_and_state_and_forgotten_after_a_month(database: str) -> None:
    async with opened(database) as (office, there):
        hook = await office.register(there.url())
        events = [await office.happens() for _ in range(5)]
        await office.carry(*await office.works())
        seen: list[str] = []
        cursor: str | None = None
        while True:
            query = ListDeliveries.model_validate({"webhook_id": hook.webhook_id, "limit": 2, "cursor": cursor})
            page = (await list_deliveries(query, by=office.by(), using=office.hooks)).view
            seen += [one.event_id for one in page.deliveries]
            cursor = page.next
            if cursor is None:
                break
        assert seen == events[::-1]
        assert await office.deliveries(hook.webhook_id, status="failed") == ()
        office.later(days=31)
        await office.tick()
        assert await office.deliveries(hook.webhook_id) == ()
