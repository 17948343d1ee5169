"""A shop with overpaid payments on a chain in memory, and everything that refunds need, on a real database."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from itertools import count

from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.payment_terms import PostgresQuotes
from shared.adapters.postgres.refunds import PostgresRefunds, PostgresSendings
from shared.adapters.refund_destinations import ParsedDestinations
from shared.adapters.refund_market import RefundMarkets
from shared.kernel.clock import Clock, SystemClock
from shared.kernel.decision import By, Claim, Role
from shared.kernel.errors import Problem
from shared.kernel.ids import PaymentId, RefundId
from shared.payments.approve_refund import approve_refund
from shared.payments.model import Payment, PaymentView
from shared.payments.refund_model import DecideRefund, Refund, RefundView, RequestRefund
from shared.payments.refund_policy import RefundPolicy
from shared.payments.refund_ports import Refunds, RequestingRefunds
from shared.payments.refunds import find
from shared.payments.request_refund import request_refund
from shared.payments.send_refund import Sender, Sending
from tests.integration.paying import Paying
from tests.integration.test_payments_ledger import Books
from tests.unit.played_wallet import Fate, Killed, Mortal, PlayedChain, PlayedWallet, Quiet

TO = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
BY = By("send_refund")
EASY = RefundPolicy(automatic_minor=10**9, automatic_revenue_minor=10**9, least={}, most_fee={})
_keys = count(1)
LEASE_OVER = Sql("update leases set expires_at = clock_timestamp() - interval '1 s' where name like 'send:%'")
SLOTS = Sql("select slot, refund_id, spent from hot_wallet_slots order by slot")


class Asking:
    """Asks for refunds of a shop's payments, and agrees to them, as people do."""

    def __init__(self, paying: Paying, policy: RefundPolicy) -> None:
        self.db = paying.db
        self.policy = policy
        self.merchant_id = paying.ordering.shop.merchant_id
        self.store = PostgresRefunds(self.db, region="test")
        self.refunds = Refunds(self.store, SystemClock())
        self.requesting = RequestingRefunds(
            store=self.store,
            destinations=ParsedDestinations(paying.chains.values()),
            market=RefundMarkets(PostgresQuotes(self.db)),
            policy=policy,
            clock=SystemClock(),
        )

    async def payment(self, payment_id: PaymentId) -> Payment:
        found = await self.store.load(payment_id)
        assert found is not None
        return found.state

    async def refund(self, refund_id: RefundId) -> Refund:
        payment_id = await self.store.payment_of(refund_id)
        assert payment_id is not None
        refund = find(await self.payment(payment_id), refund_id)
        assert refund is not None
        return refund

    async def ask(
        self,
        payment: Payment | PaymentView,
        *,
        by: By | None = None,
        to: str = TO,
        units: int | None = None,
        key: str = "",
    ) -> RefundView:
        """Ask for a refund as the payment's customer, or as `by`."""
        stored = await self.payment(payment.payment_id)
        by = by or By(stored.customer_id, frozenset({Role.CUSTOMER, Role.OWNER}))
        command = RequestRefund(to=to, units=units)
        claim = Claim(by.actor, f"POST /v1/payments/{payment.payment_id}/refunds", key or f"r{next(_keys)}", b"{}")
        by = replace(by, once=claim)
        return (await request_refund(payment.payment_id, command, by=by, using=self.requesting)).view

    def staff(self, name: str = "key_m") -> By:
        return By(name, frozenset({Role.MANAGER}), self.merchant_id)

    async def decide(self, refund_id: RefundId, name: str, *, approve: bool = True) -> RefundView:
        by = self.staff(name)
        claim = Claim(name, f"POST /v1/refunds/{refund_id}/approve", f"a{next(_keys)}", b"{}")
        command = DecideRefund(approve=approve)
        return (await approve_refund(refund_id, command, by=replace(by, once=claim), using=self.refunds)).view


class Refunding(Asking):
    """The same on a chain in memory, which the hot wallet plays too."""

    def __init__(self, books: Books, *, policy: RefundPolicy = EASY, nonces: bool = False) -> None:
        super().__init__(books.paying, policy)
        self.books = books
        self.world = PlayedChain("bitcoin", nonces)
        self.wallet = PlayedWallet(self.world)
        self.alarms = Quiet()
        self.clock: Clock = SystemClock()

    async def overpaid(self, share: float = 3) -> Payment:
        """Return a payment that got so many times what is due, in a final block."""
        asked = await self.books.paid(share)
        for _ in range(12):
            self.books.chain.mine()
        await self.books.read()
        return await self.payment(asked.payment_id)

    def sender(self, fate: Fate | None = None, *, db: Database | None = None, lease_s: float = 30) -> Sender:
        """Return a fresh sender, as another process would have it."""
        fate = fate or Fate()
        sendings = PostgresSendings(db or self.db, region="test", lease_s=lease_s)
        return Sender(
            Sending(
                wallet=Mortal(self.wallet, fate),  # type: ignore[arg-type]  # it passes every call on
                sendings=Mortal(sendings, fate),  # type: ignore[arg-type]
                alarms=self.alarms,
                policy=self.policy,
                family="bitcoin",
                clock=self.clock,
            )
        )

    async def send(self, fate: Fate | None = None) -> None:
        """Let a fresh sender make a pass, or as much of it as its fate allows; its lease is over afterwards."""
        with contextlib.suppress(Killed, Problem):
            await self.sender(fate).run(by=BY)
        await self.forget_lease()

    async def forget_lease(self) -> None:
        """Let the lease be over, as its time would."""
        await self.db.run(LEASE_OVER)

    async def to_the_end(self) -> None:
        """Let everything be sent, mined and final."""
        for _ in range(8):
            await self.send()
            self.world.mine(list(self.world.pool))

    def paid(self) -> list[str]:
        """Return the references of what moved coins on the chain."""
        return sorted(sent.reference for _, sent, moved in self.world.mined.values() if moved)

    async def slots(self) -> dict[str, tuple[str, bool]]:
        """Return whose each slot is, and whether it is used up."""
        return {slot: (refund_id, spent) for slot, refund_id, spent in await self.db.run(SLOTS)}
