"""Hot wallets under chance: drafts, kills, bumps, lost transactions, blocks and reorgs in any order, on real nodes.

The sender of refunds is played by its rules: what is signed is stored with its slots before it is broadcast, or
forgotten; what is stored is only ever replaced by a bump. At the end each receiver has its units exactly once.
"""

import random
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from emulators import ethereum
from emulators.bitcoin import FAUCET
from emulators.component import Running
from emulators.hot_wallets import pay_coins
from emulators.json_rpc import call
from emulators.wallets import BitcoinWallet, EvmWallet
from shared.adapters.bitcoin.address import BitcoinAddresses
from shared.adapters.bitcoin.hot_wallet import BitcoinHotWallet, BitcoinRules, FeePolicy
from shared.adapters.bitcoin.spending_node import SpendingNode
from shared.adapters.evm.address import EvmAddresses
from shared.adapters.evm.chain import EvmChain, Token
from shared.adapters.evm.hot_wallet import EvmHotWallet, EvmRules
from shared.adapters.evm.node import EvmNode
from shared.adapters.evm.spending_node import EvmSpendingNode
from shared.adapters.signing.cloud_kms import CloudKms
from shared.adapters.signing.google_token import MetadataTokens
from shared.kernel.errors import Invalid, Transient
from shared.kernel.money import Asset
from shared.payments.chain import ReceiveAddress
from shared.payments.spending import HotWallet, Intent, SignedTransaction, WalletShort, Whereabouts
from tests.contracts.kms_server import NAME, kms_server
from tests.waiting import until

REFUNDS = 6
STEPS = 80


@dataclass
class Refund:
    """One refund as its sender knows it: every version that was stored."""

    intent: Intent
    stored: list[SignedTransaction] = field(default_factory=list)


@dataclass
class Ground:
    """A hot wallet whose key is in KMS, its chain, and what chance may do there."""

    wallet: HotWallet
    refunds: list[Refund]
    received: Callable[[ReceiveAddress], int]
    mine: Callable[[], object]
    reorg: Callable[[], object]

    @property
    def taken(self) -> set[str]:
        return {slot for refund in self.refunds for signed in refund.stored for slot in signed.slots}

    async def start(self, refund: Refund, chance: random.Random) -> None:
        """Draft and sign; killed before it is stored, or before it is broadcast."""
        signed = await self.wallet.sign(await self.wallet.draft(refund.intent, taken=self.taken))
        if chance.random() < 0.3:
            return
        assert not set(signed.slots) & self.taken
        refund.stored.append(signed)
        if chance.random() < 0.7:
            await self.wallet.broadcast(signed)

    async def bump(self, refund: Refund, chance: random.Random) -> None:
        others = self.taken - {slot for signed in refund.stored for slot in signed.slots}
        signed = await self.wallet.sign(await self.wallet.bump(refund.intent, refund.stored, taken=self.taken))
        assert not set(signed.slots) & others
        assert all(set(signed.slots) & set(before.slots) for before in refund.stored)
        if chance.random() < 0.2:
            return
        refund.stored.append(signed)
        if chance.random() < 0.7:
            await self.wallet.broadcast(signed)

    async def step(self, chance: random.Random) -> None:
        refund = chance.choice(self.refunds)
        action = chance.choice(["go", "bump", "bump", "bump", "again", "any", "mine", "reorg"])
        try:
            if action == "mine":
                self.mine()
            elif action == "reorg":
                self.reorg()
            elif not refund.stored:
                await self.start(refund, chance)
            elif action == "bump" and len(refund.stored) < 5:
                await self.bump(refund, chance)
            elif action in ("again", "any"):
                which = refund.stored[-1] if action == "again" else chance.choice(refund.stored)
                await self.wallet.broadcast(which)
        except (WalletShort, Transient, Invalid):
            self.mine()

    async def finish(self) -> None:
        """Go on by the rules until every refund is final."""

        async def all_are_final() -> bool:
            self.mine()
            final = True
            for refund in self.refunds:
                final = await self.settled(refund) and final
            return final

        await until(all_are_final, "every refund is final", deadline_s=60)

    async def settled(self, refund: Refund) -> bool:
        try:
            if not refund.stored:
                signed = await self.wallet.sign(await self.wallet.draft(refund.intent, taken=self.taken))
                refund.stored.append(signed)
                await self.wallet.broadcast(signed)
                return False
            standings = await self.wallet.standing(refund.stored)
            mined = [each for each in standings if each.whereabouts is Whereabouts.MINED]
            assert len(mined) <= 1
            if all(each.whereabouts is Whereabouts.UNKNOWN for each in standings):
                for signed in reversed(refund.stored):
                    await self.wallet.broadcast(signed)
                    break
            return bool(mined) and mined[0].final
        except (WalletShort, Transient, Invalid):
            return False


