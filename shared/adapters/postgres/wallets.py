"""Wallets in Postgres: people, staff keys, nonces, and the limits of signing in, which hold because they are here."""

import ipaddress
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from pg8000.exceptions import DatabaseError

from shared.adapters.person_keys import PersonKey, PersonKeys
from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.statement import StateTable, rows_sql
from shared.adapters.postgres.store import StateStore, stored
from shared.kernel.decision import By, Decided, Page, Stored
from shared.kernel.errors import Fenced, TooMany, Transient
from shared.kernel.ids import KeyId, MerchantId, ShopId, UserId, WalletId
from shared.wallets.facts import WalletLinked, WalletRegistered
from shared.wallets.lifecycle import WalletTaken, evolve_key, evolve_user, link, unlink
from shared.wallets.model import ApiKey, User, evm_account
from shared.wallets.siwe import SignInRefused

WINDOW_S: Final = 60

USERS: Final = StateTable(
    name="users",
    key="user_id",
    model=User,
    evolve=evolve_user,
    extra=""",
spent as (
  delete from nonces where nonce = :nonce and expires_at > clock_timestamp() returning nonce),
signed as (
  insert into sign_ins (nonce, user_id)
  select :nonce::text, case when exists (select from spent) then :user_id::text
                            when refuse('CR004', 'nonce spent') then null end
  returning 1),
keyed as (
  insert into person_keys (user_id, sealed_key)
  select :user_id::text, :sealed_key::bytea where :sealed_key::bytea is not null
  on conflict (user_id) do nothing returning 1)""",
)
_PERSON: Final = StateTable(name="users", key="user_id", model=User, evolve=evolve_user)
"""People, where no nonce is used up."""
API_KEYS: Final = StateTable(name="api_keys", key="key_id", model=ApiKey, evolve=evolve_key)

_RETURNING: Final = Sql(
    """
with known as (select user_id from wallet_owners where account in (:account, :before)),
spent as (
  delete from nonces where nonce = :nonce and expires_at > clock_timestamp() and exists (select from known)
  returning nonce),
signed as (
  insert into sign_ins (nonce, user_id) select spent.nonce, known.user_id from spent, known returning 1)
select (select user_id from known), exists (select from signed)
"""
)
_COUNTED: Final = """
  insert into sign_in_tries as t (step, client, window_start, tries)
  values (:step, :client::bytea, clock_timestamp(), 1)
  on conflict (step, client) do update set
    tries = case when t.window_start > clock_timestamp() - :window_s::int * interval '1 second'
                 then t.tries + 1 else 1 end,
    window_start = case when t.window_start > clock_timestamp() - :window_s::int * interval '1 second'
                        then t.window_start else clock_timestamp() end
  where t.tries < :most::int or t.window_start <= clock_timestamp() - :window_s::int * interval '1 second'
  returning 1"""
_ADMIT: Final = Sql(_COUNTED)
_ISSUE: Final = Sql(
    f"""
with counted as ({_COUNTED}),
swept_nonces as (
  delete from nonces where nonce in
    (select nonce from nonces where expires_at < clock_timestamp() order by expires_at limit 20
     for update skip locked)),
swept_tries as (
  delete from sign_in_tries where (step, client) in
    (select step, client from sign_in_tries where window_start < clock_timestamp() - interval '1 hour'
     and client <> :client::bytea limit 20 for update skip locked)),
issued as (
  insert into nonces (nonce, expires_at)
  select :nonce::text, clock_timestamp() + :lifetime_s::int * interval '1 second' from counted
  returning expires_at)
select expires_at from issued
"""
)
_ALL_OF: Final = Sql(
    "select count(*) = cardinality(:shop_ids::text[]) from shops"
    " where shop_id = any(:shop_ids::text[]) and merchant_id = :merchant_id"
)
_KEYS: Final = rows_sql(
    API_KEYS,
    "where merchant_id = :merchant_id and (:before::text is null or key_id < :before::text)"
    " and (:revoked::boolean is null or (revoked_at is not null) = :revoked::boolean)"
    " and (:shop_id::text is null or shop_id is null or shop_id = :shop_id::text or shop_ids ? :shop_id::text)"
    " order by key_id desc limit :limit::int",
)


