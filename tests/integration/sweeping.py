"""What tests of sweeps do as the shop's owner: plan, submit, drop, look; and the watch that follows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from shared.adapters.postgres.database import Connection, Sql
from shared.adapters.postgres.ledger import PostgresLedger
from shared.adapters.postgres.ledger_check import check
from shared.adapters.postgres.replay import replay
from shared.adapters.postgres.sweeps import PostgresSweeps
from shared.kernel.clock import SystemClock
from shared.kernel.decision import By, Claim, Role
from shared.kernel.ids import MerchantId, UserId
from shared.kernel.money import Asset
from shared.payments.drop_sweep import drop_sweep
from shared.payments.follow_sweeps import follow_sweeps
from shared.payments.get_sweep import get_sweep
from shared.payments.ledger import entries
from shared.payments.list_sweeps import list_sweeps
from shared.payments.plan_sweep import plan_sweep
from shared.payments.statement import balance_views
from shared.payments.submit_sweep import submit_sweep
from shared.payments.sweep_model import ListSweeps, PlanSweep, SubmitSweep, SweepSummary, SweepView
from shared.payments.sweep_ports import SweepChain, Sweeping
from shared.wiring.sweeps import _chain
from tests.integration.paying import Paying

PAYMENTS = Sql("select payment_id from payments")
_keys = count()


class Sweeper:
    """The owner of the shop that is paid, or somebody else."""

    def __init__(self, paying: Paying, *, owner: By | None = None) -> None:
        self.paying = paying
        merchant_id = paying.ordering.shop.merchant_id
        person = UserId.like(merchant_id)
        self.owner = owner or By(person, frozenset({Role.CUSTOMER, Role.OWNER}), merchant_id)
        chains: dict[str, SweepChain] = {name: _chain(settings) for name, settings in paying.chains.items()}
        self.store = PostgresSweeps(paying.db, region="test", keys=paying.account_keys)
        self.using = Sweeping(store=self.store, chains=chains, clock=SystemClock())
        self.native = {name: chain.native for name, chain in chains.items()}

    async def closed(self) -> None:
        """Close the connections to the nodes."""
        for chain in self.using.chains.values():
            await chain.close()  # type: ignore[attr-defined]  # both adapters have it

    def stranger(self) -> Sweeper:
        """Somebody who owns other shops."""
        person = UserId.new()
        by = By(person, frozenset({Role.CUSTOMER, Role.OWNER}), MerchantId.like(person))
        return Sweeper(self.paying, owner=by)

    async def plan(self, chain: str, asset: Asset, to: str, *, fee_rate: int = 1_500, **more: Any) -> SweepView:
        """Plan a sweep of the shop's coins."""
        command = PlanSweep.model_validate(
            {"chain": chain, "asset": asset, "to": to, "fee_rate": str(fee_rate), **more}
        )
        once = Claim(self.owner.actor, "POST /v1/shops/sweeps", f"sweep-{next(_keys)}", b"{}")
        by = By(self.owner.actor, self.owner.roles, self.owner.merchant_id, once=once)
        return (await plan_sweep(self.paying.ordering.shop.shop_id, command, by=by, using=self.using)).view

    async def submit(self, sweep: SweepView, signed: str) -> SweepView:
        """Send a signed transaction."""
        command = SubmitSweep(signed=signed)
        return (await submit_sweep(sweep.sweep_id, command, by=self.owner, using=self.using)).view

    async def drop(self, sweep: SweepView) -> SweepView:
        """Give a plan up."""
        now, store = SystemClock().now(), self.store
        reply = await drop_sweep(sweep.sweep_id, by=self.owner, now=now, store=store, native_by_chain=self.native)
        return reply.view

    async def get(self, sweep: SweepView) -> SweepView:
        """Look at a sweep."""
        reply = await get_sweep(sweep.sweep_id, by=self.owner, store=self.store, native_by_chain=self.native)
        return reply.view

    async def listed(self) -> Sequence[SweepSummary]:
        """List the shop's sweeps."""
        asked = ListSweeps(shop_id=self.paying.ordering.shop.shop_id)
        reply = await list_sweeps(asked, by=self.owner, store=self.store, native_by_chain=self.native)
        return reply.view.sweeps

    async def follow(self) -> int:
        """Let the watch look at the sweeps."""
        return await follow_sweeps(by=By("follow_sweeps"), using=self.using)

    async def posted(self) -> None:
        """Post what is missing of every payment."""
        ledger = PostgresLedger(self.paying.db)
        for (payment_id,) in await self.paying.db.run(PAYMENTS):
            await ledger.post(list(entries(await ledger.history(payment_id))), by=By("post_ledger"))

    async def custody(self, asset: Asset) -> dict[str, int]:
        """Return where the shop's coins lie, by account; both identities hold, and the facts say the same."""
        await self.posted()
        shop = self.paying.ordering.shop
        found = await PostgresLedger(self.paying.db).balances(shop.merchant_id, shop.shop_id)
        views = {view.asset: view for view in balance_views(found[shop.shop_id])}
        assert all(view.balanced for view in views.values())

        def checked(connection: Connection) -> bool:
            return check(connection).holds

        assert await self.paying.db.call(checked)
        return dict(views[asset].model_dump(exclude={"asset", "balanced"}))

    async def differences(self) -> list[str]:
        """Return how payments and sweeps differ from a replay of their facts."""

        def work(connection: Connection) -> list[str]:
            wanted = ("pay_", "payments", "swp_", "sweeps")
            return [each for each in replay(connection).differences if each.startswith(wanted)]

        return await self.paying.db.call(work)
