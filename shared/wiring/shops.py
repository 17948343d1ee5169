"""Shops, composed."""

from functools import cache, partial

from shared.adapters.postgres.inbox import PostgresInbox
from shared.adapters.postgres.ratings import PostgresRatings
from shared.adapters.postgres.shops import PostgresCards, PostgresPlaces, PostgresShops
from shared.adapters.redis.documents import CachedDocuments
from shared.adapters.redis.geo import RedisShopIndex
from shared.adapters.shop_places import IndexedPlaces
from shared.settings import ImageSettings
from shared.shops.get_shop import shop_document
from shared.shops.ports import Ratings, Registration, Shops
from shared.wiring.cache import document_cache, redis_client, redis_settings
from shared.wiring.resources import clock, database, region


@cache
def shops() -> Shops:
    """Return everything the operations of shops are given, but for registering one."""
    db = database()
    store, cards = PostgresShops(db, region=region()), PostgresCards(db)
    images_at = ImageSettings.public_from_env()
    return Shops(
        store=store,
        documents=CachedDocuments(
            document_cache(),
            "shop",
            partial(shop_document, store=store, clock=clock(), images_at=images_at),
            clock=clock(),
        ),
        places=IndexedPlaces(RedisShopIndex(redis_client(), redis_settings()), PostgresPlaces(db, cards)),
        cards=cards,
        inbox=PostgresInbox(db),
        clock=clock(),
        images_at=images_at,
    )


@cache
def ratings() -> Ratings:
    """Return everything that the operations of ratings are given."""
    return Ratings(store=PostgresRatings(database(), region=region()), clock=clock())


@cache
def registration() -> Registration:
    """Return everything that registering a shop is given; only here account keys and the sealing key are loaded."""
    from shared.adapters.account_keys import SealedAccountKeys
    from shared.adapters.sealing import Sealer
    from shared.settings import ChainsSettings, SealingSettings

    return Registration(
        store=PostgresShops(database(), region=region()),
        account_keys=SealedAccountKeys(
            Sealer(SealingSettings.from_env()), bitcoin_network=ChainsSettings.from_env().bitcoin_network
        ),
        clock=clock(),
    )
