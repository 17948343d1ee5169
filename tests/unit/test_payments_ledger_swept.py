"""Correctness 10 with sweeps besides: coins go to the treasury, come back with a reorg, gas is brought and burnt."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from shared.kernel.ids import SweepId
from shared.kernel.money import Asset, Money
from shared.payments import facts
from shared.payments.ledger import entries
from shared.payments.lifecycle import who
from shared.payments.observation import Observation
from shared.payments.refund_model import AGREED
from shared.payments.statement import BalanceView, balance_views
from shared.payments.sweep_values import PaymentSweep, SweepStage
from shared.payments.sweeps import sweepable
from tests.many import runs
from tests.unit import test_payments_ledger as base

GAS = 50
ASSETS = (Asset.USDC, Asset.ETH, Asset.USDT)
LEFT = (SweepStage.MOVING, SweepStage.SWEPT)


class SweptLedgerMachine(base.LedgerMachine):
    """As the machine of the ledger, on a chain whose coin is Ether; its shop sweeps what is final."""

    def said(self, payment_id: str, sweep: PaymentSweep) -> None:
        self.append(payment_id, [facts.PaymentSwept(**who(self.state[payment_id]), sweep=sweep, at=self.now)])

    @precondition(lambda self: self.final_height > 0)
    @rule(asset=st.sampled_from(ASSETS), fee=st.integers(1, 40), gas=st.booleans())
    def sweep_planned(self, asset: Asset, fee: int, gas: bool) -> None:
        height = len(self.blocks) - 1
        for payment_id, payment in self.state.items():
            found = sweepable(
                payment, "fingerprint", asset, height=height, final_height=self.final_height, outputs=False
            )
            if found is None or (asset == Asset.ETH and found.units <= fee):
                continue
            native = asset == Asset.ETH
            sweep = PaymentSweep(
                sweep_id=SweepId.new(),
                stage=SweepStage.PLANNED,
                coins=Money(asset=asset, units=found.units),
                fee=Money(asset=Asset.ETH, units=fee),
                gas=Money(asset=Asset.ETH, units=GAS) if gas and not native else None,
            )
            self.said(payment_id, sweep)

    @precondition(lambda self: any(payment.sweeps for payment in self.state.values()))
    @rule(which=st.integers(0, 2))
    def gas_brought(self, which: int) -> None:
        coin = base.transfer(f"tx{next(self.numbers)}", GAS, f"k{which}", Asset.ETH)
        self.see(Observation(base.CHAIN, self.now, blocks=self.mine([[coin]]), mempool_watched=True))

    @precondition(lambda self: any(payment.sweeps for payment in self.state.values()))
    @rule(data=st.data(), fee=st.integers(1, 40))
    def sweep_goes_on(self, data: st.DataObject, fee: int) -> None:
        """It is mined, final, taken back by a reorg, or given up."""
        having = [(payment_id, one) for payment_id, payment in self.state.items() for one in payment.sweeps]
        payment_id, one = data.draw(st.sampled_from(having))
        may = {
            SweepStage.PLANNED: [SweepStage.MOVING, SweepStage.MOVING, SweepStage.DROPPED],
            SweepStage.MOVING: [SweepStage.SWEPT, SweepStage.SWEPT, SweepStage.PLANNED],
        }
        if one.stage not in may:
            return
        changes: dict[str, object] = {"stage": data.draw(st.sampled_from(may[one.stage]))}
        if changes["stage"] is SweepStage.MOVING:
            burnt = min(fee, one.coins.units) if one.coins.asset == Asset.ETH else fee
            changes |= {"txid": f"s{next(self.numbers)}", "fee": Money(asset=Asset.ETH, units=burnt)}
        self.said(payment_id, one.model_copy(update=changes))

    def teardown(self) -> None:
        """In the end the ledger says what the chain says: what came, what was brought, what left."""
        for payment_id, told in self.told.items():
            self.post(payment_id, len(told))
            assert list(entries(told)) == [e for key, e in sorted(self.ledger.items()) if key[0] == payment_id]
        views = {view.asset: view for view in balance_views(base.balances(self.ledger.values()))}
        mined: Counter[Asset] = Counter()
        for _, held in self.blocks:
            for each in held:
                mined[each.asset] += each.units
        left: Counter[Asset] = Counter()
        treasury: Counter[Asset] = Counter()
        brought = 0
        for payment in self.state.values():
            brought += sum(each.units for each in payment.transfers if each.gas and each.live and each.inclusion)
            for one in payment.sweeps:
                if one.stage in LEFT:
                    own = one.coins.asset == one.fee.asset
                    left[one.coins.asset] += one.coins.units
                    left[one.fee.asset] += 0 if own else one.fee.units
                    if one.stage is SweepStage.SWEPT:
                        treasury[one.coins.asset] += one.coins.units - (one.fee.units if own else 0)
        for asset in (Asset.BTC, *ASSETS):
            view = views.get(asset) or BalanceView.of(asset, {})
            assert view.funded == (brought if asset == Asset.ETH else 0)
            assert view.received + view.funded == mined[asset]
            assert view.addresses == mined[asset] - left[asset]
            assert view.treasury == treasury[asset]
            credited = [p for p in self.state.values() if (p.settled or p.written_off) and not p.closed]
            given = {p.payment_id: sum(r.of_settled for r in p.refunds if r.state in AGREED) for p in credited}
            assert view.settled == sum(max(base.DUE - given[p.payment_id], 0) for p in credited if p.asset is asset)


TestSweptLedger = SweptLedgerMachine.TestCase
TestSweptLedger.settings = settings(max_examples=runs(600), stateful_step_count=40, deadline=None)
