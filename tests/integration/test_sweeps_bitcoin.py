"""Sweeps of BTC on a real node: planned here, signed elsewhere with the merchant's key, followed until final.

What plan_sweep gives out, and what follow_sweeps sees of it on the chain.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from embit.bip32 import HDKey
from embit.psbt import PSBT

from emulators.component import Running
from emulators.json_rpc import call
from emulators.wallets import BitcoinWallet
from shared.kernel.errors import Conflict, Invalid, NotFound
from shared.kernel.money import Asset
from shared.payments.model import PaymentView
from shared.payments.sweep_model import SweepView
from shared.payments.sweep_ports import NothingToSweep, SweepRefused
from shared.payments.sweep_values import SweepState
from tests.integration.paying import Paying, both
from tests.integration.sweeping import Sweeper

CHAIN = "bitcoin"


@dataclass
class Ground:
    """A shop that was paid, its merchant's wallet, and a node."""

    paying: Paying
    sweeper: Sweeper
    wallet: BitcoinWallet
    rpc: str

    async def paid(self, count: int, *, blocks: int = 6) -> list[PaymentView]:
        """Let customers pay so many payments, and so many blocks pass."""
        views = [await self.paying.requested(Asset.BTC) for _ in range(count)]
        self.wallet.pay_many([(view.address, view.due.units) for view in views])
        self.wallet.mine(blocks)
        await self.paying.settle(CHAIN)
        return views

    async def mined(self, blocks: int) -> None:
        """Let blocks pass, and look."""
        self.wallet.mine(blocks)
        await self.paying.settle(CHAIN)
        await self.sweeper.follow()

    def treasury(self) -> str:
        """A fresh address of the node's own wallet."""
        return str(call(f"{self.rpc}/wallet/faucet", "getnewaddress", "", "bech32m"))

    def received(self, address: str) -> int:
        """Satoshi that a treasury address was sent, mined or not."""
        return int(call(f"{self.rpc}/wallet/faucet", "getreceivedbyaddress", address, 0) * 10**8 + 0.5)


@pytest.fixture(scope="module")
def wallet(bitcoin: Running) -> BitcoinWallet:
    return BitcoinWallet(bitcoin.env["BITCOIN_RPC_URL"], coins=20)


@pytest.fixture
async def ground(database: str, bitcoin: Running, wallet: BitcoinWallet) -> AsyncIterator[Ground]:
    paying = await Paying(database, both(dict(bitcoin.env), None)).opened()
    await paying.scan(CHAIN)
    sweeper = Sweeper(paying)
    yield Ground(paying, sweeper, wallet, bitcoin.env["BITCOIN_RPC_URL"])
    assert await sweeper.differences() == []
    await sweeper.closed()
    await paying.closed()


def signed(sweep: SweepView, xprv: str) -> list[str]:
    """Sign every PSBT of a plan as the merchant's offline wallet does, which knows nothing but its account key."""
    done = []
    for planned in sweep.transactions:
        psbt = PSBT.parse(b64decode(planned.body))
        assert psbt.sign_with(HDKey.from_string(xprv)) == len(psbt.inputs)
        done.append(b64encode(psbt.serialize()).decode())
    return done


async def test_coins_are_planned_signed_offline_and_arrive_and_the_ledger_follows(ground: Ground) -> None:
    views, treasury = await ground.paid(3), ground.treasury()
    sweep = await ground.sweeper.plan(CHAIN, Asset.BTC, treasury, fee_rate=2_000)
    total = sum(view.due.units for view in views)
    (planned,) = sweep.transactions
    assert (sweep.state, sweep.coins, sweep.total.units) == (SweepState.PLANNED, 3, total)
    assert (planned.units + planned.fee, planned.to) == (total, treasury)
    (psbt,) = signed(sweep, ground.paying.bitcoin_account.xprv)
    sent = await ground.sweeper.submit(sweep, psbt)
    assert (sent.state, sent.txids) == (SweepState.SEEN, {0: planned.txid})
    assert ground.received(treasury) == planned.units
    await ground.mined(1)
    assert (await ground.sweeper.get(sweep)).state is SweepState.CONFIRMED
    moving = await ground.sweeper.custody(Asset.BTC)
    assert (moving["addresses"], moving["transit"], moving["treasury"]) == (0, total, 0)
    await ground.mined(5)
    assert (await ground.sweeper.get(sweep)).state is SweepState.FINAL
    swept = await ground.sweeper.custody(Asset.BTC)
    assert (swept["addresses"], swept["transit"]) == (0, 0)
    assert (swept["treasury"], swept["fees"]) == (planned.units, planned.fee)
    assert swept["received"] == total
    with pytest.raises(NothingToSweep):
        await ground.sweeper.plan(CHAIN, Asset.BTC, treasury)
    for view in views:
        assert (await ground.paying.facts(view.payment_id))[-3:] == ["swept"] * 3


