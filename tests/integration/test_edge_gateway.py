"""The edge's gateway over real engines: staff keys, stored replies, limits, readiness, the issuer's keys."""

import asyncio
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from shared.adapters.identity.jwks import JwksDocument
from shared.adapters.postgres.database import Database, Sql
from shared.edge.ports import ApiKey
from shared.kernel.decision import Claim, Role
from shared.kernel.errors import KeyReused, Transient
from shared.kernel.ids import KeyId, MerchantId, ShopId
from shared.wiring import edge as wiring
from shared.wiring import resources
from tests.waiting import until

KEY = Sql(
    "insert into api_keys (key_id, merchant_id, role, shop_id, secret_hash, revoked_at, label, created_at, version,"
    " head) values (:key_id, :merchant_id, :role, :shop_id, :secret_hash::bytea, :revoked_at::timestamptz, 'till',"
    " now(), 1, '')"
)
REPLY = Sql(
    "insert into idempotency (caller, route, key, body_hash, status, headers, reply, expires_at) values"
    ' (:caller, :route, :key, :body_hash::bytea, 201, \'{"etag": "\\"1\\""}\', \'said\'::bytea,'
    " clock_timestamp() + interval '1 hour')"
)
SECRET_HASH = sha256(b"secret").digest()
MERCHANT = MerchantId.new()


@pytest.fixture
def gateway(database: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[wiring.EngineGateway]:
    settings = {
        "DATABASE_URL": database,
        "REDIS_URL": redis_url,
        "PUBLIC_URL": "http://127.0.0.1:1",
        "RATE_LIMIT_PER_MINUTE": "100",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DATABASE_REPLICA_URL", raising=False)
    cached = (wiring._postgres, wiring._replica, wiring._redis_limits, resources.database)
    for made in cached:
        made.cache_clear()
    yield wiring.EngineGateway()
    resources.database().close()
    for made in cached:
        made.cache_clear()


async def add(db: Database, role: Role, *, shop_id: ShopId | None = None, revoked_at: str | None = None) -> KeyId:
    key_id = KeyId.new()
    await db.run(
        KEY,
        key_id=str(key_id),
        merchant_id=str(MERCHANT),
        role=str(role),
        shop_id=shop_id,
        secret_hash=SECRET_HASH,
        revoked_at=revoked_at,
    )
    return key_id


async def test_a_staff_key_is_found_as_it_was_made(gateway: wiring.EngineGateway) -> None:
    db, shop = resources.database(), ShopId.new()
    anywhere, bound = await add(db, Role.MANAGER), await add(db, Role.BARISTA, shop_id=shop)
    revoked = await add(db, Role.OWNER, revoked_at="2026-01-01T00:00:00Z")
    assert await gateway.api_key(anywhere) == ApiKey(anywhere, MERCHANT, Role.MANAGER, SECRET_HASH)
    assert await gateway.api_key(bound) == ApiKey(bound, MERCHANT, Role.BARISTA, SECRET_HASH, frozenset({shop}))
    found = await gateway.api_key(revoked)
    assert found is not None
    assert found.revoked
    assert await gateway.api_key(KeyId.new()) is None


async def test_a_stored_reply_is_told_to_the_same_request_alone(gateway: wiring.EngineGateway) -> None:
    claim = Claim("usr_1", "POST /v1/orders", "k", sha256(b"body").digest())
    assert await gateway.stored_reply(claim) is None
    await resources.database().run(
        REPLY, caller=claim.caller, route=claim.route, key=claim.key, body_hash=claim.body_hash
    )
    stored = await gateway.stored_reply(claim)
    assert stored is not None
    assert (stored.status, dict(stored.headers), stored.body) == (201, {"etag": '"1"'}, b"said")
    with pytest.raises(KeyReused):
        await gateway.stored_reply(Claim(claim.caller, claim.route, "k", sha256(b"other").digest()))
    for caller, route, key in (("usr_2", claim.route, "k"), ("usr_1", "POST /v1/x", "k"), ("usr_1", claim.route, "j")):
        assert await gateway.stored_reply(Claim(caller, route, key, claim.body_hash)) is None


async def test_two_processes_share_a_limit_through_the_region(gateway: wiring.EngineGateway) -> None:
    """`find_nearby_shops` needs Redis, so its limit of 100 is shared; each process may let a lease too many through."""
    other = wiring.EngineGateway()
    allowed = 0
    for _ in range(90):
        for process in (gateway, other):
            allowed += process.allow("9.9.9.9", "find_nearby_shops") is None
        await asyncio.gather(*gateway._limits._settling, *other._limits._settling)
    assert 100 <= allowed <= 110
    wait_s = gateway.allow("9.9.9.9", "find_nearby_shops")
    assert wait_s is not None
    assert 1 <= wait_s <= 60
    assert gateway.allow("8.8.8.8", "find_nearby_shops") is None


async def test_a_function_without_redis_counts_for_itself(gateway: wiring.EngineGateway) -> None:
    assert [gateway.allow("usr_1", "create_order") for _ in range(100)] == [None] * 100
    await asyncio.gather(*gateway._limits._settling)
    assert gateway.allow("usr_1", "create_order") is not None


async def test_limits_let_everybody_through_while_redis_is_away(
    gateway: wiring.EngineGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    assert [gateway.allow("9.9.9.9", "find_nearby_shops") for _ in range(100)] == [None] * 100
    await until(lambda: not gateway._limits._settling, "every lease was asked for")


async def test_readiness_asks_this_regions_replica_and_nobody_else(
    gateway: wiring.EngineGateway, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await gateway.ready() == {}
    monkeypatch.setenv("DATABASE_REPLICA_URL", database)
    assert await gateway.ready() == {"replica": "ok"}
    wiring._replica.cache_clear()
    monkeypatch.setenv("DATABASE_REPLICA_URL", "postgresql://x:y@127.0.0.1:1/none")
    assert await gateway.ready() == {"replica": "down: unavailable"}


async def test_the_issuers_keys_come_from_wherever_they_are(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_text('{"keys": []}')
    assert await JwksDocument(str(file)).read() == b'{"keys": []}'
    assert await JwksDocument(' {"keys": [1]}').read() == b' {"keys": [1]}'
    for nowhere in (str(tmp_path / "none"), "https://127.0.0.1:1/keys"):
        with pytest.raises(Transient):
            await JwksDocument(nowhere).read()
