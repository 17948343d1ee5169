"""Notifications in Postgres: their streams, people's preferences and devices, and what they read of orders."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.preferences import CHOSEN, Chosen, PostgresPreferences
from shared.adapters.postgres.statement import StateTable, rows_sql
from shared.adapters.postgres.store import TAKE, StateStore, stored
from shared.kernel.decision import By, Page, Taking
from shared.kernel.ids import DeviceId, MerchantId, NotificationId, OrderId, ShopId, UserId, WebhookId
from shared.notifications.lifecycle import evolve
from shared.notifications.messages import A_SHOP, WEBHOOK_OFF
from shared.notifications.model import (
    DeviceView,
    Notification,
    RegisterDevice,
)
from shared.notifications.ports import Device, OrderStanding, Reach

DEVICES_A_PERSON: Final = 10

TABLE: Final = StateTable(name="notifications", key="notification_id", model=Notification, evolve=evolve)


# A token that comes with another person is another device: what was queued for the one before doesn't reach it.
_REGISTER: Final = Sql(
    """
with registered as (
  insert into devices as d (device_id, user_id, platform, token_hash, sealed_token, label, registered_at)
  values (:device_id, :user_id, :platform, :token_hash::bytea, :sealed_token::bytea, :label, :now::timestamptz)
  on conflict (token_hash) do update set
    device_id = case when d.user_id = excluded.user_id then d.device_id else excluded.device_id end,
    endpoint = case when d.user_id = excluded.user_id and d.disabled_at is null then d.endpoint end,
    sealed_token = case when d.user_id = excluded.user_id then d.sealed_token else excluded.sealed_token end,
    user_id = excluded.user_id, platform = excluded.platform, label = excluded.label,
    registered_at = excluded.registered_at, disabled_at = null
  returning device_id),
surplus as (
  delete from devices where device_id in (
    select device_id from devices where user_id = :user_id and token_hash <> :token_hash::bytea
     order by registered_at desc offset :most::int - 1))
select device_id from registered
"""
)
_REACH: Final = Sql(
    """
select (select jsonb_build_object('language', language, 'channels', channels, 'topics', topics,
                                  'quiet_hours', quiet_hours)::text from preferences where user_id = :user_id),
       exists (select from preferences where user_id = :user_id and email_confirmed_at is not null),
       array(select device_id from devices where user_id = :user_id and disabled_at is null
              order by registered_at desc limit :most::int)
"""
)
_OF_PERSON: Final = rows_sql(
    TABLE,
    "where user_id = :user_id and (:before::text is null or notification_id < :before::text)"
    " order by notification_id desc limit :limit::int",
)
_HELD: Final = Sql(
    "select notification_id from notifications where held and held_until <= :now::timestamptz"
    " order by held_until limit :limit::int"
)
_DEVICE: Final = Sql(
    "select platform, sealed_token, endpoint from devices"
    " where device_id = :device_id and user_id = :user_id and disabled_at is null"
    " and not exists (select from preferences p where p.user_id = :user_id and not p.channels ? 'push')"
)
_KNOW_ENDPOINT: Final = Sql("update devices set endpoint = :endpoint where device_id = :device_id")
_DISABLE: Final = Sql(
    "update devices set disabled_at = :now::timestamptz, endpoint = null where device_id = :device_id"
)
_STANDING: Final = Sql(
    "select o.merchant_id, o.status, o.halted, coalesce(s.name, '') from orders o"
    " left join shops s on s.shop_id = o.shop_id where o.order_id = :order_id"
)
_HOOK: Final = Sql(
    f"select merchant_id, case when enabled or deleted_at is not null then 'webhook' else '{WEBHOOK_OFF}' end,"
    " substring(url from '^https?://([^/?#]+)') from webhooks where webhook_id = :webhook_id"
)
_SHOP: Final = Sql("select merchant_id, name from shops where shop_id = :shop_id")


class PostgresNotifications(StateStore[Notification]):
    """The notifications' own store."""

    def __init__(self, db: Database, *, region: str) -> None:
        super().__init__(db, TABLE, region=region)

    async def take(self, by: By) -> None:
        """Take the event of `by` without any facts."""
        if isinstance(by.once, Taking):
            await self._db.run(TAKE, operation=by.once.operation, event_id=by.once.event_id)

    async def of_person(self, user_id: UserId, *, before: str | None, limit: int) -> Page[Notification]:
        """Return a person's messages, newest first, after the cursor."""
        rows = await self._db.run(_OF_PERSON, user_id=user_id, before=before, limit=limit + 1)
        found = [stored(Notification, row).state for row in rows[:limit]]
        return found, found[-1].notification_id if len(rows) > limit else None

    async def due(self, *, now: datetime, limit: int) -> Sequence[NotificationId]:
        """Return messages that are held no longer, those that waited longest first."""
        return [NotificationId(id) for (id,) in await self._db.run(_HELD, now=now, limit=limit)]


