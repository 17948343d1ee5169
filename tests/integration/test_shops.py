"""Shops on a real Postgres and a real Valkey: registered once, found nearest first, shown as they are now."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from emulators.component import free_port
from shared.adapters.postgres.database import Sql
from shared.adapters.redis.cache import Version
from shared.adapters.redis.documents import encoded
from shared.kernel.decision import AlreadyAnswered
from shared.kernel.encoding import to_json
from shared.kernel.errors import Bug, Invalid, NotFound, Transient, VersionConflict
from shared.kernel.hours import Opening
from shared.kernel.ids import ShopId
from shared.kernel.money import Asset
from shared.shops.find_nearby_shops import find_nearby_shops
from shared.shops.get_shop import get_shop
from shared.shops.model import Family, FindShops, NearbyShop, NearbyShops, SetOpeningHours, SetSpreads, ShopView
from shared.shops.ports import After, Place
from shared.shops.project_shop_index import project_shop_index
from shared.shops.register_shop import register_shop
from shared.shops.set_opening_hours import set_opening_hours
from shared.shops.set_spreads import set_spreads
from tests.integration.shopkeeping import BITCOIN, EVM, MITTE, Merchant, Shopkeeping, a_shop, account_key, keyed, woken
from tests.waiting import until

COUNTS = Sql("select (select count(*) from shops), (select count(*) from events), (select count(*) from idempotency)")
EVERYTHING = Sql(
    "select (select string_agg(s::text, ' ') from shops s), (select string_agg(convert_from(body, 'UTF8'), ' ') from"
    " (select body from events union all select body from outbox union all select reply from idempotency) b)"
)
OUTBOX = Sql("select topic, key from outbox order by seq")
INSERT = Sql(
    "insert into shops (shop_id, merchant_id, name, address, latitude, longitude, timezone, currency, accepts, payout,"
    " confirmations, weekly, registered_at, version, head) select shop_id, 'mer_0', shop_id, 'here', latitude,"
    " longitude, 'Europe/Berlin', 'EUR', '{BTC}', '{}', '{}', weekly, now(), 1, ''"
    " from jsonb_to_recordset(:rows::jsonb) as r(shop_id text, latitude float8, longitude float8, weekly jsonb)"
)
WEDNESDAY = (Opening(weekday=2, opens="08:00", closes="18:00"),)


@pytest.fixture
async def at(database: str, redis_url: str) -> AsyncIterator[Shopkeeping]:
    keeping = Shopkeeping(database, redis_url)
    yield keeping
    await keeping.closed()


async def test_a_registered_shop_is_its_callers_and_its_account_keys_are_nowhere_in_clear(at: Shopkeeping) -> None:
    anna = Merchant()
    reply = await register_shop(a_shop(), by=keyed(anna.owner), using=at.registration)
    shop = reply.view.shop
    assert (reply.status, reply.headers["etag"], reply.headers["location"]) == (201, '"1"', f"/v1/shops/{shop.shop_id}")
    assert shop.merchant_id == anna.merchant_id
    assert not shop.open
    assert [list(row) for row in await at.db.run(OUTBOX)] == [["shop-events", shop.shop_id]]
    (everything,) = await at.db.run(EVERYTHING)
    assert all(key not in text and key[5:40] not in text for key in (BITCOIN, EVM) for text in everything)
    stored = await at.store.load(shop.shop_id)
    assert stored is not None
    account = stored.state.payout["bitcoin"]
    assert at.account_keys.open(shop.shop_id, Family.BITCOIN, account) == BITCOIN
    assert reply.view.payout["bitcoin"] == account.fingerprint
    with pytest.raises(Bug):
        at.account_keys.open(ShopId.new(), Family.BITCOIN, account)
    with pytest.raises(Bug):
        at.account_keys.open(shop.shop_id, Family.EVM, account)


@pytest.mark.parametrize(
    ("payout", "said"),
    [
        ({"bitcoin": account_key("m/84'/1'/0'", test_network=True, private=True)}, "private key"),
        ({"evm": account_key("m/44'/60'/0'", test_network=False, private=True)}, "private key"),
        ({"bitcoin": account_key("m/84'/0'/0'", test_network=False)}, "network"),
        ({"bitcoin": account_key("m/84'/1'", test_network=True)}, "depth"),
        ({"evm": EVM[:-1] + ("a" if EVM[-1] != "a" else "b")}, "mistyped"),
        ({"evm": "0OIl"}, "mistyped"),
        ({"evm": ""}, "extended public key"),
        ({"evm": "ключ"}, "mistyped"),
    ],
)
async def test_a_key_that_is_no_public_account_key_of_the_network_is_refused_unrepeated(
    at: Shopkeeping, payout: dict[str, str], said: str
) -> None:
    command = a_shop(payout={"bitcoin": BITCOIN, "evm": EVM, **payout})
    with pytest.raises(Invalid) as refused:
        await register_shop(command, by=keyed(Merchant().owner), using=at.registration)
    assert said in refused.value.detail
    (key,) = payout.values()
    assert not key or key not in f"{refused.value.detail}{refused.value.fields}"
    assert [list(row) for row in await at.db.run(COUNTS)] == [[0, 0, 0]]


async def test_a_key_sent_twice_registers_one_shop(at: Shopkeeping) -> None:
    by = keyed(Merchant().owner)

    async def send() -> bytes:
        try:
            return (await register_shop(a_shop(), by=by, using=at.registration)).body
        except AlreadyAnswered as before:
            return before.reply.body

    assert len(set(await asyncio.gather(*(send() for _ in range(10))))) == 1
    assert [list(row) for row in await at.db.run(COUNTS)] == [[1, 1, 1]]


async def test_hours_are_set_under_the_version_that_was_read(at: Shopkeeping) -> None:
    anna = Merchant()
    shop_id = await at.opened(anna)
    command = SetOpeningHours(weekly=WEDNESDAY)
    reply = await set_opening_hours(shop_id, command, if_match=1, by=keyed(anna.owner), using=at.shops)
    assert (reply.headers["etag"], reply.view.shop.open) == ('"2"', True)
    with pytest.raises(VersionConflict):
        await set_opening_hours(shop_id, command, if_match=1, by=keyed(anna.owner), using=at.shops)
    with pytest.raises(NotFound):
        await set_opening_hours(shop_id, command, if_match=None, by=keyed(Merchant().owner), using=at.shops)
    with pytest.raises(NotFound):
        await set_opening_hours(ShopId.new(), command, if_match=None, by=keyed(anna.owner), using=at.shops)
    stored = await at.store.load(shop_id)
    assert stored is not None
    assert (stored.version, stored.state.weekly) == (2, WEDNESDAY)


async def test_spreads_are_set_shown_and_kept(at: Shopkeeping) -> None:
    anna = Merchant()
    shop_id = await at.opened(anna)
    command = SetSpreads(spread_bp={Asset.BTC: 120})
    reply = await set_spreads(shop_id, command, if_match=1, by=keyed(anna.owner), using=at.shops)
    assert (reply.headers["etag"], reply.view.shop.spread_bp) == ('"2"', {Asset.BTC: 120})
    with pytest.raises(VersionConflict):
        await set_spreads(shop_id, command, if_match=1, by=keyed(anna.owner), using=at.shops)
    with pytest.raises(NotFound):
        await set_spreads(shop_id, command, if_match=None, by=keyed(Merchant().owner), using=at.shops)
    several = [SetSpreads(spread_bp={Asset.BTC: bp}) for bp in (10, 20)]
    await asyncio.gather(
        *(set_spreads(shop_id, each, if_match=None, by=keyed(anna.owner), using=at.shops) for each in several)
    )
    stored = await at.store.load(shop_id)
    assert stored is not None
    assert stored.version == 4
    assert SetSpreads(spread_bp=stored.state.spread_bp) in several


async def test_a_shown_shop_is_cached_until_its_hours_or_its_state_change(at: Shopkeeping) -> None:
    anna = Merchant()
    shop_id = await at.opened(anna)
    await set_opening_hours(
        shop_id, SetOpeningHours(weekly=WEDNESDAY), if_match=None, by=keyed(anna.owner), using=at.shops
    )

    async def shown() -> tuple[str, ShopView]:
        reply = await get_shop(shop_id, using=at.shops)
        return reply.headers["etag"], ShopView.model_validate_json(reply.body)

    tag, shop = await shown()
    assert (shop.open, shop.version) == (True, 2)
    assert shop.changes_at == at.clock.now().replace(hour=16)
    at.clock.at += timedelta(hours=4)
    after, shop = await shown()
    assert not shop.open
    assert after != tag
    assert after.startswith('"2-')
    await set_opening_hours(shop_id, SetOpeningHours(weekly=()), if_match=2, by=keyed(anna.owner), using=at.shops)
    assert (await shown())[1].version == 2
    await project_shop_index(shop_id, 3, by=woken("project_shop_index"), using=at.shops)
    _, shop = await shown()
    assert (shop.version, shop.weekly, shop.changes_at) == (3, (), None)


async def test_a_shop_that_is_not_there_is_not_found(at: Shopkeeping) -> None:
    with pytest.raises(NotFound):
        await get_shop(ShopId.new(), using=at.shops)


async def test_a_slow_reader_can_not_bring_an_old_shop_back_into_the_cache(at: Shopkeeping) -> None:
    anna = Merchant()
    shop_id = await at.opened(anna)
    stale = await at.shops.documents.of(shop_id)
    await set_opening_hours(
        shop_id, SetOpeningHours(weekly=WEDNESDAY), if_match=None, by=keyed(anna.owner), using=at.shops
    )
    await project_shop_index(shop_id, 2, by=woken("project_shop_index"), using=at.shops)
    assert not await at.cache.put(f"shop:{shop_id}", Version(1, stale.version), encoded(stale), 60)
    assert (await at.shops.documents.of(shop_id)).version == 2


async def test_facts_that_come_twice_and_late_leave_the_index_with_the_present_place(at: Shopkeeping) -> None:
    shop_id = await at.opened(Merchant())
    by = woken("project_shop_index")
    for version in (2, 1, 1):
        await project_shop_index(shop_id, version, by=by, using=at.shops)
    await at.index.fill([])
    found = await at.index.near(MITTE[1], MITTE[0], radius_m=50, limit=10)
    assert found is not None
    assert [one.shop_id for one in found] == [shop_id]
    assert [list(row) for row in await at.db.run(Sql("select count(*) from inbox"))] == [[1]]


async def test_a_fact_waits_while_the_index_can_not_be_written(database: str) -> None:
    keeping = Shopkeeping(database, f"redis://127.0.0.1:{free_port()}/0")
    shop_id = await keeping.opened(Merchant())
    with pytest.raises(Transient):
        await project_shop_index(shop_id, 1, by=woken("project_shop_index"), using=keeping.shops)
    assert [list(row) for row in await keeping.db.run(Sql("select count(*) from inbox"))] == [[0]]
    document = await keeping.shops.documents.of(shop_id)
    assert document.version == 1
    await keeping.closed()


def spread(number: int) -> list[Place]:
    """Shops around the middle of Berlin, thirty of them in one house."""
    chance = random.Random(7)
    around = [
        Place(ShopId.new(), MITTE[1] + chance.gauss(0, 0.05), MITTE[0] + chance.gauss(0, 0.03)) for _ in range(number)
    ]
    return around + [Place(ShopId.new(), MITTE[1] + 0.002, MITTE[0]) for _ in range(30)]


async def opened(at: Shopkeeping, places: list[Place]) -> None:
    """Put shops into the table, every third of them open now."""
    weekly = [span.model_dump() for span in WEDNESDAY]
    rows = [
        {"shop_id": p.shop_id, "latitude": p.latitude, "longitude": p.longitude, "weekly": [] if n % 3 else weekly}
        for n, p in enumerate(places)
    ]
    await at.db.run(INSERT, rows=to_json(rows))


async def walk(at: Shopkeeping, **asked: object) -> list[NearbyShop]:
    """Return what all pages of a search show."""
    seen: list[NearbyShop] = []
    cursor: str | None = None
    for _ in range(200):
        query = {"lat": MITTE[0], "lon": MITTE[1], "limit": 10, **asked, "cursor": cursor}
        reply = await find_nearby_shops(FindShops.model_validate(query), using=at.shops)
        page = NearbyShops.model_validate_json(reply.body)
        seen += page.shops
        cursor = page.next
        if cursor is None:
            return seen
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize("indexed", [True, False], ids=["Valkey", "Postgres"])
async def test_pages_show_every_shop_once_nearest_first(at: Shopkeeping, indexed: bool) -> None:
    places = spread(400)
    await opened(at, places)
    if indexed:
        await at.index.fill(places)
    else:
        at.shops.places._fill_after = float("inf")  # type: ignore[attr-defined]  # the fallback alone is asked
    seen = await walk(at, radius_m=4000)
    assert 100 < len(seen) < len(places)
    assert [shop.distance_m for shop in seen] == sorted(shop.distance_m for shop in seen)
    assert len({shop.shop_id for shop in seen}) == len(seen)
    by_hand = await at.table.near(MITTE[1], MITTE[0], radius_m=4000, limit=1000)
    assert {shop.shop_id for shop in seen} == {one.shop_id for one in by_hand}
    open_now = await walk(at, radius_m=4000, open_now=True)
    assert [shop.shop_id for shop in open_now] == [shop.shop_id for shop in seen if shop.open]


async def test_both_indexes_tell_the_same_distances_and_either_takes_up_the_others_page(at: Shopkeeping) -> None:
    places = spread(200)
    await opened(at, places)
    await at.index.fill(places)
    mine = await at.table.near(MITTE[1], MITTE[0], radius_m=9000, limit=150)
    theirs = await at.index.near(MITTE[1], MITTE[0], radius_m=9000, limit=150)
    assert theirs is not None
    far = {one.shop_id: one.distance_m for one in theirs}
    assert all(abs(far.get(one.shop_id, one.distance_m) - one.distance_m) < 1.0 for one in mine)
    last = mine[49]
    rest = await at.index.near(
        MITTE[1], MITTE[0], radius_m=9000, limit=50, after=After(50, last.distance_m, last.shop_id)
    )
    assert rest is not None
    assert len({one.shop_id for one in [*mine[:50], *rest]}) >= 99


async def test_a_cold_index_is_filled_from_the_table_while_postgres_answers(at: Shopkeeping) -> None:
    places = spread(20)
    await opened(at, places)
    first = await walk(at, radius_m=20_000)
    assert len(first) == 50

    async def known() -> bool:
        return await at.index.near(MITTE[1], MITTE[0], radius_m=20_000, limit=10) is not None

    await until(known, "the index knows all shops")
    assert [shop.shop_id for shop in await walk(at, radius_m=20_000)] != []


@pytest.mark.parametrize("cursor", ["x", "AAAA", "%%%", "A" * 40, "é", "_" * 39, "A" * 39])
async def test_a_cursor_that_no_page_gave_is_refused(at: Shopkeeping, cursor: str) -> None:
    with pytest.raises(Invalid):
        await find_nearby_shops(FindShops(lat=0, lon=0, cursor=cursor), using=at.shops)


async def test_the_nearest_of_many_are_found_by_the_index_of_places(at: Shopkeeping) -> None:
    await opened(at, spread(3000))
    await at.db.run(Sql("analyze shops"))
    rows = await at.db.run(
        Sql(
            "explain select shop_id from shops order by ll_to_earth(latitude, longitude) <->"
            " ll_to_earth(52.5::float8, 13.4::float8) limit 20"
        )
    )
    assert "shops_by_place" in " ".join(row[0] for row in rows)


async def test_a_replay_of_its_facts_gives_the_shop_as_it_is(at: Shopkeeping) -> None:
    anna = Merchant()
    shop_id = await at.opened(anna, a_shop(at=(52.123456789012345, 13.1), confirmations={"BTC": 2}))
    await set_opening_hours(
        shop_id, SetOpeningHours(weekly=WEDNESDAY), if_match=None, by=keyed(anna.owner), using=at.shops
    )
    report = at.replayed()
    assert (report.streams, report.events, report.differences) == (1, 2, [])
