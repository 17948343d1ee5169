"""Payout accounts in Postgres: challenges that are spent in the commit of what they prove, and whose an account is."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, TypeVar

from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.shops import PostgresShops
from shared.adapters.postgres.statement import StateTable
from shared.adapters.postgres.store import StateStore
from shared.kernel.decision import By, Stored
from shared.kernel.errors import Fenced
from shared.kernel.ids import KeyId, ShopId
from shared.kernel.reply import Reply
from shared.kernel.store import Rule
from shared.shops.accounts import Family
from shared.shops.lifecycle import evolve
from shared.shops.model import Shop
from shared.shops.payout import AccountTaken, Challenge, ProofRefused

V = TypeVar("V")

_TAKEN: Final = "the account is taken"

PROVING: Final = StateTable(
    name="shops",
    key="shop_id",
    model=Shop,
    evolve=evolve,
    extra=f""",
spent as (
  delete from payout_challenges
   where nonce = :nonce and shop_id = :proof_shop and fingerprint = :fingerprint and expires_at > clock_timestamp()
  returning nonce),
owned as (
  insert into payout_owners as o (fingerprint, merchant_id) values (:fingerprint, :proof_merchant)
  on conflict (fingerprint) do update set merchant_id = o.merchant_id where o.merchant_id = excluded.merchant_id
  returning fingerprint),
proved as (
  insert into payout_proofs (nonce, shop_id, fingerprint)
  select :nonce::text, :proof_shop::text,
         case when not exists (select from spent) then refuse('CR004', 'the challenge is spent')::text
              when not exists (select from owned) then refuse('CR004', '{_TAKEN}')::text
              else :fingerprint::text end
  returning 1)""",
)
_CHALLENGE: Final = Sql(
    """
with swept as (
  delete from payout_challenges where nonce in
    (select nonce from payout_challenges where expires_at < clock_timestamp() order by expires_at limit 20
     for update skip locked))
insert into payout_challenges (nonce, shop_id, family, fingerprint, purpose, address, message, expires_at)
values (:nonce, :shop_id, :family, :fingerprint, :purpose, :address, :message, :expires_at::timestamptz)
"""
)
_CHALLENGED: Final = Sql(
    "select nonce, shop_id, family, fingerprint, purpose, address, message, expires_at from payout_challenges"
    " where nonce = :nonce and expires_at > clock_timestamp()"
)
_OWNER: Final = Sql("select merchant_id from payout_owners where fingerprint = :fingerprint")
_KEY_MADE: Final = Sql("select created_at from api_keys where key_id = :key_id")
_DUE: Final = Sql("""select shop_id from shops where changes @> '[{"standing": "confirmed"}]' order by shop_id""")


class PostgresPayouts(PostgresShops):
    """Fulfils `shared.shops.ports.PayoutStore`."""

    def __init__(self, db: Database, *, region: str) -> None:
        super().__init__(db, region=region)
        self._proving = StateStore(db, PROVING, region=region)

    async def challenge(self, challenge: Challenge) -> None:
        """Keep a fresh challenge."""
        await self._db.run(
            _CHALLENGE,
            nonce=challenge.nonce,
            shop_id=challenge.shop_id,
            family=challenge.family.value,
            fingerprint=challenge.fingerprint,
            purpose=challenge.purpose,
            address=challenge.address,
            message=challenge.message,
            expires_at=challenge.expires_at,
        )

    async def challenged(self, nonce: str) -> Challenge | None:
        """Return a challenge that is not spent and not too old."""
        rows = await self._db.run(_CHALLENGED, nonce=nonce)
        if not rows:
            return None
        given, shop_id, family, fingerprint, purpose, address, message, expires_at = rows[0]
        return Challenge(given, ShopId(shop_id), Family(family), fingerprint, purpose, address, message, expires_at)

    async def proven(
        self,
        id: str,
        rule: Rule[Shop],
        *,
        by: By,
        now: datetime,
        reply: Callable[[Stored[Shop]], Reply[V]],
    ) -> Stored[Shop]:
        """Decide, spend the challenge that the decision's params name, and make the account the merchant's own."""
        try:
            return await self._proving.decide(id, rule, by=by, now=now, reply=reply)
        except Fenced as refused:
            if refused.detail == _TAKEN:
                raise AccountTaken("Another merchant has proven to hold its keys.") from None
            raise ProofRefused("This nonce was used, or is too old. Ask for a fresh one.") from None

    async def owner_of(self, fingerprint: str) -> str | None:
        """Return whose the account is, or None."""
        rows = await self._db.run(_OWNER, fingerprint=fingerprint)
        return str(rows[0][0]) if rows else None

    async def key_made_at(self, actor: str) -> datetime | None:
        """Return when a staff key was made; None for anybody else."""
        if not actor.startswith(f"{KeyId.prefix}_"):
            return None
        rows = await self._db.run(_KEY_MADE, key_id=actor)
        made_at: datetime | None = rows[0][0] if rows else None
        return made_at

    async def due(self) -> Sequence[str]:
        """Return the shops with a confirmed change, due or not."""
        return [str(shop_id) for (shop_id,) in await self._db.run(_DUE)]
