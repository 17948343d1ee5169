"""generate_payment_address: an address of its own for an order's payment, with a locked, signed quote."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from shared.kernel.decision import By, Guard, Stored
from shared.kernel.errors import Bug, Conflict, NotFound, Transient
from shared.kernel.facts import Fact
from shared.kernel.ids import OrderId, PaymentId
from shared.kernel.money import Asset, Money
from shared.kernel.reply import Reply
from shared.payments import lifecycle
from shared.payments.facts import PaymentRequested
from shared.payments.get_payment import shown
from shared.payments.model import Payment, PaymentView, RequestPayment
from shared.payments.ports import AssetNotOffered, PayableChain, PayableOrder, Requesting
from shared.payments.quote import signed_quote
from shared.payments.take_address import take_address

TRIES: Final = 3


class NotPayable(Conflict):
    """The order is paid, called off or expired, or its time to pay is over."""

    type = "order-not-payable"
    title = "The order can't be paid any more"


class PaymentActive(Conflict):
    """Something of the order's payment in another asset has arrived."""

    type = "payment-active"
    title = "The order has another payment under way"


class PayoutUnproven(Conflict):
    """The shop has not shown that the account is its own."""

    type = "payout-unproven"
    title = "The shop can't be paid in this coin yet"


class NotWatched(Transient):
    """No block of the chain was read yet, so a payment could be missed."""

    type = "chain-not-watched"
    title = "The chain is not watched yet"


async def generate_payment_address(
    order_id: OrderId, command: RequestPayment, *, by: By, using: Requesting
) -> Reply[PaymentView]:
    """Return 201 with the new payment, or 200 with the one that is under way in this very asset.

    Another asset may be chosen until something of the first was seen; both addresses stay watched.
    Raises NotFound, NotPayable, PaymentActive, AssetNotOffered, PayoutUnproven, NoFreshPrice, AssetDepegged,
    NotWatched, AlreadyAnswered, KeyReused, Transient.
    """
    for _ in range(TRIES):
        order = await using.orders.payable(order_id)
        if order is None or order.customer_id != by.actor:
            raise NotFound("There is no such order.")
        chain = _chain(command, order, using.chains)
        active = await using.store.active_of(order_id)
        if active is not None:
            await using.store.must_be_new(by)
            if (active.state.asset, active.state.chain) == (command.asset, chain.name):
                return shown(active)
            _must_be_payable(order)
            await _supersede(active, command.asset, chain, by=by, using=using)
        _must_be_payable(order)
        stored = await _request(order, command.asset, chain, by=by, using=using)
        if stored is not None:
            return created(stored)
    raise Transient("The order is changing. Repeat with the same Idempotency-Key.")


async def _request(
    order: PayableOrder, asset: Asset, chain: PayableChain, *, by: By, using: Requesting
) -> Stored[Payment] | None:
    """Append the payment; None when the order moved meanwhile. An address claimed in vain is another one's later."""
    if not await using.store.watched(chain.name):
        raise NotWatched("Try again in a few seconds.", retry_after_s=5)
    locked = await using.quotes.lock(order.total, asset, spread_bp=order.spread_bp.get(asset, 0))
    account = order.payout[chain.family]
    if account.unproven:
        raise PayoutUnproven("The shop has not proven its account for this coin. Choose another one that it takes.")
    payment_id, now = PaymentId.new(), using.clock.now()
    pool, keys = using.pool, using.account_keys
    taken = await take_address(order.shop_id, chain, account, payment_id, pool=pool, account_keys=keys)
    receive = taken.receive
    policy, price = chain.policies[asset], order.total.units
    at_risk = chain.mempool and order.zero_confirmation_up_to is not None and price <= order.zero_confirmation_up_to
    quote = signed_quote(
        payment_id,
        locked,
        price=order.total,
        chain=chain,
        address=receive.address,
        expires_at=order.pay_by,
        signer=using.signer,
    )
    requested = PaymentRequested(
        payment_id=payment_id,
        order_id=order.order_id,
        shop_id=order.shop_id,
        merchant_id=order.merchant_id,
        customer_id=order.customer_id,
        chain=chain.name,
        asset=asset,
        address=receive.address,
        watch_key=receive.key,
        derivation_index=taken.index,
        due=Money(asset=asset, units=locked.amount.units),
        quote=quote,
        confirmations=policy.confirmations(price, chain=chain.confirmations, shop=order.confirmations.get(asset, 0)),
        terms=policy.terms(locked.amount.units, price=price).model_copy(update={"zero_confirmation": at_risk}),
        requested_at=now,
        expires_at=order.pay_by,
    )
    guard = Guard("orders", order.order_id, order.version)
    stored = await using.store.request(requested, taken=taken, guard=guard, by=by, now=now, reply=created)
    if stored is None:
        await pool.release(payment_id)
    return stored


def _chain(command: RequestPayment, order: PayableOrder, chains: tuple[PayableChain, ...]) -> PayableChain:
    """Return the chain to pay on: the one that was named, else the first that has the asset."""
    if command.asset not in order.accepts:
        raise AssetNotOffered(f"The shop takes {', '.join(order.accepts)}.", accepts=list(order.accepts))
    for chain in chains:
        if command.asset in chain.contracts and command.chain in (None, chain.name) and chain.family in order.payout:
            return chain
    having = [chain.name for chain in chains if command.asset in chain.contracts]
    raise AssetNotOffered(f"{command.asset} can be paid on: {', '.join(having) or 'no chain'}.", chains=having)


def _must_be_payable(order: PayableOrder) -> None:
    if not order.pending:
        raise NotPayable("It is paid already, called off or expired; see get_order.")
    if not order.total.units:
        raise NotPayable("It costs nothing, so there is nothing to pay.")
    if not order.in_time:
        raise NotPayable("Its time to pay is over. Order again.")


async def _supersede(active: Stored[Payment], asset: Asset, chain: PayableChain, *, by: By, using: Requesting) -> None:
    """Let the customer choose another coin, as long as nothing was seen of the first. Raises PaymentActive."""
    now = using.clock.now()

    def rule(payment: Payment | None) -> Sequence[Fact]:
        if payment is None:
            raise Bug(f"{active.state.payment_id} is gone")
        told = lifecycle.supersede(payment, asset=asset, chain=chain.name, now=now)
        if not told and payment.open and not payment.superseded:
            raise PaymentActive(
                f"{payment.asset} on {payment.chain} has begun to arrive; pay that, or cancel and order again.",
                payment_id=payment.payment_id,
            )
        return told

    await using.store.decide(active.state.payment_id, rule, by=replace(by, once=None), now=now)


def created(stored: Stored[Payment]) -> Reply[PaymentView]:
    """Return the answer to a new payment."""
    return shown(stored, status=201, location=f"/v1/payments/{stored.state.payment_id}")
