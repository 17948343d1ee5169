"""The demo's data: there after one seeding, whole after a second, found first by whoever stands at the World Clock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from bip_utils import Bip32Slip10Secp256k1, Bip39SeedGenerator
from eth_account import Account

from emulators.demo_data import ALL_COINS, MNEMONIC, OWNER_KEY, SHOPS, shops
from emulators.keys import keys
from emulators.seed import seed
from shared.adapters.person_keys import PersonKeys
from shared.adapters.postgres.database import Connection, Database, Sql
from shared.adapters.postgres.replay import replay
from shared.adapters.postgres.shops import PostgresCards, PostgresPlaces
from shared.adapters.sealing import Sealer
from shared.settings import PostgresSettings, SealingSettings

COUNTS = Sql(
    "select (select count(*) from shops), (select count(*) from menus), (select count(distinct shop_id) from stock),"
    " (select count(*) from users), (select count(distinct shop_id) from recipes)"
)
OWNER_OF = Sql(
    "select w.account from wallet_owners w join users using (user_id) join shops using (merchant_id)"
    " where shop_id = :shop_id"
)


@pytest.fixture
def env(database: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "PUBLIC_URL": "http://127.0.0.1:1",
        "SIWE_DOMAIN": "127.0.0.1:1",
        "DATABASE_URL": database,
        "REDIS_URL": redis_url,
        "CHAINS": json.dumps(
            {
                "bitcoin": {"kind": "bitcoin", "network": "regtest", "rpc": "http://127.0.0.1:1"},
                "evm:31337": {"kind": "evm", "chain_id": 31337, "rpc": "http://127.0.0.1:1", "native": "ETH"},
            }
        ),
        **keys(tmp_path_factory.mktemp("seed")),
    }


def test_the_owners_key_is_the_first_of_the_mnemonic() -> None:
    master = Bip32Slip10Secp256k1.FromSeed(Bip39SeedGenerator(MNEMONIC).Generate())
    assert f"0x{master.DerivePath('m/44h/60h/0h/0/0').PrivateKey().Raw().ToHex()}" == OWNER_KEY


async def test_a_seeding_fills_the_platform_and_another_adds_nothing(env: Mapping[str, str]) -> None:
    assert f"{SHOPS} shops" in seed(env)
    assert "are there" in seed(env)
    settings = PostgresSettings(env["DATABASE_URL"])
    db = Database(settings)
    ((shops_, menus, stocked, people, brewing),) = await db.run(COUNTS)
    assert brewing == 3
    assert (shops_, menus, stocked) == (SHOPS, SHOPS, SHOPS)
    assert people == len({shop.merchant.number for shop in shops()})
    assert replay(Connection(settings)).differences == []
    await _is_found_first(db, env)
    db.close()


async def _is_found_first(db: Database, env: Mapping[str, str]) -> None:
    cards = PostgresCards(db)
    (nearest,) = await PostgresPlaces(db, cards).near(13.4132, 52.5219, radius_m=100, limit=1)
    card = (await cards.of([nearest.shop_id]))[nearest.shop_id]
    assert (nearest.distance_m, json.loads(card.listed)["accepts"]) == (0.0, [*ALL_COINS])
    assert card.week.standing(datetime.now(UTC)) == (True, None)
    ((account,),) = await db.run(OWNER_OF, shop_id=nearest.shop_id)
    known = PersonKeys(Sealer(SealingSettings.from_env(env)))
    assert account == known.account(f"eip155:{Account.from_key(OWNER_KEY).address.lower()}")
