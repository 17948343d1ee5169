"""plan_sweep: unsigned transactions that move a shop's final coins to its treasury. No key of anybody is here."""

from collections.abc import Mapping
from typing import Final

from shared.kernel.decision import By, Stored
from shared.kernel.errors import Invalid, NotFound, Transient
from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId, PaymentId, ShopId, SweepId
from shared.kernel.reply import Reply
from shared.payments.chain import ReceiveAddress
from shared.payments.facts import SweepPlanned
from shared.payments.model import Payment
from shared.payments.sweep_model import MOST_COINS, PlanSweep, Sweep, SweepView
from shared.payments.sweep_ports import NothingToSweep, SweepChain, Sweeping, Wanted
from shared.payments.sweep_values import SweepPlan
from shared.payments.sweep_views import sweep_view
from shared.payments.sweeps import Sweepable, reserved, sweepable

TRIES: Final = 3
Chosen = Mapping[PaymentId, tuple[Stored[Payment], list[Fact]]]


async def plan_sweep(shop_id: ShopId, command: PlanSweep, *, by: By, using: Sweeping) -> Reply[SweepView]:
    """Return 201 with the plan. Its coins are in no other plan until it is final or dropped.

    Raises NotFound, Invalid, NothingToSweep, AlreadyAnswered, Transient.
    """
    merchant_id = await using.store.merchant_of(shop_id)
    if merchant_id is None or not by.staff_of(merchant_id, shop_id):
        raise NotFound("There is no such shop among yours.")
    chain = using.chains.get(command.chain)
    if chain is None:
        raise Invalid(f"The chain is one of: {', '.join(using.chains)}.", pointer="/chain")
    if command.asset not in chain.assets:
        raise Invalid(f"On this chain there are: {', '.join(sorted(chain.assets))}.", pointer="/asset")
    to = chain.addresses.parse(command.to)
    gas_from = chain.addresses.parse(command.gas_from).key if command.gas_from else None
    if gas_from is None and command.asset != chain.native:
        raise Invalid("Tokens need gas: say in gas_from which address brings it to theirs.", pointer="/gas_from")
    if await using.store.watched(command.chain, to.key):
        raise Invalid("This is a receive address of a shop: name one that nobody is asked to pay to.", pointer="/to")

    def created(stored: Stored[Sweep]) -> Reply[SweepView]:
        return sweep_view(stored, native=chain.native, status=201, location=f"/v1/sweeps/{stored.state.sweep_id}")

    for _ in range(TRIES):
        planned, chosen = await _planned(shop_id, merchant_id, command, chain, to, gas_from, using=using)
        stored = await using.store.plan(planned, chosen, by=by, now=planned.at, reply=created)
        if stored is not None:
            return created(stored)
    raise Transient("Payments of the shop are changing. Repeat with the same Idempotency-Key.")


async def _planned(
    shop_id: ShopId,
    merchant_id: MerchantId,
    command: PlanSweep,
    chain: SweepChain,
    to: ReceiveAddress,
    gas_from: str | None,
    *,
    using: Sweeping,
) -> tuple[SweepPlanned, Chosen]:
    """Return the plan and the facts that reserve its coins. Raises NothingToSweep, Invalid, Transient."""
    payments, coins = await _coins(shop_id, command, chain, using=using)
    keys = await using.store.account_keys(shop_id, "bitcoin") if chain.outputs else {}
    wanted = Wanted(
        asset=command.asset,
        to=to.address,
        to_key=to.key,
        fee_rate=command.fee_rate,
        gas_from=gas_from,
        origin=command.origin,
        account_key=lambda fingerprint: keys[fingerprint],
    )
    taken, transactions = await chain.plan(coins, wanted)
    if not taken:
        raise NothingToSweep("No coins are worth the fee. Wait for more of them, or for lower fees.")
    plan = SweepPlan(
        chain=command.chain,
        asset=command.asset,
        to=to.address,
        to_key=to.key,
        fee_rate=command.fee_rate,
        coins=tuple(taken),
        transactions=tuple(transactions),
    )
    now = using.clock.now()
    planned = SweepPlanned(sweep_id=SweepId.new(), shop_id=shop_id, merchant_id=merchant_id, plan=plan, at=now)
    chosen: dict[PaymentId, tuple[Stored[Payment], list[Fact]]] = {}
    for coin in taken:
        stored = payments[coin.payment_id]
        chosen[coin.payment_id] = (stored, [reserved(planned, stored.state, coin, chain.native)])
    return planned, chosen


async def _coins(
    shop_id: ShopId, command: PlanSweep, chain: SweepChain, *, using: Sweeping
) -> tuple[dict[PaymentId, Stored[Payment]], list[Sweepable]]:
    """Return the payments with coins to move, and these, as many as a plan takes. Raises NothingToSweep."""
    cursor = await using.store.cursor(command.chain)
    height, final_height = cursor or (0, -1)
    payments: dict[PaymentId, Stored[Payment]] = {}
    coins: list[Sweepable] = []
    for stored, fingerprint in await using.store.candidates(shop_id, command.chain):
        payment = stored.state
        found = sweepable(
            payment,
            fingerprint,
            command.asset,
            height=height,
            final_height=final_height,
            outputs=chain.outputs,
        )
        if found is not None and len(coins) < MOST_COINS:
            payments[payment.payment_id] = stored
            coins.append(found)
    if not coins:
        raise NothingToSweep("No coins are final, free and at addresses of payments that are over.")
    return payments, coins
