"""A shop's day on a real Postgres: special days, pauses, last orders; moved, renamed; rated by who was served."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest

from shared.adapters.postgres.database import Sql
from shared.adapters.postgres.order_terms import PostgresShopTerms
from shared.adapters.postgres.ratings import PostgresRatings
from shared.kernel.decision import AlreadyAnswered, By, Role
from shared.kernel.errors import NotFound, VersionConflict
from shared.kernel.hours import Opening, SpecialDay, open_window
from shared.kernel.ids import OrderId, ShopId, UserId
from shared.kernel.money import Asset
from shared.shops.facts import Capacity, DeliveryTerms
from shared.shops.find_nearby_shops import find_nearby_shops
from shared.shops.get_shop import get_shop
from shared.shops.list_ratings import list_ratings
from shared.shops.model import (
    FindShops,
    Location,
    NearbyShop,
    NearbyShops,
    PauseShop,
    SetCapacity,
    SetDelivery,
    SetOpeningHours,
    SetSpecialHours,
    ShopView,
    UpdateShop,
)
from shared.shops.pause_shop import pause_shop
from shared.shops.ports import Ratings
from shared.shops.project_shop_index import project_shop_index
from shared.shops.rate_shop import rate_shop
from shared.shops.rating import ListRatings, NotCompleted, RateShop, RatingPage
from shared.shops.resume_shop import resume_shop
from shared.shops.set_capacity import set_capacity
from shared.shops.set_delivery import set_delivery
from shared.shops.set_opening_hours import set_opening_hours
from shared.shops.set_special_hours import set_special_hours
from shared.shops.update_shop import update_shop
from tests.integration.shopkeeping import MITTE, Merchant, Shopkeeping, keyed, woken
from tests.integration.shops_rows import an_order, not_as_their_events_say, stands

ALWAYS = tuple(Opening(weekday=day, opens="00:00", closes="24:00") for day in range(7))
TOLD = Sql("select type from events where stream = :id order by version")
SUMS = Sql(
    "select s.ratings, s.stars, count(r.*), coalesce(sum(r.stars), 0)::bigint from shop_ratings s"
    " left join ratings r using (shop_id) group by s.shop_id, s.ratings, s.stars"
)


@pytest.fixture
async def at(database: str, redis_url: str) -> AsyncIterator[Shopkeeping]:
    keeping = Shopkeeping(database, redis_url)
    yield keeping
    assert not_as_their_events_say(database, "shp_", "rtg_") == []
    await keeping.closed()


async def trading(at: Shopkeeping) -> tuple[Merchant, ShopId]:
    """Return a merchant, and their shop, which never closes."""
    anna = Merchant()
    shop_id = await at.opened(anna)
    command = SetOpeningHours(weekly=ALWAYS)
    await set_opening_hours(shop_id, command, if_match=None, by=keyed(anna.owner), using=at.shops)
    return anna, shop_id


async def nearby(at: Shopkeeping, **asked: object) -> list[NearbyShop]:
    query = FindShops.model_validate({"lat": MITTE[0], "lon": MITTE[1], **asked})
    return list(NearbyShops.model_validate_json((await find_nearby_shops(query, using=at.shops)).body).shops)


async def shown(at: Shopkeeping, shop_id: ShopId, version: int) -> ShopView:
    """Return the shop as it is shown once its facts have gone round."""
    await project_shop_index(shop_id, version, by=woken("project_shop_index"), using=at.shops)
    return ShopView.model_validate_json((await get_shop(shop_id, using=at.shops)).body)


async def test_a_pause_shuts_the_shop_for_lists_and_orders_until_it_ends_or_is_ended(at: Shopkeeping) -> None:
    anna, shop_id = await trading(at)
    until = at.clock.now() + timedelta(minutes=20)
    command = PauseShop(until=until, reason="Out of beans")
    by = keyed(anna.barista)
    reply = await pause_shop(shop_id, command, if_match=None, by=by, using=at.shops)
    assert (reply.view.shop.open, reply.view.shop.changes_at) == (False, until)
    with pytest.raises(AlreadyAnswered):
        await pause_shop(shop_id, command, if_match=None, by=by, using=at.shops)
    assert await nearby(at, open_now=True) == []
    (found,) = await nearby(at)
    assert (found.open, found.changes_at) == (False, until)
    terms = await PostgresShopTerms(at.db).terms(shop_id)
    assert terms.pause is not None
    assert terms.pause.holds(at.clock.now())
    assert terms.pause.reason == "Out of beans"
    assert not terms.pause.holds(until)
    assert not (await shown(at, shop_id, 3)).open
    at.clock.at = until
    assert (await shown(at, shop_id, 3)).open
    assert [shop.shop_id for shop in await nearby(at, open_now=True)] == [shop_id]
    reply = await resume_shop(shop_id, if_match=3, by=keyed(anna.owner), using=at.shops)
    assert reply.view.shop.pause is None
    await resume_shop(shop_id, if_match=None, by=keyed(anna.owner), using=at.shops)
    rows = await at.db.run(TOLD, id=shop_id)
    assert [type_ for (type_,) in rows][2:] == ["shop.paused.v1", "shop.resumed.v1"]
    with pytest.raises(NotFound):
        await pause_shop(shop_id, PauseShop(), if_match=None, by=keyed(Merchant().barista), using=at.shops)


async def test_special_days_hold_for_lists_and_orders(at: Shopkeeping) -> None:
    anna, shop_id = await trading(at)
    today = at.clock.now().date()
    command = SetSpecialHours(special=(SpecialDay(day=today, label="Stocktaking"),))
    reply = await set_special_hours(shop_id, command, if_match=2, by=keyed(anna.owner), using=at.shops)
    assert (reply.view.shop.open, reply.view.shop.special[0].label) == (False, "Stocktaking")
    with pytest.raises(VersionConflict):
        await set_special_hours(shop_id, command, if_match=2, by=keyed(anna.owner), using=at.shops)
    assert await nearby(at, open_now=True) == []
    terms = await PostgresShopTerms(at.db).terms(shop_id)
    assert open_window(terms.weekly, terms.timezone, at.clock.now(), terms.special) is None
    midnight = await shown(at, shop_id, 3)
    assert midnight.changes_at is not None
    assert midnight.changes_at.astimezone().date() in (today, date.fromordinal(today.toordinal() + 1))
    await set_special_hours(shop_id, SetSpecialHours(special=()), if_match=3, by=keyed(anna.owner), using=at.shops)
    assert (await shown(at, shop_id, 4)).open


async def test_a_shop_that_moves_is_found_where_it_is_and_called_what_it_is_called(at: Shopkeeping) -> None:
    anna, shop_id = await trading(at)
    assert await shown(at, shop_id, 2)
    there = Location(latitude=MITTE[0] + 0.5, longitude=MITTE[1])
    command = UpdateShop(name="Landrösterei", position=there, accepts=(Asset.BTC,))
    reply = await update_shop(shop_id, command, if_match=None, by=keyed(anna.owner), using=at.shops)
    assert reply.view.shop.accepts == (Asset.BTC,)
    again = await update_shop(shop_id, command, if_match=None, by=keyed(anna.owner), using=at.shops)
    assert again.view.shop.version == reply.view.shop.version
    await project_shop_index(shop_id, 3, by=woken("project_shop_index"), using=at.shops)
    assert await nearby(at, radius_m=1_000) == []
    (found,) = await nearby(at, lat=there.latitude, radius_m=1_000)
    assert (found.name, found.accepts) == ("Landrösterei", (Asset.BTC,))


async def test_what_a_shop_sets_it_sets_off_again_and_every_fact_can_be_read_again(at: Shopkeeping) -> None:
    anna, shop_id = await trading(at)

    def told(command: object) -> dict[str, Any]:
        return {"command": command, "if_match": None, "by": keyed(anna.owner), "using": at.shops}

    for _ in range(2):
        await pause_shop(shop_id, **told(PauseShop()))
    for capacity in (Capacity(orders=3), Capacity(orders=3), None, None):
        await set_capacity(shop_id, **told(SetCapacity(capacity=capacity)))
    for delivery in (DeliveryTerms(radius_m=900), DeliveryTerms(radius_m=900), None, None):
        await set_delivery(shop_id, **told(SetDelivery(delivery=delivery)))
    stored = await at.store.load(shop_id)
    assert stored is not None
    assert (stored.state.capacity, stored.state.delivery) == (None, None)
    assert stored.state.pause is not None
    assert stored.state.pause.until is None
    assert stored.version == 2 + 2 + 4  # a pause replaces the one before; what is so already is not said again


def ratings_of(at: Shopkeeping) -> Ratings:
    return Ratings(store=PostgresRatings(at.db, region="test"), clock=at.clock)


class Guest:
    """Somebody who was served."""

    def __init__(self, at: Shopkeeping, merchant: Merchant, shop_id: ShopId) -> None:
        self.at, self.merchant, self.shop_id = at, merchant, shop_id
        self.user_id = UserId.new()
        self.by = By(self.user_id, frozenset({Role.CUSTOMER, Role.OWNER}))

    async def served(self, status: str = "completed") -> OrderId:
        return await an_order(self.at.db, self.shop_id, self.merchant.merchant_id, self.user_id, status)

    async def says(self, order_id: OrderId, stars: int, comment: str = "") -> None:
        command = RateShop(stars=stars, comment=comment)
        await rate_shop(order_id, command, by=keyed(self.by), using=ratings_of(self.at))


async def page(at: Shopkeeping, shop_id: ShopId, **asked: object) -> RatingPage:
    query = ListRatings.model_validate({"shop_id": shop_id, **asked})
    return (await list_ratings(query, using=ratings_of(at))).view


async def test_an_order_is_rated_by_its_customer_once_it_is_handed_over_and_again_replaces_it(at: Shopkeeping) -> None:
    anna, shop_id = await trading(at)
    guest = Guest(at, anna, shop_id)
    order_id = await guest.served("ready")
    with pytest.raises(NotCompleted):
        await guest.says(order_id, 5)
    with pytest.raises(NotFound):
        await Guest(at, anna, shop_id).says(order_id, 5)
    with pytest.raises(NotFound):
        await guest.says(OrderId.new(), 5)
    assert (await page(at, shop_id)).summary is None
    await stands(at.db, order_id, "completed")
    await guest.says(order_id, 5, "Best in town")
    await guest.says(order_id, 2, "Cold the second time I tasted")
    await guest.says(order_id, 2, "Cold the second time I tasted")
    summary = (await page(at, shop_id)).summary
    assert summary is not None
    assert (summary.average, summary.count) == (2.0, 1)
    (shop,) = await nearby(at)
    assert shop.rating == summary
    with pytest.raises(NotFound):
        await page(at, ShopId.new())


async def test_many_ratings_at_once_add_up_and_are_listed_page_by_page(at: Shopkeeping) -> None:
    anna, shop_id = await trading(at)
    chance = random.Random(4)
    guests = [Guest(at, anna, shop_id) for _ in range(12)]
    orders = [await guest.served() for guest in guests]

    async def rates(guest: Guest, order_id: OrderId) -> None:
        for stars in (chance.randint(1, 5), chance.randint(1, 5)):
            await guest.says(order_id, stars, f"{stars} stars")

    await asyncio.gather(*(rates(*each) for each in zip(guests, orders, strict=True)))
    ((ratings, stars, counted, summed),) = await at.db.run(SUMS)
    assert (ratings, stars) == (counted, summed) == (12, summed)
    first = await page(at, shop_id, limit=7)
    rest = await page(at, shop_id, limit=7, cursor=first.next)
    assert (len(first.ratings), len(rest.ratings), rest.next) == (7, 5, None)
    ids = [each.rating_id for each in (*first.ratings, *rest.ratings)]
    assert ids == sorted(ids, reverse=True)
    assert first.summary is not None
    assert first.summary.average == round(stars / 12, 1)
