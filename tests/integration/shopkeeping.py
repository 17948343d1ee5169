"""What tests of shops, menus and stock start from: a merchant, their account keys, and the services on real engines."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from itertools import count

from bip_utils import Bip32KeyNetVersions, Bip32Slip10Secp256k1, Bip39SeedGenerator

from shared.adapters.account_keys import SealedAccountKeys
from shared.adapters.postgres.catalog import PostgresMenus, PostgresRates, PostgresShelf, PostgresShopTerms
from shared.adapters.postgres.database import Connection, Database
from shared.adapters.postgres.inbox import PostgresInbox
from shared.adapters.postgres.replay import Report, replay
from shared.adapters.postgres.shops import PostgresCards, PostgresPlaces, PostgresShops
from shared.adapters.redis.cache import RedisCache
from shared.adapters.redis.client import connect
from shared.adapters.redis.documents import CachedDocuments
from shared.adapters.redis.geo import RedisShopIndex
from shared.adapters.sealing import Sealer
from shared.adapters.shop_places import IndexedPlaces
from shared.catalog.get_menu import menu_document
from shared.catalog.ports import Catalog, MenuSources
from shared.kernel.decision import By, Claim, Role, Taking
from shared.kernel.ids import EventId, KeyId, MerchantId, ShopId, UserId
from shared.settings import PostgresSettings, RedisSettings, SealingSettings
from shared.shops.get_shop import shop_document
from shared.shops.model import RegisterShop
from shared.shops.ports import Registration, Shops
from shared.shops.register_shop import register_shop
from shared.supply.ports import Supply
from shared.wiring.supply import supply_on
from tests.integration.ordering import FixedClock

_MNEMONIC = "test test test test test test test test test test test junk"
_KEYS = count()
MITTE = (52.5200, 13.4050)


@cache
def account_key(path: str, *, test_network: bool, private: bool = False) -> str:
    """Return the extended key at a path of the test mnemonic."""
    prefixes = ("043587cf", "04358394") if test_network else ("0488b21e", "0488ade4")
    versions = Bip32KeyNetVersions(*(bytes.fromhex(prefix) for prefix in prefixes))
    node = Bip32Slip10Secp256k1.FromSeed(Bip39SeedGenerator(_MNEMONIC).Generate(), versions).DerivePath(path)
    return str(node.PrivateKey().ToExtended() if private else node.PublicKey().ToExtended())


BITCOIN = account_key("m/84'/1'/0'", test_network=True)
EVM = account_key("m/44'/60'/0'", test_network=False)


def keyed(by: By, key: str | None = None, body: bytes = b"{}") -> By:
    """The same caller with an Idempotency-Key, a fresh one unless it is given."""
    return replace(by, once=Claim(by.actor, "POST /v1/test", key or f"key-{next(_KEYS)}", body))


def woken(operation: str) -> By:
    """An event function, called with a fresh event."""
    return By(operation, once=Taking(operation, EventId.new()))


class Merchant:
    """A person who owns shops, and their staff."""

    def __init__(self) -> None:
        self.user_id = UserId.new()
        self.merchant_id = MerchantId.like(self.user_id)
        self.owner = By(self.user_id, frozenset({Role.CUSTOMER, Role.OWNER}), self.merchant_id)
        self.barista = By(KeyId.new(), frozenset({Role.BARISTA}), self.merchant_id)


def a_shop(name: str = "Röststätte", at: tuple[float, float] = MITTE, **changes: object) -> RegisterShop:
    """A command to register a shop in Berlin that takes every asset."""
    return RegisterShop.model_validate(
        {
            "name": name,
            "address": "Ackerstraße 173, 10115 Berlin",
            "position": {"latitude": at[0], "longitude": at[1]},
            "timezone": "Europe/Berlin",
            "currency": "EUR",
            "accepts": ["BTC", "ETH", "USDC", "USDT"],
            "payout": {"bitcoin": BITCOIN, "evm": EVM},
            **changes,
        }
    )


def supplied(db: Database, clock: FixedClock) -> Supply:
    """Supply on a real database."""
    return supply_on(db, region="test", clock=clock)


class Shopkeeping:
    """Shops, menus and stock on a real database and a real cache."""

    def __init__(self, database: str, redis_url: str) -> None:
        self.clock = FixedClock()
        self.db = Database(PostgresSettings(database))
        self.redis_settings = RedisSettings(redis_url)
        self.redis = connect(self.redis_settings)
        self.cache = RedisCache(self.redis, self.redis_settings, nearby_s=0.0, nearby_entries=1)
        self.index = RedisShopIndex(self.redis, self.redis_settings)
        self.store = PostgresShops(self.db, region="test")
        self.account_keys = SealedAccountKeys(Sealer(SealingSettings(bytes(32))), bitcoin_network="regtest")
        self.registration = Registration(self.store, self.account_keys, self.clock)
        cards = PostgresCards(self.db, ttl_s=0.0)
        self.table = PostgresPlaces(self.db, cards)
        self.shops = Shops(
            store=self.store,
            documents=CachedDocuments(
                self.cache,
                "shop",
                partial(shop_document, store=self.store, clock=self.clock),
                clock=self.clock,
                kept_s=0.0,
            ),
            places=IndexedPlaces(self.index, self.table, fill_every_s=0.0),
            cards=cards,
            inbox=PostgresInbox(self.db),
            clock=self.clock,
        )

        menus, terms = PostgresMenus(self.db, region="test"), PostgresShopTerms(self.db)
        sources = MenuSources(menus, terms, PostgresRates(self.db, ttl_s=0.0), PostgresShelf(self.db), self.clock)
        build = partial(menu_document, using=sources)
        self.catalog = Catalog(
            store=menus,
            shops=terms,
            documents=CachedDocuments(self.cache, "menu", build, clock=self.clock, kept_s=0.0),
            inbox=PostgresInbox(self.db),
            clock=self.clock,
        )
        self.supply = supplied(self.db, self.clock)
        self._url = database

    async def opened(self, merchant: Merchant, command: RegisterShop | None = None) -> ShopId:
        """Register a shop and return its id."""
        reply = await register_shop(command or a_shop(), by=keyed(merchant.owner), using=self.registration)
        return reply.view.shop.shop_id

    def replayed(self) -> Report:
        """Rebuild every state from its facts and compare."""
        return replay(Connection(PostgresSettings(self._url)))

    async def closed(self) -> None:
        """Give up connections."""
        await self.redis.aclose()
        self.db.close()