@pytest.fixture(params=["bitcoin", "ethereum"])
async def ground(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
    node: Running = request.getfixturevalue(request.param)
    with kms_server() as kms:
        signer = CloudKms(NAME, MetadataTokens(kms.url), url=kms.url)
        if request.param == "bitcoin":
            ground = await on_bitcoin(node.env["BITCOIN_RPC_URL"], signer)
        else:
            ground = await on_ethereum(node.env["EVM_RPC_URL"], signer)
        yield ground
        await signer.close()
    if request.param == "ethereum":
        call(node.env["EVM_RPC_URL"], "evm_setAutomine", True)


async def on_bitcoin(url: str, signer: CloudKms) -> Ground:
    faucet = f"{url}/wallet/{FAUCET}"
    rules = BitcoinRules("regtest", final_depth=3, fees=FeePolicy(limit=10**6))
    wallet = BitcoinHotWallet(SpendingNode(url, target="bitcoin"), signer, rules)
    pay_coins(url, (await wallet.address()).key, 2 * REFUNDS, 200_000)
    miner = BitcoinWallet(url)
    miner.mine(3)
    receivers = [BitcoinAddresses("regtest").parse(call(faucet, "getnewaddress")) for _ in range(REFUNDS)]
    refunds = [
        Refund(Intent(f"ref_{number}", "bitcoin", Asset.BTC, to, 150_000 + number))
        for number, to in enumerate(receivers)
    ]

    def received(to: ReceiveAddress) -> int:
        return int(Decimal(str(call(faucet, "getreceivedbyaddress", to.address, 1))) * 10**8)

    return Ground(wallet, refunds, received, miner.mine, lambda: miner.reorg(2, keep=False))


async def on_ethereum(url: str, signer: CloudKms) -> Ground:
    tokens = (Token(Asset.USDC, ethereum.USDC, 6), Token(Asset.USDT, ethereum.USDT, 6))
    wallet = EvmHotWallet(
        EvmSpendingNode(url, target="evm"),
        EvmChain(EvmNode(url), chain_id=ethereum.CHAIN_ID, tokens=tokens, finality="depth:3"),
        signer,
        EvmRules(ethereum.CHAIN_ID, Asset.ETH, {token.asset: token.contract.lower() for token in tokens}),
    )
    address = (await wallet.address()).address
    customer = EvmWallet(url)
    call(url, "anvil_setBalance", address, hex(10**18))
    customer.issuer("USDC", "mint", address, 10**9)
    customer.issuer("USDT", "issue", address, 10**9)
    assets = [Asset.ETH, Asset.USDC, Asset.USDT] * REFUNDS
    chain = f"evm:{ethereum.CHAIN_ID}"
    refunds = [
        Refund(Intent(f"ref_{number}", chain, assets[number], EvmAddresses().parse("0x" + secrets.token_hex(20)), 777))
        for number in range(REFUNDS)
    ]
    asset_by_key = {refund.intent.to.key: refund.intent.asset for refund in refunds}

    def received(to: ReceiveAddress) -> int:
        asset = asset_by_key[to.key]
        if asset == Asset.ETH:
            return int(call(url, "eth_getBalance", to.address, "latest"), 16)
        contract = ethereum.USDC if asset == Asset.USDC else ethereum.USDT
        data = "0x70a08231" + to.key[2:].rjust(64, "0")
        return int(call(url, "eth_call", {"to": contract, "data": data}, "latest"), 16)

    customer.mine(3)
    customer.automine(False)
    return Ground(wallet, refunds, received, customer.mine, lambda: customer.reorg(2))


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_every_refund_is_paid_exactly_once_whatever_happens(ground: Ground, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(STEPS):
        await ground.step(chance)
    await ground.finish()
    for refund in ground.refunds:
        assert ground.received(refund.intent.to) == refund.intent.units
    assert any(len(refund.stored) > 1 for refund in ground.refunds)
