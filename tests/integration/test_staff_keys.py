"""Staff keys on a real Postgres: bound to shops, listed without their secrets, dead once they are revoked."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from pydantic import ValidationError

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.edge import PostgresEdge
from shared.adapters.postgres.wallets import PostgresApiKeys, PostgresShopOwners
from shared.edge.auth import Callers
from shared.kernel.decision import By, Claim, Role
from shared.kernel.errors import Forbidden, NotFound, Unauthenticated
from shared.kernel.ids import KeyId, MerchantId, ShopId, UserId, uuid7_hex
from shared.settings import PostgresSettings
from shared.wallets.create_api_key import create_api_key
from shared.wallets.list_api_keys import list_api_keys
from shared.wallets.model import ApiKeyView, CreateApiKey, ListApiKeys
from shared.wallets.ports import ApiKeys
from shared.wallets.revoke_api_key import revoke_api_key
from tests.integration.ordering import FixedClock
from tests.integration.shops_rows import a_shop, not_as_their_events_say
from tests.signing import NOW


class Office:
    """An owner and the keys of their staff."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.db = Database(PostgresSettings(url, connections=8))
        self.using = ApiKeys(PostgresApiKeys(self.db, region="test"), PostgresShopOwners(self.db), FixedClock(NOW))
        self.owner = UserId.new()
        self.merchant = MerchantId.like(self.owner)

    @property
    def by(self) -> By:
        """Return the owner, with a fresh Idempotency-Key."""
        once = Claim(self.owner, "POST /v1/api-keys", uuid7_hex(), b"body")
        return By(self.owner, frozenset({Role.CUSTOMER, Role.OWNER}), self.merchant, once=once)

    async def key(self, role: Role = Role.BARISTA, **bound: object) -> ApiKeyView:
        command = CreateApiKey.model_validate({"role": role, "label": "till", **bound})
        return (await create_api_key(command, by=self.by, using=self.using)).view

    async def listed(self, **asked: object) -> list[KeyId]:
        page = (await list_api_keys(ListApiKeys.model_validate(asked), by=self.by, using=self.using)).view
        return [each.key_id for each in page.api_keys]

    async def revoke(self, key_id: KeyId) -> ApiKeyView:
        return (await revoke_api_key(key_id, by=replace(self.by, once=None), using=self.using)).view

    def callers(self) -> Callers:
        """Return what tells callers apart in one process."""

        def nobody() -> object:
            raise AssertionError("no token is looked at")

        return Callers(api_key=PostgresEdge(self.db).api_key, customers=nobody, services=nobody)  # type: ignore[arg-type]  # neither is asked


async def test_a_revoked_key_opens_nothing_from_that_commit_on_in_every_process(database: str) -> None:
    office = Office(database)
    made, other = await office.key(), await office.key()
    assert made.key is not None
    assert other.key is not None
    processes = [office.callers() for _ in range(3)]
    for callers in processes:
        assert (await callers.person(f"Bearer {made.key}".encode())).actor == made.key_id
    ended = await office.revoke(made.key_id)
    assert (ended.revoked_at, ended.key) == (NOW, None)
    for callers in processes:
        with pytest.raises(Unauthenticated):
            await callers.person(f"Bearer {made.key}".encode())
        assert (await callers.person(f"Bearer {other.key}".encode())).actor == other.key_id
    assert not_as_their_events_say(database, "key_") == []


async def test_a_key_revoked_by_many_at_once_ends_once_and_all_are_told_the_same(database: str) -> None:
    office = Office(database)
    made = await office.key()
    told = await asyncio.gather(*(office.revoke(made.key_id) for _ in range(20)))
    assert Counter(view.model_dump_json() for view in told) == {told[0].model_dump_json(): 20}
    kept = await office.using.store.load(made.key_id)
    assert kept is not None
    assert kept.version == 2


async def test_nobody_else_revokes_or_lists_a_key(database: str) -> None:
    office, rival = Office(database), Office(database)
    made = await office.key(Role.OWNER)
    for key_id in (made.key_id, KeyId.new()):
        with pytest.raises(NotFound):
            await rival.revoke(key_id)
    assert await rival.listed() == []
    staff = By(made.key_id, frozenset({Role.OWNER}), office.merchant)
    with pytest.raises(Forbidden):
        await revoke_api_key(made.key_id, by=staff, using=office.using)
    with pytest.raises(Forbidden):
        await list_api_keys(ListApiKeys(), by=staff, using=office.using)
    assert await office.listed(revoked=False) == [made.key_id]


async def test_keys_are_listed_newest_first_by_page_shop_and_standing(database: str) -> None:
    office = Office(database)
    here, there = await a_shop(office.db, office.merchant), await a_shop(office.db, office.merchant)
    everywhere, bound = await office.key(), await office.key(shop_id=here)
    both, elsewhere = await office.key(shop_ids=[here, there]), await office.key(shop_id=there)
    made = [each.key_id for each in (elsewhere, both, bound, everywhere)]
    assert await office.listed() == made
    assert await office.listed(shop_id=here) == [both.key_id, bound.key_id, everywhere.key_id]
    await office.revoke(bound.key_id)
    assert await office.listed(revoked=True) == [bound.key_id]
    assert await office.listed(shop_id=here, revoked=False) == [both.key_id, everywhere.key_id]
    asked, seen = ListApiKeys(limit=1), list[KeyId]()
    while True:
        page = (await list_api_keys(asked, by=office.by, using=office.using)).view
        seen += [each.key_id for each in page.api_keys]
        assert all(each.key is None for each in page.api_keys)
        if page.next is None:
            break
        await office.key()  # what is made meanwhile is newer than the page that is read
        asked = ListApiKeys(limit=1, cursor=page.next)
    assert seen == made


async def test_a_key_for_several_shops_is_good_at_these_alone(database: str) -> None:
    office = Office(database)
    one, two, three = [await a_shop(office.db, office.merchant) for _ in range(3)]
    made = await office.key(Role.MANAGER, shop_ids=[one, two])
    assert (made.shop_id, made.shop_ids) == (None, (one, two))
    caller = await office.callers().person(f"Bearer {made.key}".encode())
    by = By(caller.actor, caller.roles, caller.merchant_id, shop_ids=caller.shop_ids)
    assert [by.staff_of(office.merchant, shop) for shop in (one, two, three)] == [True, True, False]
    assert not_as_their_events_say(database, "key_") == []
    with pytest.raises(NotFound):
        await office.key(shop_ids=[one, await a_shop(office.db, MerchantId.new())])
    wrongs: tuple[dict[str, object], ...] = (
        {"shop_ids": [one, one]},
        {"shop_ids": []},
        {"shop_id": one, "shop_ids": [two]},
    )
    for wrong in wrongs:
        with pytest.raises(ValidationError):
            CreateApiKey.model_validate({"role": "barista", "label": "till", **wrong})
    with pytest.raises(NotFound):
        await office.key(shop_ids=[ShopId.new()])
