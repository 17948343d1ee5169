"""The rules of sweeps: which coins may move, whose fee it is, and where they lie at every stage."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.errors import Bug
from shared.kernel.ids import MerchantId, OrderId, PaymentId, ShopId, SweepId, UserId
from shared.kernel.money import Asset, Fiat, Money
from shared.payments import facts
from shared.payments.ledger import Position, accounts
from shared.payments.lifecycle import evolve
from shared.payments.model import Amount, Arrival, Finality, Inclusion, Payment, Timing
from shared.payments.statement import balance_views
from shared.payments.sweep_values import (
    PaymentSweep,
    PlannedTransaction,
    SweepPlan,
    SweepStage,
    SweepState,
    SweptCoin,
)
from shared.payments.sweeps import LIFETIME, Went, follow, reserved, shares, sweepable
from shared.payments.sweeps import evolve as evolve_sweep

NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)


def arrival(number: int, units: int, height: int | None, *, asset: Asset | None = None) -> Arrival:
    inclusion = Inclusion(height=height, block_hash=f"h{height}", time=NOW) if height is not None else None
    return Arrival(txid=f"t{number}", position=0, units=units, asset=asset, seen_at=NOW, live=True, inclusion=inclusion)


def a_payment(*arrivals: Arrival, asset: Asset = Asset.BTC, **changes: object) -> Payment:
    quote = facts.Quote(
        payment_id=PaymentId.new(),
        chain="bitcoin",
        asset=asset,
        address="a",
        amount=100,
        price=Fiat(currency="EUR", units=420),
        rate="1",
        feeds=(),
        locked_at=NOW,
        expires_at=NOW,
    )
    payment = Payment(
        payment_id=quote.payment_id,
        order_id=OrderId.new(),
        shop_id=ShopId.new(),
        merchant_id=MerchantId.new(),
        customer_id=UserId.new(),
        chain="bitcoin",
        asset=asset,
        address="a",
        watch_key="k",
        derivation_index=0,
        due=100,
        confirmations=1,
        quote=quote,
        amount=Amount.EXACT,
        timing=Timing.ON_TIME,
        finality=Finality.FINAL,
        transfers=arrivals,
        settled=True,
        final=True,
        requested_at=NOW,
        expires_at=NOW,
        changed_at=NOW,
    )
    return payment.model_copy(update=changes)


def found(payment: Payment, asset: Asset = Asset.BTC, *, final: int = 10, outputs: bool = True) -> int:
    coins = sweepable(payment, "f", asset, height=20, final_height=final, outputs=outputs)
    return coins.units if coins else 0


def test_only_final_coins_of_payments_that_are_over_move() -> None:
    both = (arrival(1, 60, 10), arrival(2, 40, 11))
    assert found(a_payment(*both)) == 60
    assert found(a_payment(*both), final=11) == 100
    assert found(a_payment(*both, final=False), final=11) == 0
    assert found(a_payment(*both, settled=False, final=False), final=11) == 0
    assert found(a_payment(*both, settled=False, final=False, expired=True), final=11) == 100
    assert found(a_payment(*both, final_depth=12), final=11) == 0
    assert found(a_payment(arrival(1, 60, None))) == 0
    assert found(a_payment(arrival(1, 60, 10).model_copy(update={"live": False}))) == 0
    assert found(a_payment(arrival(1, 60, 10).model_copy(update={"gas": True}))) == 0


def test_coins_of_another_kind_move_as_what_they_are() -> None:
    payment = a_payment(arrival(1, 60, 10, asset=Asset.USDT), asset=Asset.USDC)
    assert found(payment, Asset.USDC, outputs=False) == 0
    assert found(payment, Asset.USDT, outputs=False) == 60


@pytest.mark.parametrize("outputs", [True, False])
def test_what_another_plan_has_is_not_planned_again_but_what_came_later_is(outputs: bool) -> None:
    coins = Money(asset=Asset.BTC, units=60)
    taken = PaymentSweep(
        sweep_id=SweepId.new(), stage=SweepStage.PLANNED, coins=coins, fee=coins, inputs=("t1:0",) if outputs else ()
    )
    payment = a_payment(arrival(1, 60, 10), arrival(2, 40, 10))
    for stage in SweepStage:
        after = payment.model_copy(update={"sweeps": (taken.model_copy(update={"stage": stage}),)})
        assert found(after, outputs=outputs) == (100 if stage is SweepStage.DROPPED else 40)


@given(st.lists(st.integers(1, 10**30), min_size=1, max_size=60), st.integers(0, 10**20))
def test_a_fee_is_split_to_the_last_unit(units: list[int], fee: int) -> None:
    parts = shares(units, fee)
    assert sum(parts) == fee
    assert all(part >= 0 for part in parts)
    total = sum(units)
    assert all(part <= -(-fee * each // total) + len(units) for part, each in zip(parts, units, strict=True))


class Walk:
    """A sweep of some payments, followed through whatever the chain shows."""

    def __init__(self, units: list[int], *, native: Asset, asset: Asset) -> None:
        self.native, self.asset = native, asset
        self.payments: dict[PaymentId, Payment] = {}
        coins = []
        for number, each in enumerate(units):
            payment = a_payment(arrival(number, each, 5), asset=asset, due=each)
            self.payments[payment.payment_id] = payment
            coins.append(self._coin(payment, each, number))
        plan = SweepPlan(
            chain="c",
            asset=asset,
            to="t",
            to_key="t",
            fee_rate=1,
            coins=tuple(coins),
            transactions=tuple(
                PlannedTransaction(number=coin.transaction, kind="sweep", body="b", to="t", units=1, fee=1)
                for coin in coins
            ),
        )
        merchant, shop = MerchantId.new(), ShopId.new()
        planned = facts.SweepPlanned(sweep_id=SweepId.new(), shop_id=shop, merchant_id=merchant, plan=plan, at=NOW)
        self.sweep = evolve_sweep(None, planned)
        for coin in coins:
            self._apply(coin.payment_id, reserved(planned, self.payments[coin.payment_id], coin, native))

    def _coin(self, payment: Payment, units: int, number: int) -> SweptCoin:
        said = {"address": "a", "key": f"k{number}", "fingerprint": "f"}
        gas = 0 if self.asset == self.native else 50
        return SweptCoin(
            payment_id=payment.payment_id,
            shop_id=payment.shop_id,
            index=number,
            units=units,
            fee=3,
            transaction=number,
            gas=gas,
            **said,
        )

    def _apply(self, payment_id: PaymentId, fact: facts.PaymentSwept) -> None:
        self.payments[payment_id] = evolve(self.payments[payment_id], fact)

    def look(self, heights: list[int | str | None], *, final: int, at: datetime = NOW) -> None:
        """Show for each coin: not seen ("no"), in the mempool (None), or in a block."""
        went = {
            coin.payment_id: Went(f"x{coin.transaction}", coin.units, 3, height)
            for coin, height in zip(self.sweep.plan.coins, heights, strict=True)
            if not isinstance(height, str)
        }
        told, moved = follow(self.sweep, self.payments, went, native=self.native, final_height=final, now=at)
        for fact in told:
            self.sweep = evolve_sweep(self.sweep, fact)
        for payment_id, facts_ in moved.items():
            for fact in facts_:
                assert isinstance(fact, facts.PaymentSwept)
                self._apply(payment_id, fact)

    def stands(self, state: SweepState) -> bool:
        """Return whether the sweep is in this state."""
        return self.sweep.state is state

    def lies(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for payment in self.payments.values():
            for view in balance_views(accounts(Position(payment, payment.due))):
                assert view.balanced
                if view.asset == self.asset:
                    total.update({name: getattr(view, name) for name in ("addresses", "transit", "treasury", "fees")})
        return total


HEIGHTS = st.one_of(st.just("no"), st.none(), st.integers(1, 20))


@given(st.data(), st.sampled_from([(Asset.BTC, Asset.BTC), (Asset.ETH, Asset.USDC)]))
def test_whatever_the_chain_shows_both_identities_hold_and_final_is_for_ever(
    data: st.DataObject, assets: tuple[Asset, Asset]
) -> None:
    native, asset = assets
    units = data.draw(st.lists(st.integers(10, 10**12), min_size=1, max_size=4))
    walk, final = Walk(units, native=native, asset=asset), 0
    for _ in range(data.draw(st.integers(1, 6))):
        final = max(final, data.draw(st.integers(0, 12)))
        walk.look([data.draw(HEIGHTS) for _ in units], final=final)
        assert sum(walk.lies().values()) == sum(units)
    walk.look([5 for _ in units], final=20)
    assert walk.sweep.state is SweepState.FINAL
    swept = walk.lies()
    assert (swept["addresses"], swept["transit"]) == (0, 0)
    assert swept["treasury"] == sum(units) - (3 * len(units) if native == asset else 0)


def test_what_the_chain_takes_back_before_it_is_final_lies_at_its_address_again() -> None:
    walk = Walk([100, 50], native=Asset.BTC, asset=Asset.BTC)
    walk.look([7, None], final=6)
    assert (walk.sweep.state, walk.lies()["transit"]) == (SweepState.SEEN, 100)
    walk.look([7, 7], final=6)
    assert (walk.sweep.state, walk.lies()["transit"]) == (SweepState.CONFIRMED, 150)
    walk.look([None, 7], final=6)
    assert (walk.sweep.state, walk.lies()["addresses"]) == (SweepState.SEEN, 100)


def test_a_plan_of_which_nothing_is_seen_for_a_week_gives_its_coins_back() -> None:
    walk = Walk([100], native=Asset.BTC, asset=Asset.BTC)
    walk.look(["no"], final=6, at=NOW + LIFETIME)
    assert walk.stands(SweepState.PLANNED)
    walk.look(["no"], final=6, at=NOW + LIFETIME + timedelta(seconds=1))
    assert walk.stands(SweepState.DROPPED)
    (payment,) = walk.payments.values()
    assert found(payment) == 100


def test_gas_that_was_brought_is_nobodys_and_the_same_amount_of_something_else_is_somebodys() -> None:
    walk = Walk([100], native=Asset.ETH, asset=Asset.USDC)
    ((payment_id, payment),) = walk.payments.items()
    said = {"order_id": payment.order_id, "shop_id": payment.shop_id, "merchant_id": payment.merchant_id}

    def included(number: int, units: int, asset: Asset | None) -> Payment:
        return evolve(
            payment,
            facts.PaymentIncluded(
                **said,
                payment_id=payment_id,
                customer_id=payment.customer_id,
                transfer=facts.ChainTransfer(chain="c", txid=f"g{number}", position=0),
                units=units,
                asset=asset,
                height=8,
                block_hash="h",
                block_time=NOW,
            ),
        )

    (view,) = [v for v in balance_views(accounts(Position(included(1, 50, Asset.ETH), 100))) if v.asset == Asset.ETH]
    assert (view.funded, view.addresses, view.received, view.refundable) == (50, 50, 0, 0)
    (view,) = [v for v in balance_views(accounts(Position(included(2, 51, Asset.ETH), 100))) if v.asset == Asset.ETH]
    assert (view.funded, view.received, view.refundable) == (0, 51, 51)
    (view,) = [v for v in balance_views(accounts(Position(included(3, 50, None), 100))) if v.asset == Asset.USDC]
    assert (view.funded, view.received) == (0, 150)


def test_a_stage_of_a_sweep_that_was_never_planned_is_a_bug() -> None:
    payment, coins = a_payment(arrival(1, 60, 5)), Money(asset=Asset.BTC, units=60)
    one = PaymentSweep(sweep_id=SweepId.new(), stage=SweepStage.MOVING, coins=coins, fee=coins)
    said = payment.model_dump(include={"payment_id", "order_id", "shop_id", "merchant_id", "customer_id"})
    with pytest.raises(Bug):
        evolve(payment, facts.PaymentSwept(**said, sweep=one, at=NOW))
    with pytest.raises(Bug):
        evolve_sweep(None, facts.SweepMoved(sweep_id=one.sweep_id, state=SweepState.SEEN, txids={}, at=NOW))
