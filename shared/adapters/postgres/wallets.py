"""Wallets in Postgres: people, staff keys, nonces, and the limits of signing in, which hold because they are here."""

import ipaddress
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from pg8000.exceptions import DatabaseError

from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.statement import StateTable
from shared.adapters.postgres.store import StateStore
from shared.kernel.decision import By, Decided
from shared.kernel.errors import Fenced, TooMany, Transient
from shared.kernel.ids import MerchantId, ShopId
from shared.wallets.facts import WalletRegistered
from shared.wallets.lifecycle import evolve_key, evolve_user
from shared.wallets.model import ApiKey, User
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
  returning 1)""",
)
API_KEYS: Final = StateTable(name="api_keys", key="key_id", model=ApiKey, evolve=evolve_key)

_RETURNING: Final = Sql(
    """
with known as (select user_id from users where address = :address),
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
_MERCHANT_OF: Final = Sql("select merchant_id from shops where shop_id = :shop_id")


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
    """The people by their address."""

    def __init__(self, db: Database, *, region: str) -> None:
        super().__init__(db, USERS, region=region)

    async def sign_in(self, registered: WalletRegistered, nonce: str, *, by: By, now: datetime) -> User:
        """Use the nonce up and return the person with this address, registered in the same commit if new."""
        for _ in range(2):
            ((user_id, signed),) = await self._db.run(_RETURNING, address=registered.address, nonce=nonce)
            if user_id is not None:
                if not signed:
                    raise _spent()
                found = await self.load(user_id)
                assert found is not None, "people are never deleted"
                return found.state
            decided = Decided((registered,), params={"nonce": nonce, "user_id": registered.user_id})
            try:
                return (await self.append(registered.user_id, None, decided, by=by, now=now)).state
            except Fenced:
                raise _spent() from None
            except DatabaseError as error:
                if not _address_is_known(error):
                    raise
        raise Transient("The same address is being registered. Sign in again with a fresh nonce.")


def _spent() -> SignInRefused:
    return SignInRefused("The nonce is not known, was used, or is too old. Ask for a fresh one.")


def _address_is_known(error: DatabaseError) -> bool:
    """Return whether somebody registered the address meanwhile: the unique constraint says so."""
    told = error.args[0] if error.args else None
    return isinstance(told, dict) and told.get("n") == "users_address_once"


class PostgresApiKeys(StateStore[ApiKey]):
    """Staff keys."""

    def __init__(self, db: Database, *, region: str) -> None:
        super().__init__(db, API_KEYS, region=region)


class PostgresShopOwners:
    """What wallets read of shops."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def merchant_of(self, shop_id: ShopId) -> MerchantId | None:
        """Return whose shop it is, or None when there is none."""
        rows = await self._db.run(_MERCHANT_OF, shop_id=shop_id)
        return MerchantId(rows[0][0]) if rows else None
