"""Signing in and staff keys on a real Postgres: a nonce is used once, an address is one person, limits hold."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from hashlib import sha256

import pytest
from eth_account import Account

from shared.adapters.evm.contract_wallets import EvmContractWallets
from shared.adapters.evm.personal_sign import PersonalSignatures
from shared.adapters.person_keys import PersonKeys
from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.edge import PostgresEdge
from shared.adapters.postgres.wallets import PostgresApiKeys, PostgresNonces, PostgresPeople, PostgresShopOwners
from shared.adapters.sealing import Sealer
from shared.kernel.decision import AlreadyAnswered, By, Claim, Role
from shared.kernel.errors import Forbidden, NotFound, TooMany
from shared.kernel.ids import KeyId, MerchantId, ShopId, UserId
from shared.settings import PostgresSettings, SealingSettings
from shared.wallets.create_api_key import create_api_key
from shared.wallets.model import CreateApiKey, SignedIn, SignIn
from shared.wallets.ports import ApiKeys, Proof, SigningIn, SignInTerms
from shared.wallets.request_nonce import request_nonce
from shared.wallets.sign_in_with_ethereum import sign_in_with_ethereum
from shared.wallets.siwe import SignInRefused
from tests.integration.ordering import FixedClock
from tests.integration.shops_rows import a_shop, not_as_their_events_say
from tests.signing import DOMAIN, NOW, PERSON, message, signature_of

COUNTS = Sql(
    "select (select count(*) from users), (select count(*) from events), (select count(*) from nonces),"
    " (select count(*) from sign_ins)"
)
EXPIRE = Sql("update nonces set expires_at = clock_timestamp() - interval '1 second'")
KEPT = Sql("select convert_from(reply, 'UTF8') from idempotency")


KEYS = PersonKeys(Sealer(SealingSettings(bytes(32))))


class FixedTokens:
    """Tokens that only say whose they are."""

    class Issued:
        def __init__(self, user_id: UserId) -> None:
            self.token, self.expires_in_s = f"token of {user_id}", 900

    def issue(self, user_id: UserId) -> FixedTokens.Issued:
        return self.Issued(user_id)


class Door:
    """Signing in on a real database."""

    def __init__(self, url: str, *, most: int = 1000, contracts: dict[int, str] | None = None) -> None:
        """`contracts` has the nodes that smart-contract wallets are asked through, by chain id."""
        self.contracts = contracts or {}
        self.db = Database(PostgresSettings(url, connections=8))
        self.using = SigningIn(
            nonces=PostgresNonces(self.db, most_per_minute=most),
            people=PostgresPeople(self.db, region="test", keys=KEYS),
            terms=SignInTerms(DOMAIN, frozenset({31337})),
            clock=FixedClock(NOW),
        )
        self.keys = ApiKeys(PostgresApiKeys(self.db, region="test"), PostgresShopOwners(self.db), FixedClock(NOW))

    async def nonce(self, client: str = "192.0.2.1") -> str:
        return (await request_nonce(client=client, using=self.using)).view.nonce

    async def sign_in(self, text: str, signature: str | None = None, *, client: str = "192.0.2.1") -> SignedIn:
        command = SignIn(message=text, signature=signature or signature_of(text))
        by = By("public", frozenset({Role.PUBLIC}))
        proof = Proof(PersonalSignatures(), EvmContractWallets(self.contracts), FixedTokens())
        reply = await sign_in_with_ethereum(command, client=client, by=by, proof=proof, using=self.using)
        return reply.view

    async def counts(self) -> list[int]:
        """Return how many people, events, nonces and sign-ins there are."""
        return [*(await self.db.run(COUNTS))[0]]


async def test_the_first_sign_in_makes_a_person_and_the_second_finds_them(database: str) -> None:
    door = Door(database)
    first = await door.sign_in(message(nonce=await door.nonce()))
    assert first.merchant_id == MerchantId.like(first.user_id)
    assert first.token == f"token of {first.user_id}"
    assert await door.counts() == [1, 1, 0, 1]
    second = await door.sign_in(message(nonce=await door.nonce()))
    assert second.user_id == first.user_id
    assert await door.counts() == [1, 1, 0, 2]
    assert not_as_their_events_say(database, "usr_") == []


@pytest.mark.parametrize("known", [False, True])
async def test_a_nonce_signs_in_once_however_many_send_it_at_once(database: str, known: bool) -> None:
    door = Door(database)
    if known:
        await door.sign_in(message(nonce=await door.nonce()))
    text = message(nonce=await door.nonce())

    async def send() -> str:
        try:
            await door.sign_in(text)
        except SignInRefused:
            return "refused"
        return "in"

    assert Counter(await asyncio.gather(*(send() for _ in range(20)))) == {"in": 1, "refused": 19}
    assert (await door.counts())[0] == 1


async def test_one_address_signing_in_with_many_nonces_at_once_is_one_person(database: str) -> None:
    door = Door(database)
    nonces = [await door.nonce() for _ in range(20)]
    people = await asyncio.gather(*(door.sign_in(message(nonce=nonce)) for nonce in nonces))
    assert len({person.user_id for person in people}) == 1
    assert await door.counts() == [1, 1, 0, 20]


async def test_a_nonce_that_is_made_up_or_too_old_leaves_nothing_behind(database: str) -> None:
    door = Door(database)
    nonce = await door.nonce()
    with pytest.raises(SignInRefused, match="nonce"):
        await door.sign_in(message(nonce="0123456789abcdef"))
    await door.db.run(EXPIRE)
    with pytest.raises(SignInRefused, match="nonce"):
        await door.sign_in(message(nonce=nonce))
    assert await door.counts() == [0, 0, 1, 0]
    await door.nonce()
    assert (await door.counts())[2] == 1, "the old nonce is swept when the next one is made"


async def test_a_bad_signature_does_not_use_the_nonce_up(database: str) -> None:
    door = Door(database)
    text = message(nonce=await door.nonce())
    with pytest.raises(SignInRefused, match="signature"):
        await door.sign_in(text, signature_of(text, Account.create()))
    with pytest.raises(SignInRefused, match="signature"):
        await door.sign_in(text.replace(PERSON.address, PERSON.address.lower()))
    assert (await door.sign_in(text)).user_id


async def test_a_network_that_asks_too_often_has_to_wait_and_others_do_not(database: str) -> None:
    door = Door(database, most=5)

    async def ask(client: str) -> str:
        try:
            await door.nonce(client)
        except TooMany:
            return "wait"
        return "nonce"

    assert Counter(await asyncio.gather(*(ask("2001:db8::1") for _ in range(30)))) == {"nonce": 5, "wait": 25}
    assert await ask("2001:db8::2") == "wait", "an IPv6 network of 64 bits counts as one"
    assert await ask("2001:db8:0:1::1") == "nonce"
    text = message(nonce=await door.nonce("192.0.2.9"))
    for _ in range(5):
        with pytest.raises(SignInRefused):
            await door.sign_in(text, "0x" + "00" * 65, client="192.0.2.9")
    with pytest.raises(TooMany):
        await door.sign_in(text, client="192.0.2.9")


def owner(key: str = "k1") -> By:
    user = UserId.new()
    once = Claim(user, "POST /v1/api-keys", key, b"body")
    return By(user, frozenset({Role.CUSTOMER, Role.OWNER}), MerchantId.like(user), once=once)


async def test_a_staff_key_is_told_once_and_kept_as_a_digest(database: str) -> None:
    door, by = Door(database), owner()
    command = CreateApiKey(role=Role.BARISTA, label="till 1")
    reply = await create_api_key(command, by=by, using=door.keys)
    assert reply.view.key is not None
    prefix, digits, secret = reply.view.key.split("_")
    assert prefix == "ck"
    kept = await PostgresEdge(door.db).api_key(KeyId(f"key_{digits}"))
    assert kept is not None
    assert (kept.merchant_id, kept.role, kept.shop_ids) == (by.merchant_id, Role.BARISTA, None)
    assert kept.secret_hash == sha256(secret.encode()).digest()
    with pytest.raises(AlreadyAnswered) as again:
        await create_api_key(command, by=by, using=door.keys)
    assert again.value.reply.status == 201
    assert secret not in again.value.reply.body.decode()
    assert all(secret not in stored for (stored,) in await door.db.run(KEPT))
    assert not_as_their_events_say(database, "key_") == []


async def test_a_staff_key_is_for_ones_own_shop_and_made_in_person(database: str) -> None:
    door, by = Door(database), owner()
    assert by.merchant_id is not None
    own, others = await a_shop(door.db, by.merchant_id), await a_shop(door.db, MerchantId.new())
    made = await create_api_key(CreateApiKey(role=Role.MANAGER, shop_id=own, label="tablet"), by=by, using=door.keys)
    assert made.view.shop_id == own
    for shop in (others, ShopId.new()):
        with pytest.raises(NotFound):
            await create_api_key(
                CreateApiKey(role=Role.MANAGER, shop_id=shop, label="tablet"), by=owner("k2"), using=door.keys
            )
    staff = replace(by, actor=KeyId.new(), roles=frozenset({Role.OWNER}))
    with pytest.raises(Forbidden):
        await create_api_key(CreateApiKey(role=Role.OWNER, label="me too"), by=staff, using=door.keys)
