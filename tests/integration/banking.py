"""What tests of payout accounts start from: merchants with wallets, their staff, a clock that can be put forward."""

from __future__ import annotations

from datetime import datetime, timedelta
from os import urandom

from emulators.merchant_keys import Family as FamilyName
from emulators.merchant_keys import MerchantAccount
from shared.adapters.account_keys import SealedAccountKeys, SignedMessages
from shared.adapters.postgres.database import Connection, Database, Sql
from shared.adapters.postgres.payout import PostgresPayouts
from shared.adapters.postgres.replay import Report, replay
from shared.adapters.sealing import Sealer
from shared.kernel.clock import SystemClock
from shared.kernel.decision import By, Role
from shared.kernel.ids import KeyId, MerchantId, ShopId, UserId
from shared.settings import PostgresSettings, SealingSettings
from shared.shops.accounts import Family
from shared.shops.apply_payout_changes import apply_payout_changes
from shared.shops.cancel_payout import cancel_payout
from shared.shops.confirm_payout import confirm_payout
from shared.shops.model import RegisterShop
from shared.shops.payout import (
    ChallengeView,
    ConfirmPayout,
    PayoutChangeView,
    PayoutView,
    ProposePayout,
    ProvePayout,
    RequestPayoutChallenge,
)
from shared.shops.ports import DuePayouts, PayoutDesk, Payouts, Registration
from shared.shops.propose_payout import propose_payout
from shared.shops.prove_payout import prove_payout
from shared.shops.register_shop import register_shop
from shared.shops.request_payout_challenge import request_payout_challenge
from tests.integration.shopkeeping import a_shop, keyed

DELAY = timedelta(hours=24)
KEY = Sql(
    "insert into api_keys (key_id, merchant_id, role, shop_id, secret_hash, label, created_at, version, head)"
    " values (:key_id, :merchant_id, :role, null, :hash::bytea, 'x', clock_timestamp() - :age::text::interval, 0, '')"
)


class Ahead:
    """The machine's clock, put forward."""

    def __init__(self) -> None:
        self.by = timedelta()

    def now(self) -> datetime:
        return SystemClock().now() + self.by


class Banker:
    """A merchant with a wallet."""

    def __init__(self) -> None:
        self.user_id = UserId.new()
        self.merchant_id = MerchantId.like(self.user_id)
        self.owner = By(self.user_id, frozenset({Role.CUSTOMER, Role.OWNER}), self.merchant_id)
        self.seed = urandom(64)

    def account(self, family: FamilyName, number: int = 0) -> MerchantAccount:
        """An account of the wallet."""
        return MerchantAccount.of(family, number, self.seed)


class Banking:
    """Payout accounts on a real database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.db = Database(PostgresSettings(url))
        self.clock = Ahead()
        self.store = PostgresPayouts(self.db, region="test")
        self.account_keys = SealedAccountKeys(Sealer(SealingSettings(bytes(32))), bitcoin_network="regtest")
        ownership = SignedMessages(bitcoin_network="regtest")
        self.using = Payouts(self.store, self.account_keys, ownership, "cortado.test", DELAY, self.clock)
        self.registration = Registration(self.store, self.account_keys, self.clock)
        self.desk = PayoutDesk(self.store, self.clock)
        self.due = DuePayouts(self.store, self.clock)

    async def opened(self, banker: Banker, command: RegisterShop | None = None) -> ShopId:
        """Register a shop with the first accounts of the wallet, nothing proven."""
        payout = {family: banker.account(family).xpub for family in ("bitcoin", "evm")}
        command = command or a_shop(payout=payout)
        return (await register_shop(command, by=keyed(banker.owner), using=self.registration)).view.shop.shop_id

    async def staff(self, banker: Banker, role: Role = Role.MANAGER, *, age: str = "2 days") -> By:
        """Hire somebody, some time ago."""
        key_id = KeyId.new()
        await self.db.run(
            KEY, key_id=key_id, merchant_id=banker.merchant_id, role=role.value, hash=urandom(32), age=age
        )
        return By(key_id, frozenset({role}), banker.merchant_id)

    async def challenge(self, shop_id: ShopId, by: By, family: FamilyName, **about: object) -> ChallengeView:
        """Ask for what is to be signed."""
        command = RequestPayoutChallenge.model_validate({"family": family, **about})
        return (await request_payout_challenge(shop_id, command, by=by, using=self.using)).view

    async def prove(self, shop_id: ShopId, by: By, account: MerchantAccount, *, simple: bool = False) -> PayoutView:
        """Prove the shop's account."""
        asked = await self.challenge(shop_id, by, account.family)
        command = ProvePayout(nonce=asked.nonce, signature=account.sign(asked.message, simple=simple))
        return (await prove_payout(shop_id, command, by=keyed(by), using=self.using)).view

    async def proven(self, banker: Banker) -> ShopId:
        """Return a new shop with proven accounts."""
        shop_id = await self.opened(banker)
        for family in ("bitcoin", "evm"):
            await self.prove(shop_id, banker.owner, banker.account(family))
        return shop_id

    async def propose(self, shop_id: ShopId, by: By, account: MerchantAccount) -> PayoutChangeView:
        """Propose another account."""
        asked = await self.challenge(shop_id, by, account.family, account_key=account.xpub)
        command = ProposePayout(
            family=Family(account.family),
            account_key=account.xpub,
            nonce=asked.nonce,
            signature=account.sign(asked.message),
        )
        return (await propose_payout(shop_id, command, by=keyed(by), using=self.using)).view

    async def confirm(
        self, change: PayoutChangeView, by: By, *, signed_by: MerchantAccount | None = None
    ) -> PayoutChangeView:
        """Agree to a change; `signed_by`: with what this account says to it."""
        command = ConfirmPayout()
        if signed_by is not None:
            asked = await self.challenge(change.shop_id, by, signed_by.family, change_id=change.change_id)
            command = ConfirmPayout(nonce=asked.nonce, signature=signed_by.sign(asked.message))
        using = self.using
        return (await confirm_payout(change.shop_id, change.change_id, command, by=keyed(by), using=using)).view

    async def cancel(self, change: PayoutChangeView, by: By) -> PayoutChangeView:
        """Call a change off."""
        return (await cancel_payout(change.shop_id, change.change_id, by=keyed(by), using=self.desk)).view

    async def apply(self) -> int:
        """Let time have its effect."""
        return await apply_payout_changes(by=By("apply_payout_changes"), using=self.due)

    async def fingerprint(self, shop_id: ShopId, family: str = "bitcoin") -> str:
        """Return by which account the shop is paid now."""
        found = await self.store.load(shop_id)
        assert found is not None
        return found.state.payout[family].fingerprint

    def replayed(self) -> Report:
        """Rebuild every state from its facts and compare."""
        return replay(Connection(PostgresSettings(self.url)))