_KEY_OF: Final = Sql("select sealed_key from person_keys where user_id = :user_id")
_OWNER_BEFORE: Final = Sql("select user_id from wallet_owners where account = :account")
_LIVE: Final = Sql("select exists (select from nonces where nonce = :nonce and expires_at > clock_timestamp())")


class PostgresNonces:
    """Numbers used once, and how often each client may ask."""

    def __init__(self, db: Database, *, most_per_minute: int) -> None:
        self._db = db
        self._most = most_per_minute

    async def issue(self, nonce: str, *, client: str, lifetime: timedelta) -> datetime:
        """Keep a fresh nonce and return when it ends. Raises TooMany when `client` asked too often."""
        rows = await self._db.run(
            _ISSUE,
            step="nonce",
            client=client_digest(client),
            window_s=WINDOW_S,
            most=self._most,
            nonce=nonce,
            lifetime_s=int(lifetime.total_seconds()),
        )
        if not rows:
            raise _too_many()
        expires_at: datetime = rows[0][0]
        return expires_at

    async def admit(self, *, client: str) -> None:
        """Count a sign-in of `client`, good or not. Raises TooMany when there were too many."""
        rows = await self._db.run(
            _ADMIT, step="sign-in", client=client_digest(client), window_s=WINDOW_S, most=self._most
        )
        if not rows:
            raise _too_many()

    async def live(self, nonce: str) -> bool:
        """Return whether the nonce could be used now."""
        ((live,),) = await self._db.run(_LIVE, nonce=nonce)
        return bool(live)


def _too_many() -> TooMany:
    return TooMany(f"Too many sign-ins from your network. Try again in {WINDOW_S} s.", retry_after_s=WINDOW_S)


