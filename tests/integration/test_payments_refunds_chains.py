"""Refunds on real nodes: stuck ones bumped, reorganised ones sent again as they were, refused and reverted ones."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator

import pytest

from emulators import bitcoin as bitcoin_engine
from emulators import ethereum as ethereum_engine
from emulators import hot_wallets
from emulators.bitcoin import FAUCET
from emulators.component import Running
from emulators.json_rpc import call
from emulators.wallets import SATOSHI, BitcoinWallet, EvmWallet
from shared.adapters.postgres.refunds import PostgresSendings
from shared.kernel.clock import SystemClock
from shared.kernel.decision import By
from shared.kernel.money import Asset
from shared.payments.facts import RefundDelay
from shared.payments.model import Payment
from shared.payments.refund_model import Refund, RefundState
from shared.payments.refund_policy import RefundPolicy
from shared.payments.send_refund import Sender, Sending
from shared.payments.spending import HotWallet
from shared.settings import ChainsSettings, SigningSettings
from shared.wiring.signing import OpenWallet, wallets_of
from tests.integration.paying import Paying
from tests.integration.refunding import Asking
from tests.unit.played_wallet import PlayedClock, Quiet

EVM = "evm:31337"
STUCK_S = 60
STUCK = {"bitcoin": STUCK_S, "evm": STUCK_S}
POLICY = RefundPolicy(automatic_minor=10**9, automatic_revenue_minor=10**9, stuck_after_s=STUCK)
FINAL = {"bitcoin": 6, EVM: 70}


class Ground:
    """A shop on both chains, hot wallets with fresh keys, and a sender of each chain."""

    def __init__(self, paying: Paying, wallets: tuple[OpenWallet, ...]) -> None:
        self.paying = paying
        self.asking = Asking(paying, POLICY)
        self.wallet_by_chain = {wallet.chain: wallet for wallet in wallets}
        self.clock = PlayedClock(SystemClock().now())
        self.alarms = Quiet()

    def sender(self, chain: str, wallet: HotWallet | None = None) -> Sender:
        return Sender(
            Sending(
                wallet=wallet or self.wallet_by_chain[chain],
                sendings=PostgresSendings(self.paying.db, region="test"),
                alarms=self.alarms,
                policy=POLICY,
                family="bitcoin" if chain == "bitcoin" else "evm",
                clock=self.clock,
            )
        )

    async def send(self, chain: str) -> None:
        await self.sender(chain).run(by=By("send_refund"))

    async def overpaid(self, asset: Asset, payer: BitcoinWallet | EvmWallet) -> Payment:
        """Return a payment that got three times what is due, in a final block."""
        asked = await self.paying.requested(asset)
        if isinstance(payer, BitcoinWallet):
            payer.pay(asked.address, asked.due.units * 3)
        else:
            payer.pay(asset, asked.address, asked.due.units * 3)
        payer.mine(FINAL[asked.chain])
        await self.paying.settle(asked.chain)
        return await self.asking.payment(asked.payment_id)

    async def refund(self, payment: Payment) -> Refund:
        """Return the payment's last refund as it is now."""
        return (await self.asking.payment(payment.payment_id)).refunds[-1]

    async def confirmed(self, payment: Payment, payer: BitcoinWallet | EvmWallet) -> Refund:
        """Let the refund become final, and return it."""
        payer.mine(FINAL[payment.chain])
        await self.send(payment.chain)
        refund = await self.refund(payment)
        assert refund.state is RefundState.CONFIRMED
        return refund


@pytest.fixture
async def ground(database: str, bitcoin: Running, ethereum: Running) -> AsyncIterator[Ground]:
    keys = {family: {"kind": "local", "key": secrets.token_hex(32)} for family in ("bitcoin", "evm")}
    chains = bitcoin_engine.chain(dict(bitcoin.env)) | ethereum_engine.chain(dict(ethereum.env))
    env = {"CHAINS": json.dumps(chains), "SIGNING": json.dumps(keys)}
    await hot_wallets.filled(env)
    paying = await Paying(database, ChainsSettings.from_env(env).chains).opened()
    wallets = wallets_of(ChainsSettings.from_env(env), SigningSettings.from_env(env))
    for chain in paying.chains:
        await paying.scan(chain)
    yield Ground(paying, wallets)
    assert await paying.replayed() == []
    for wallet in wallets:
        await wallet.close()
    await paying.closed()


@pytest.fixture(scope="module")
def evm(ethereum: Running) -> EvmWallet:
    return EvmWallet(ethereum.env["EVM_RPC_URL"])


@pytest.fixture(scope="module")
def miner(bitcoin: Running) -> BitcoinWallet:
    return BitcoinWallet(bitcoin.env["BITCOIN_RPC_URL"], coins=10)


