"""What is held about a person is told to them whole, and forgotten in one commit; chain and replay go on holding."""

from __future__ import annotations

import asyncio
import json

import pytest
from eth_account import Account

from shared.adapters.postgres.database import Connection, Sql
from shared.adapters.postgres.personal import ERASING, PostgresRecords
from shared.adapters.postgres.replay import replay
from shared.adapters.postgres.store import StateStore
from shared.adapters.sealing import Sealer
from shared.kernel.errors import Bug, Forbidden, Invalid, NotFound
from shared.kernel.ids import DeviceId, KeyId, MerchantId, UserId
from shared.settings import PostgresSettings, SealingSettings
from shared.wallets.erase_my_data import erase_my_data
from shared.wallets.export_my_data import export_my_data
from shared.wallets.lifecycle import NotErasable
from shared.wallets.personal_model import ErasedView, EraseMe, PersonalData
from shared.wallets.personal_ports import Personal
from tests.integration.ordering import FixedClock
from tests.integration.shops_rows import a_shop, an_order, not_as_their_events_say, stands
from tests.integration.test_linked_wallets import OTHER, Hall, who
from tests.integration.test_wallets import KEYS
from tests.signing import NOW, PERSON

SEALER = Sealer(SealingSettings(bytes(32)))
PREFERENCES = Sql(
    "insert into preferences (user_id, language, channels, sealed_email, changed_at, version)"
    " values (:user_id, 'de', '[\"email\"]', :sealed_email::bytea, clock_timestamp(), 1)"
)
DEVICE = Sql(
    "insert into devices (device_id, user_id, platform, token_hash, sealed_token, label, registered_at)"
    " values (:device_id, :user_id, 'fcm', :device_id::text::bytea, '', 'phone', clock_timestamp())"
)
BROUGHT = Sql("update orders set delivery = :delivery::jsonb where order_id = :order_id")
NOTE = Sql("update orders set note = :note where order_id = :order_id")
REPLY = Sql(
    "insert into idempotency (caller, route, key, body_hash, status, headers, reply, expires_at)"
    " values (:user_id, 'POST /v1/orders', 'k', '', 201, '{}', 'hello', clock_timestamp())"
)
ADDRESSED = Sql("select convert_from(body, 'UTF8') from events where stream = :user_id order by version")
TYPES = Sql("select type from events where stream = :user_id order by version")
LEFT = Sql(
    "select (select count(*) from person_keys where user_id = :user_id),"
    " (select count(*) from preferences where user_id = :user_id),"
    " (select count(*) from devices where user_id = :user_id),"
    " (select count(*) from sign_ins where user_id = :user_id),"
    " (select count(*) from idempotency where caller = :user_id),"
    " (select count(*) from wallet_owners where user_id = :user_id)"
)