def client_digest(client: str) -> bytes:
    """Return 32 bytes that stand for the network a call came from: an IPv4 address, the /64 of an IPv6 one."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return sha256(b"client\n" + client.encode()).digest()
    bits = 32 if address.version == 4 else 64
    network = ipaddress.ip_network((address, bits), strict=False)
    return sha256(b"client\n" + str(network).encode()).digest()


class PostgresPeople(StateStore[User]):
    """The people by their wallets. What is personal is sealed here, before it enters a fact."""

    def __init__(self, db: Database, *, region: str, keys: PersonKeys) -> None:
        super().__init__(db, USERS, region=region)
        self._people = StateStore(db, _PERSON, region=region)
        self._keys = keys

    async def sign_in(self, registered: WalletRegistered, nonce: str, *, by: By, now: datetime) -> User:
        """Use the nonce up and return the person whose wallet this is, registered in the same commit if new."""
        before = evm_account(registered.address, registered.chain_id if registered.contract else None)
        account, user_id = self._keys.account(before), registered.user_id
        for _ in range(2):
            ((known, signed),) = await self._db.run(_RETURNING, account=account, before=before, nonce=nonce)
            if known is not None:
                if not signed:
                    raise _spent()
                found = await self.load(known)
                assert found is not None, "people are never deleted"
                return found.state
            key, sealed_key = self._keys.fresh(user_id)
            sealed = registered.model_copy(update={"address": key.seal(registered.address), "account": account})
            params = {"nonce": nonce, "user_id": user_id, "sealed_key": sealed_key}
            try:
                return (await self.append(user_id, None, Decided((sealed,), params=params), by=by, now=now)).state
            except Fenced:
                raise _spent() from None
            except DatabaseError as error:
                if not _is_known(error):
                    raise
        raise Transient("The same address is being registered. Sign in again with a fresh nonce.")

    async def link(self, linked: WalletLinked, nonce: str, *, by: By, now: datetime) -> Stored[User]:
        """Use the nonce up and link the wallet, in one commit; one that is theirs already changes nothing."""
        user_id, account = linked.user_id, self._keys.account(linked.account)
        owner = await self._db.run(_OWNER_BEFORE, account=linked.account)
        if owner and owner[0][0] != user_id:
            raise _taken()
        key, sealed_key = await self._key_of(user_id) or self._keys.fresh(user_id)
        sealed = linked.model_copy(update={"address": key.seal(linked.address), "account": account})

        def rule(user: User | None) -> Decided:
            facts = () if owner else link(user, sealed)
            return Decided(facts, params={"nonce": nonce, "user_id": user_id, "sealed_key": sealed_key})

        try:
            return await self._opened(await self.decide(user_id, rule, by=by, now=now))
        except Fenced:
            raise _spent() from None
        except DatabaseError as error:
            if not _is_known(error):
                raise
            raise _taken() from None

    async def unlink(self, user_id: UserId, wallet_id: WalletId, *, by: By, now: datetime) -> Stored[User]:
        """Take a wallet from its person."""
        left = await self._people.decide(user_id, lambda user: unlink(user, wallet_id, now=now), by=by, now=now)
        return await self._opened(left)

    async def person(self, user_id: UserId) -> Stored[User] | None:
        """Return a person with their addresses in clear, or None, also for one who was erased."""
        found = await self.load(user_id)
        return await self._opened(found) if found is not None and found.state.erased_at is None else None

    async def _key_of(self, user_id: UserId) -> tuple[PersonKey, bytes] | None:
        rows = await self._db.run(_KEY_OF, user_id=user_id)
        return (self._keys.opened(user_id, bytes(rows[0][0])), bytes(rows[0][0])) if rows else None

    async def _opened(self, found: Stored[User]) -> Stored[User]:
        """Return a person with their addresses in clear."""
        user, kept = found.state, await self._key_of(found.state.user_id)
        if kept is None:
            return found  # from before there were keys
        linked = tuple(each.model_copy(update={"address": kept[0].open(each.address)}) for each in user.linked)
        clear = {"address": kept[0].open(user.address), "linked": linked}
        return replace(found, state=user.model_copy(update=clear))


def _taken() -> WalletTaken:
    return WalletTaken("It signs in, or is linked, as somebody else: unlink it there first.")


def _spent() -> SignInRefused:
    return SignInRefused("The nonce is not known, was used, or is too old. Ask for a fresh one.")


def _is_known(error: DatabaseError) -> bool:
    """Return whether the account is somebody's: the unique constraint says so."""
    told = error.args[0] if error.args else None
    return isinstance(told, dict) and told.get("n") == "wallet_owners_pkey"


class PostgresApiKeys(StateStore[ApiKey]):
    """Staff keys."""

    def __init__(self, db: Database, *, region: str) -> None:
        super().__init__(db, API_KEYS, region=region)

    async def of_merchant(
        self, merchant_id: MerchantId, *, shop_id: ShopId | None, revoked: bool | None, before: KeyId | None, limit: int
    ) -> Page[ApiKey]:
        """Return a page of the merchant's keys, newest first."""
        rows = await self._db.run(
            _KEYS, merchant_id=merchant_id, shop_id=shop_id, revoked=revoked, before=before, limit=limit + 1
        )
        found = [stored(ApiKey, row).state for row in rows[:limit]]
        return found, found[-1].key_id if len(rows) > limit else None


class PostgresShopOwners:
    """What wallets read of shops."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def all_of(self, shop_ids: Sequence[ShopId], merchant_id: MerchantId) -> bool:
        """Return whether all of these are shops of the merchant."""
        ((owned,),) = await self._db.run(_ALL_OF, shop_ids=list(shop_ids), merchant_id=merchant_id)
        return bool(owned)
