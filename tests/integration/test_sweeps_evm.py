"""Sweeps of Ether and tokens on a real node: signed elsewhere with the merchant's keys, gas for tokens comes first."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from emulators.component import Running
from emulators.json_rpc import call
from emulators.wallets import EvmWallet
from shared.kernel.errors import Invalid
from shared.kernel.money import Asset
from shared.payments.model import PaymentView
from shared.payments.sweep_ports import NothingToSweep
from shared.payments.sweep_values import PlannedTransaction, SweepState
from tests.integration.paying import Paying, both
from tests.integration.sweeping import Sweeper

CHAIN = "evm:31337"
GWEI = 10**9
FEE = 3 * GWEI


@dataclass
class Ground:
    """A shop that was paid, its merchant's keys, and a node."""

    paying: Paying
    sweeper: Sweeper
    wallet: EvmWallet
    treasury: LocalAccount

    async def paid(self, asset: Asset, count: int = 1) -> list[PaymentView]:
        """Let customers pay so many payments, and make them final."""
        views = [await self.paying.requested(asset) for _ in range(count)]
        for view in views:
            self.wallet.pay(asset, view.address, view.due.units)
        await self.final()
        return views

    async def final(self) -> None:
        """Mine until everything is final, and look."""
        self.wallet.mine(20)
        await self.paying.settle(CHAIN)
        await self.sweeper.follow()

    def key(self, view: PaymentView) -> LocalAccount:
        """The private key behind a payment's address: the merchant's alone."""
        for index in range(40):
            account: LocalAccount = Account.from_key(self.paying.evm_account.key(index).secret)
            if account.address == view.address:
                return account
        raise AssertionError(f"{view.address} is none of the account's")

    def signed(self, planned: PlannedTransaction, account: LocalAccount) -> str:
        """Sign what the plan says, field by field, as an offline wallet does."""
        assert planned.sender == account.address.lower()
        return signed_by(account, planned.fields)

    def arrived(self, asset: str) -> int:
        """Units that lie at the treasury."""
        return EvmWallet(self.wallet.rpc_url, private_key=self.treasury.key.hex()).balance(asset)

    @property
    def purse(self) -> LocalAccount:
        """The key of the wallet that brings gas."""
        account: LocalAccount = Account.from_key(self.wallet.private_key)
        return account


def signed_by(account: LocalAccount, fields: Mapping[str, str]) -> str:
    """Sign an EIP-1559 transaction that is given field by field."""
    as_wallets_take_it: Any = dict(fields)
    return str(account.sign_transaction(as_wallets_take_it).raw_transaction.hex())


@pytest.fixture
async def ground(database: str, ethereum: Running) -> AsyncIterator[Ground]:
    paying = await Paying(database, both(None, dict(ethereum.env))).opened()
    await paying.scan(CHAIN)
    sweeper, wallet = Sweeper(paying), EvmWallet(ethereum.env["EVM_RPC_URL"])
    yield Ground(paying, sweeper, wallet, Account.create())
    assert await sweeper.differences() == []
    await sweeper.closed()
    await paying.closed()


async def test_ether_is_planned_signed_offline_and_arrives_and_the_ledger_follows(ground: Ground) -> None:
    views = await ground.paid(Asset.ETH, 2)
    sweep = await ground.sweeper.plan(CHAIN, Asset.ETH, ground.treasury.address, fee_rate=FEE)
    total = sum(view.due.units for view in views)
    assert (sweep.state, sweep.coins, sweep.total.units) == (SweepState.PLANNED, 2, total)
    by_sender = {ground.key(view).address.lower(): ground.key(view) for view in views}
    for planned in sweep.transactions:
        sent = await ground.sweeper.submit(sweep, ground.signed(planned, by_sender[planned.sender]))
        assert sent.state is SweepState.SEEN
    value = sum(planned.units for planned in sweep.transactions)
    assert ground.arrived("ETH") == value
    await ground.paying.settle(CHAIN)
    await ground.sweeper.follow()
    assert (await ground.sweeper.get(sweep)).state is SweepState.CONFIRMED
    moving = await ground.sweeper.custody(Asset.ETH)
    assert moving["transit"] + moving["addresses"] == total
    await ground.final()
    assert (await ground.sweeper.get(sweep)).state is SweepState.FINAL
    swept = await ground.sweeper.custody(Asset.ETH)
    assert (swept["treasury"], swept["transit"], swept["received"]) == (value, 0, total)
    assert 0 < swept["fees"] <= sum(planned.fee for planned in sweep.transactions)
    assert swept["addresses"] == total - value - swept["fees"]  # the gas that was not used
    for view in views:
        assert (await ground.paying.payment(view.payment_id)).settled
    with pytest.raises(NothingToSweep):
        await ground.sweeper.plan(CHAIN, Asset.ETH, ground.treasury.address, fee_rate=FEE)