class Office(Hall):
    """Where people ask what is known of them, and to be forgotten."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url
        self.personal = Personal(
            self.using.people, PostgresRecords(self.db, SEALER, KEYS), StateStore(self.db, ERASING, region="test")
        )

    async def somebody(self) -> UserId:
        """Return a person about whom there is something of each kind."""
        me = await self.enter()
        await self.link_key(me)
        email = SEALER.seal("ada@example.com", context=f"email:{me}")
        await self.db.run(PREFERENCES, user_id=me, sealed_email=email)
        await self.db.run(DEVICE, user_id=me, device_id=DeviceId.new())
        await self.db.run(REPLY, user_id=me)
        return me

    async def export(self, user: UserId) -> PersonalData:
        return (await export_my_data(by=who(user), using=self.personal, clock=FixedClock(NOW))).view

    async def erase(self, user: UserId, confirm: str | None = None) -> ErasedView:
        command = EraseMe(confirm=confirm or f"erase {user}")
        return (await erase_my_data(command, by=who(user), using=self.personal, clock=FixedClock(NOW))).view

    async def left(self, user: UserId) -> list[int]:
        return [*(await self.db.run(LEFT, user_id=user))[0]]


async def test_one_is_told_everything_and_of_nobody_else(database: str) -> None:
    office = Office(database)
    me, other = await office.somebody(), await office.enter(Account.create())
    merchant = MerchantId.new()
    shop = await a_shop(office.db, merchant)
    order = await an_order(office.db, shop, merchant, me, "completed")
    ((sealed_key,),) = await office.db.run(Sql("select sealed_key from person_keys where user_id = :id"), id=me)
    key = KEYS.opened(me, bytes(sealed_key))
    note = key.seal("for Ada")
    await office.db.run(NOTE, order_id=order, note=note)
    brought = json.dumps({"distance_m": 700, "fee": "100", "sealed": key.seal("Torstr. 1")})
    await office.db.run(BROUGHT, order_id=order, delivery=brought)
    await an_order(office.db, shop, merchant, other, "completed")
    told = await office.export(me)
    assert [wallet.address for wallet in told.wallets] == [PERSON.address.lower(), OTHER.address.lower()]
    assert told.preferences[0]["email"] == "ada@example.com"
    assert [each["label"] for each in told.devices] == ["phone"]
    assert [(each["order_id"], each["note"]) for each in told.orders] == [(order, "for Ada")]
    assert told.orders[0]["delivery"] == {"distance_m": 700, "fee": "100", "sealed": "Torstr. 1"}
    assert len(told.sign_ins) == 2
    assert told.cut_off == ()
    text = told.model_dump_json()
    assert other not in text
    assert not any(secret in text for secret in ("sealed:", "token_hash", "secret_hash", "code_hash"))
    assert json.loads(text)["user_id"] == me


async def test_a_text_that_only_looks_sealed_is_told_as_it_stands(database: str) -> None:
    office = Office(database)
    me, merchant = await office.somebody(), MerchantId.new()
    order = await an_order(office.db, await a_shop(office.db, merchant), merchant, me, "completed")
    for note in ("sealed:", "sealed:hello", "sealed:AAAA"):
        await office.db.run(NOTE, order_id=order, note=note)
        assert (await office.export(me)).orders[0]["note"] == note


async def test_who_is_erased_leaves_facts_that_nobody_can_read_and_that_still_hold(database: str) -> None:
    office = Office(database)
    me = await office.somebody()
    merchant = MerchantId.new()
    shop = await a_shop(office.db, merchant)
    await an_order(office.db, shop, merchant, me, "completed")
    ((sealed_key,),) = await office.db.run(Sql("select sealed_key from person_keys where user_id = :id"), id=me)
    address = json.loads((await office.db.run(ADDRESSED, user_id=me))[0][0])["address"]
    assert KEYS.opened(me, bytes(sealed_key)).open(address) == PERSON.address.lower(), "before, its key opens it"
    assert await office.left(me) == [1, 1, 1, 2, 1, 2]
    erased = await office.erase(me)
    assert erased.erased_at == NOW
    assert await office.left(me) == [0, 0, 0, 0, 0, 0]
    with pytest.raises(Bug):
        KEYS.fresh(me)[0].open(address)
    report = replay(Connection(PostgresSettings(database)))
    assert [each for each in report.differences if each.startswith("usr_")] == []
    assert not any("hash chain" in each for each in report.differences)
    for gone in (office.export(me), office.wallets(me), office.link_key(me, Account.create())):
        with pytest.raises(NotFound):
            await gone
    assert await office.erase(me) == erased
    assert await office.enter() != me, "the wallet is nobody's: it signs in as somebody new"
    assert not_as_their_events_say(database, "usr_") == []


async def test_an_erasure_that_many_ask_for_at_once_happens_once(database: str) -> None:
    office = Office(database)
    me = await office.somebody()
    told = await asyncio.gather(*(office.erase(me) for _ in range(10)))
    assert {each.model_dump_json() for each in told} == {told[0].model_dump_json()}
    types = [each for (each,) in await office.db.run(TYPES, user_id=me)]
    assert types == ["wallet.registered.v1", "wallet.linked.v1", "wallet.person_erased.v1"]


@pytest.mark.parametrize("status", ["pending", "confirmed", "preparing", "ready"])
async def test_nobody_is_erased_while_an_order_is_under_way(database: str, status: str) -> None:
    office = Office(database)
    me, merchant = await office.somebody(), MerchantId.new()
    order = await an_order(office.db, await a_shop(office.db, merchant), merchant, me, status)
    with pytest.raises(NotErasable, match="orders"):
        await office.erase(me)
    assert (await office.left(me))[0] == 1
    await stands(office.db, order, "completed")
    await office.erase(me)


async def test_a_merchant_closes_their_books_first_and_nobody_is_erased_by_mistake(database: str) -> None:
    office = Office(database)
    me = await office.somebody()
    await a_shop(office.db, MerchantId.like(me))
    with pytest.raises(NotErasable, match="shops"):
        await office.erase(me)
    eve = await office.enter(Account.create())
    for wrong in (f"erase {me}", "erase", f"ERASE {eve}"):
        with pytest.raises(Invalid):
            await office.erase(eve, wrong)
    staff = who(me)
    with pytest.raises(Forbidden):
        await erase_my_data(
            EraseMe(confirm="erase"),
            by=type(staff)(KeyId.new(), staff.roles, staff.merchant_id),
            using=office.personal,
            clock=FixedClock(NOW),
        )
    with pytest.raises(NotFound):
        await office.erase(UserId.new())
    assert (await office.left(eve))[0] == 1