async def test_bitcoin_that_is_stuck_is_bumped_and_what_a_reorg_takes_is_sent_again(
    ground: Ground, miner: BitcoinWallet
) -> None:
    payment = await ground.overpaid(Asset.BTC, miner)
    faucet = f"{miner.rpc_url}/wallet/{FAUCET}"
    to = call(faucet, "getnewaddress", "", "bech32m")
    await ground.asking.ask(payment, to=to)
    await ground.send("bitcoin")
    assert (await ground.refund(payment)).state is RefundState.BROADCAST
    ground.clock.passes(STUCK_S)
    await ground.send("bitcoin")
    first, second = (await ground.refund(payment)).signed
    assert second.fee.units > first.fee.units
    assert set(first.slots) & set(second.slots)
    waiting = call(miner.rpc_url, "getrawmempool")
    assert second.txid in waiting
    assert first.txid not in waiting
    miner.mine()
    await ground.send("bitcoin")
    assert (await ground.refund(payment)).state is RefundState.MINED
    miner.reorg(1, keep=False)
    await ground.send("bitcoin")
    assert (await ground.refund(payment)).state is RefundState.BROADCAST
    miner.mine()
    await ground.send("bitcoin")
    refund = await ground.confirmed(payment, miner)
    assert [signed.txid for signed in refund.signed] == [first.txid, second.txid]
    assert round(call(faucet, "getreceivedbyaddress", to, 1) * SATOSHI) == refund.amount.units == 2 * payment.due
    assert (await ground.paying.facts(payment.payment_id))[-9:] == [
        *("refund_requested", "refund_approved", "refund_signed", "refund_broadcast", "refund_signed", "refund_mined"),
        *("refund_reverted", "refund_mined", "refund_confirmed"),
    ]


async def test_tokens_that_are_stuck_are_bumped_under_one_nonce_and_lost_ones_sent_again(
    ground: Ground, evm: EvmWallet
) -> None:
    payment = await ground.overpaid(Asset.USDT, evm)
    other = EvmWallet(evm.rpc_url)
    before = other.balance("USDT")
    evm.automine(False)
    try:
        await ground.asking.ask(payment, to=other.address)
        await ground.send(EVM)
        for _ in range(2):
            ground.clock.passes(STUCK_S)
            await ground.send(EVM)
        refund = await ground.refund(payment)
        assert len(refund.signed) == 3
        assert len({slot for signed in refund.signed for slot in signed.slots}) == 1
        call(evm.rpc_url, "anvil_dropAllTransactions")  # the node starts anew
        await ground.send(EVM)
    finally:
        evm.automine(True)
    evm.mine()
    await ground.send(EVM)
    assert (await ground.refund(payment)).state is RefundState.MINED
    evm.reorg(2)
    await ground.send(EVM)
    assert len((await ground.refund(payment)).signed) == 3
    evm.mine()
    await ground.send(EVM)
    refund = await ground.confirmed(payment, evm)
    assert other.balance("USDT") - before == refund.amount.units == 2 * payment.due


async def test_a_token_that_refuses_waits_is_declined_and_goes_elsewhere(ground: Ground, evm: EvmWallet) -> None:
    payment = await ground.overpaid(Asset.USDT, evm)
    good = EvmWallet(evm.rpc_url)
    home = (await ground.wallet_by_chain[EVM].address()).address
    evm.issuer("USDT", "setBlackListed", home, True)
    await ground.asking.ask(payment, to=evm.address)
    await ground.send(EVM)
    refund = await ground.refund(payment)
    assert (refund.state, refund.delayed) == (RefundState.APPROVED, RefundDelay.REFUSED)
    evm.issuer("USDT", "setBlackListed", home, False)
    await ground.asking.decide(refund.refund_id, "key_a", approve=False)
    before = good.balance("USDT")
    await ground.asking.ask(payment, to=good.address)
    await ground.send(EVM)
    await ground.confirmed(payment, evm)
    assert good.balance("USDT") - before == 2 * payment.due


async def test_what_the_chain_reverted_for_good_is_sent_anew_and_paid_once(ground: Ground, evm: EvmWallet) -> None:
    payment = await ground.overpaid(Asset.USDT, evm)
    other = EvmWallet(evm.rpc_url)
    before = other.balance("USDT")
    await ground.asking.ask(payment, to=other.address)
    evm.automine(False)
    try:
        await ground.send(EVM)
        call(evm.rpc_url, "anvil_dropAllTransactions")
    finally:
        evm.automine(True)
    evm.issuer("USDT", "setPaused", True)
    try:
        await ground.send(EVM)  # the same bytes, into a token that is paused now
        evm.mine()
        await ground.send(EVM)
        assert (await ground.refund(payment)).state is RefundState.MINED  # nothing is decided before it is final
        evm.mine(FINAL[EVM])
        await ground.send(EVM)
        refund = await ground.refund(payment)
        assert (refund.state, refund.failures) == (RefundState.APPROVED, 1)
        assert refund.lost is not None
        assert refund.lost.units > 0
        await ground.send(EVM)
        assert (await ground.refund(payment)).delayed is RefundDelay.REFUSED
    finally:
        evm.issuer("USDT", "setPaused", False)
    await ground.send(EVM)
    await ground.confirmed(payment, evm)
    assert other.balance("USDT") - before == 2 * payment.due


async def test_an_empty_wallet_keeps_refunds_waiting_until_it_is_filled(ground: Ground, evm: EvmWallet) -> None:
    payment = await ground.overpaid(Asset.USDC, evm)
    home = (await ground.wallet_by_chain[EVM].address()).address
    call(evm.rpc_url, "anvil_setBalance", home, "0x0")
    await ground.asking.ask(payment, to=evm.address)
    await ground.send(EVM)
    assert (await ground.refund(payment)).delayed is RefundDelay.WALLET_SHORT
    assert [what for what, _ in ground.alarms.told] == ["wallet_short"]
    call(evm.rpc_url, "anvil_setBalance", home, hex(10**18))
    await ground.send(EVM)
    await ground.confirmed(payment, evm)