async def test_whoever_sends_it_himself_is_followed_all_the_same_and_a_reorg_takes_it_back(ground: Ground) -> None:
    await ground.paid(1)
    sweep = await ground.sweeper.plan(CHAIN, Asset.BTC, ground.treasury())
    (psbt,) = signed(sweep, ground.paying.bitcoin_account.xprv)
    raw = call(ground.rpc, "finalizepsbt", psbt)["hex"]
    call(ground.rpc, "sendrawtransaction", raw)
    await ground.mined(1)
    assert (await ground.sweeper.get(sweep)).state is SweepState.CONFIRMED
    before = await ground.sweeper.custody(Asset.BTC)
    ground.wallet.reorg(1, keep=True)
    await ground.paying.settle(CHAIN)
    await ground.sweeper.follow()
    after = await ground.sweeper.get(sweep)
    assert after.state in (SweepState.SEEN, SweepState.CONFIRMED)
    if after.state is SweepState.SEEN:
        assert (await ground.sweeper.custody(Asset.BTC))["addresses"] == before["transit"]
    await ground.mined(6)
    assert (await ground.sweeper.get(sweep)).state is SweepState.FINAL


async def test_rule_12_neither_open_nor_unfinal_nor_planned_coins_move(ground: Ground) -> None:
    await ground.paid(1, blocks=3)
    with pytest.raises(NothingToSweep):  # three blocks are not final
        await ground.sweeper.plan(CHAIN, Asset.BTC, ground.treasury())
    under = await ground.paying.requested(Asset.BTC)
    ground.wallet.pay(under.address, under.due.units - 2_000)
    ground.wallet.mine(7)
    await ground.paying.settle(CHAIN)
    sweep = await ground.sweeper.plan(CHAIN, Asset.BTC, ground.treasury())
    assert sweep.coins == 1  # the other payment is open: the rest may still come
    with pytest.raises(NothingToSweep):
        await ground.sweeper.plan(CHAIN, Asset.BTC, ground.treasury())
    dropped = await ground.sweeper.drop(sweep)
    assert dropped.state is SweepState.DROPPED
    assert (await ground.sweeper.drop(sweep)).version == dropped.version
    (psbt,) = signed(sweep, ground.paying.bitcoin_account.xprv)
    with pytest.raises(SweepRefused):
        await ground.sweeper.submit(sweep, psbt)
    again = await ground.sweeper.plan(CHAIN, Asset.BTC, ground.treasury())
    assert again.total == sweep.total


async def test_five_plans_at_once_have_each_coin_once(ground: Ground) -> None:
    views = await ground.paid(4)

    async def plan() -> SweepView | None:
        try:
            return await ground.sweeper.plan(CHAIN, Asset.BTC, ground.treasury())
        except Conflict:
            return None

    plans = [one for one in await asyncio.gather(*(plan() for _ in range(5))) if one is not None]
    assert sum(one.coins for one in plans) == len(views)


async def test_what_was_not_planned_is_not_sent(ground: Ground) -> None:
    await ground.paid(2)
    sweep = await ground.sweeper.plan(CHAIN, Asset.BTC, ground.treasury())
    key = HDKey.from_string(ground.paying.bitcoin_account.xprv)

    def changed(**what: int) -> str:
        psbt = PSBT.parse(b64decode(sweep.transactions[0].body))
        psbt.outputs[0].value -= what.get("less", 0)
        psbt.sign_with(key)
        return b64encode(psbt.serialize()).decode()

    unsigned = sweep.transactions[0].body
    half = PSBT.parse(b64decode(unsigned))
    half.sign_with(key.derive([0, 0]))
    for wrong in (changed(less=1), unsigned, "00" * 40, b64encode(b"psbt\xff" + bytes(40)).decode(), "A" * 400):
        with pytest.raises(Invalid):
            await ground.sweeper.submit(sweep, wrong)
    assert (await ground.sweeper.get(sweep)).state is SweepState.PLANNED
    await ground.sweeper.submit(sweep, changed())
    assert (await ground.sweeper.submit(sweep, changed())).state is SweepState.SEEN
    with pytest.raises(SweepRefused):
        await ground.sweeper.drop(sweep)


async def test_a_treasury_is_no_receive_address_and_a_sweep_is_its_merchants_alone(ground: Ground) -> None:
    views = await ground.paid(1)
    with pytest.raises(Invalid, match="receive address"):
        await ground.sweeper.plan(CHAIN, Asset.BTC, views[0].address)
    with pytest.raises(Invalid):
        await ground.sweeper.plan(CHAIN, Asset.BTC, "0x5AAEB6053F3E94C9b9A09f33669435E7Ef1BeAed")
    with pytest.raises(Invalid, match="chain is one of"):
        await ground.sweeper.plan("evm:1", Asset.BTC, ground.treasury())
    sweep = await ground.sweeper.plan(CHAIN, Asset.BTC, ground.treasury())
    assert [one.sweep_id for one in await ground.sweeper.listed()] == [sweep.sweep_id]
    stranger = ground.sweeper.stranger()
    for act in (stranger.get(sweep), stranger.drop(sweep), stranger.listed(), stranger.submit(sweep, "00" * 40)):
        with pytest.raises(NotFound):
            await act
    with pytest.raises(NotFound):
        await stranger.plan(CHAIN, Asset.BTC, ground.treasury())


async def test_hardware_wallets_find_their_keys_by_the_origin_that_is_named(ground: Ground) -> None:
    await ground.paid(1)
    sweep = await ground.sweeper.plan(CHAIN, Asset.BTC, ground.treasury(), origin="d34db33f/84h/1h/0h")
    psbt = PSBT.parse(b64decode(sweep.transactions[0].body))
    (derivation,) = psbt.inputs[0].bip32_derivations.values()
    hardened = 1 << 31
    assert derivation.fingerprint.hex() == "d34db33f"
    assert derivation.derivation == [84 + hardened, 1 + hardened, hardened, 0, 0]
    assert psbt.inputs[0].non_witness_utxo is not None