@pytest.mark.parametrize("asset", [Asset.USDC, Asset.USDT])
async def test_tokens_get_gas_first_and_it_is_nobodys_payment(ground: Ground, asset: Asset) -> None:
    views = await ground.paid(asset, 2)
    purse, to = ground.wallet.address, ground.treasury.address
    sweep = await ground.sweeper.plan(CHAIN, asset, to, fee_rate=FEE, gas_from=purse)
    total = sum(view.due.units for view in views)
    assert [planned.kind for planned in sweep.transactions] == ["gas", "gas", "sweep", "sweep"]
    by_sender = {ground.key(view).address.lower(): ground.key(view) for view in views}
    by_sender[ground.wallet.address.lower()] = ground.purse
    for planned in sweep.transactions:
        await ground.sweeper.submit(sweep, ground.signed(planned, by_sender[planned.sender]))
    assert ground.arrived(asset) == total
    await ground.final()
    done = await ground.sweeper.get(sweep)
    assert (done.state, len(done.txids)) == (SweepState.FINAL, 4)
    tokens, gas = await ground.sweeper.custody(asset), await ground.sweeper.custody(Asset.ETH)
    assert (tokens["treasury"], tokens["addresses"], tokens["fees"], tokens["funded"]) == (total, 0, 0, 0)
    brought = sum(planned.units for planned in sweep.transactions if planned.kind == "gas")
    assert (gas["funded"], gas["received"], gas["refundable"]) == (brought, 0, 0)
    assert gas["fees"] > 0
    assert gas["addresses"] == brought - gas["fees"]
    for view in views:
        assert (await ground.paying.payment(view.payment_id)).final
        assert (await ground.paying.facts(view.payment_id)).count("seen") == 1


async def test_who_sends_it_himself_is_followed_all_the_same(ground: Ground) -> None:
    (view,) = await ground.paid(Asset.ETH)
    sweep = await ground.sweeper.plan(CHAIN, Asset.ETH, ground.treasury.address, fee_rate=FEE)
    raw = ground.signed(sweep.transactions[0], ground.key(view))
    txid = str(call(ground.wallet.rpc_url, "eth_sendRawTransaction", f"0x{raw}"))
    await ground.final()
    done = await ground.sweeper.get(sweep)
    assert (done.state, done.txids) == (SweepState.FINAL, {0: txid})


async def test_what_was_not_planned_is_not_sent(ground: Ground) -> None:
    (view,) = await ground.paid(Asset.ETH)
    sweep = await ground.sweeper.plan(CHAIN, Asset.ETH, ground.treasury.address, fee_rate=FEE)
    (planned,) = sweep.transactions
    owner, thief = ground.key(view), Account.create()
    elsewhere = {**planned.fields, "to": thief.address}
    less = {**planned.fields, "value": hex(int(planned.fields["value"], 16) - 1)}
    for fields, signer in ((elsewhere, owner), (less, owner), (planned.fields, thief)):
        wrong = signed_by(signer, fields)
        with pytest.raises(Invalid):
            await ground.sweeper.submit(sweep, wrong)
    with pytest.raises(Invalid):
        await ground.sweeper.submit(sweep, planned.body)
    assert ground.arrived("ETH") == 0
    assert (await ground.sweeper.get(sweep)).state is SweepState.PLANNED


async def test_tokens_without_anybody_to_bring_gas_are_refused(ground: Ground) -> None:
    with pytest.raises(Invalid, match="gas_from"):
        await ground.sweeper.plan(CHAIN, Asset.USDC, ground.treasury.address, fee_rate=FEE)
    with pytest.raises(Invalid, match="there are"):
        await ground.sweeper.plan(CHAIN, Asset.BTC, ground.treasury.address, fee_rate=FEE)
    with pytest.raises(NothingToSweep):
        await ground.sweeper.plan(CHAIN, Asset.ETH, ground.treasury.address, fee_rate=FEE)