class PostgresReach:
    """How people can be reached: what `notify` reads. No address is opened here."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def reach(self, user_id: UserId) -> Reach:
        """Return how a person can be reached; by default by push in English."""
        ((text, has_email, devices),) = await self._db.run(_REACH, user_id=user_id, most=DEVICES_A_PERSON)
        chosen = CHOSEN.validate_json(text) if text is not None else Chosen()
        return Reach(
            chosen.language,
            frozenset(chosen.channels),
            has_email,
            tuple(DeviceId(device) for device in devices),
            {topic: frozenset(kinds) for topic, kinds in chosen.topics.items()},
            chosen.quiet_hours,
        )


class PostgresPeopleReached(PostgresPreferences, PostgresReach):
    """Preferences and devices, addresses and tokens sealed."""

    async def register_device(self, user_id: UserId, command: RegisterDevice, *, now: datetime) -> DeviceView:
        """Return the device with this token, now this person's: the same each time for the same person and token."""
        rows = await self._db.run(
            _REGISTER,
            device_id=DeviceId.new(),
            user_id=user_id,
            platform=command.platform,
            token_hash=self._sealer.digest(command.token, context=f"device:{command.platform}"),
            sealed_token=self._sealer.seal(command.token, context=f"device:{user_id}"),
            label=command.label,
            now=now,
            most=DEVICES_A_PERSON,
        )
        return DeviceView(
            device_id=DeviceId(rows[0][0]), platform=command.platform, label=command.label, registered_at=now
        )

    async def device(self, device_id: DeviceId, user_id: UserId) -> Device | None:
        """Return a person's own device, or None when it is gone, disabled, or pushes are not wanted."""
        rows = await self._db.run(_DEVICE, device_id=device_id, user_id=user_id)
        if not rows:
            return None
        platform, sealed, endpoint = rows[0]
        token = self._sealer.open(bytes(sealed), context=f"device:{user_id}")
        return Device(device_id, platform, token, endpoint)

    async def know_endpoint(self, device_id: DeviceId, endpoint: str) -> None:
        """Remember under which ARN SNS knows the device."""
        await self._db.run(_KNOW_ENDPOINT, device_id=device_id, endpoint=endpoint)

    async def disable(self, device_id: DeviceId, *, now: datetime) -> None:
        """Send nothing more to this device until it is registered again."""
        await self._db.run(_DISABLE, device_id=device_id, now=now)


class PostgresOrderNews:
    """What notifications read of orders and their shops."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def standing(self, order_id: OrderId) -> OrderStanding | None:
        """Return how the order stands now, or None when there is none."""
        rows = await self._db.run(_STANDING, order_id=order_id)
        if not rows:
            return None
        merchant_id, status, halted, shop = rows[0]
        return OrderStanding(order_id, MerchantId(merchant_id), status, halted, shop)

    async def shop(self, shop_id: ShopId) -> OrderStanding | None:
        """Return what is about a shop and no order, or None when there is none."""
        rows = await self._db.run(_SHOP, shop_id=shop_id)
        return OrderStanding(shop_id, MerchantId(rows[0][0]), A_SHOP, False, rows[0][1]) if rows else None

    async def about(self, id: str) -> OrderStanding | None:
        """Return how that stands which a message is about: an order, a shop, or a webhook."""
        if id.startswith(f"{WebhookId.prefix}_"):
            rows = await self._db.run(_HOOK, webhook_id=id)
            return OrderStanding(WebhookId(id), MerchantId(rows[0][0]), rows[0][1], False, rows[0][2]) if rows else None
        return await (self.shop(ShopId(id)) if id.startswith(f"{ShopId.prefix}_") else self.standing(OrderId(id)))
