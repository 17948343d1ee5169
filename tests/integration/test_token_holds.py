"""Correctness 14: a proxy change, a pause, or a balance below its credits stops that asset's settlement alone."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from emulators import ethereum as ethereum_engine
from emulators.component import Running
from emulators.ethereum import USDC, USDT, Ethereum
from emulators.json_rpc import call
from emulators.wallets import EvmWallet
from shared.adapters.chain_gauges import PrometheusGauges
from shared.adapters.evm.keccak import keccak256
from shared.adapters.postgres.database import Sql
from shared.kernel.money import Asset
from shared.payments.model import PaymentView
from shared.settings import ChainsSettings
from tests.integration.paying import Paying, both

CHAIN = "evm:31337"
IMPLEMENTATION = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"
HOLDS = Sql("select asset, reason from asset_holds order by asset")
ACCEPT = Sql("delete from token_contracts where chain = :chain and asset = :asset")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Running]:
    running = Ethereum(name="lonely").start(tmp_path)
    yield running
    running.stop()


@pytest.fixture
def wallet(node: Running) -> EvmWallet:
    wallet = EvmWallet(node.env["EVM_RPC_URL"])
    wallet.mine(5)
    return wallet


@pytest.fixture
async def paying(database: str, node: Running, wallet: EvmWallet) -> AsyncIterator[Paying]:
    paying = await Paying(database, both(None, dict(node.env))).opened()
    await paying.scan(CHAIN)
    yield paying
    assert await paying.replayed() == []
    await paying.closed()


async def held(paying: Paying) -> dict[str, str]:
    return {str(asset): str(reason) for asset, reason in await paying.db.run(HOLDS)}


async def paid(paying: Paying, wallet: EvmWallet, asset: Asset) -> PaymentView:
    asked = await paying.requested(asset)
    wallet.pay(asset, asked.address, asked.due.units)
    return asked


async def settled(paying: Paying, asked: PaymentView) -> bool:
    return (await paying.payment(asked.payment_id)).settled


async def stops_usdc_alone(paying: Paying, wallet: EvmWallet) -> PaymentView:
    """See that one asset is held and the other is not; return a payment that waits."""
    waiting = await paying.requested(Asset.USDC)
    other = await paid(paying, wallet, Asset.USDT)
    ether = await paid(paying, wallet, Asset.ETH)
    await paying.settle(CHAIN)
    assert list(await held(paying)) == ["USDC"]
    assert (await settled(paying, other), await settled(paying, ether)) == (True, True)
    return waiting


async def test_in_a_paused_token_nothing_settles_until_it_goes_on(paying: Paying, wallet: EvmWallet) -> None:
    asked = await paid(paying, wallet, Asset.USDC)
    wallet.issuer("USDC", "setPaused", True)
    await stops_usdc_alone(paying, wallet)
    assert (await held(paying))["USDC"] == "its contract is paused"
    assert not await settled(paying, asked)
    assert await paying.facts(asked.payment_id) == ["requested", "seen", "included"]
    wallet.mine(20)
    await paying.settle(CHAIN)
    assert not await settled(paying, asked)
    wallet.issuer("USDC", "setPaused", False)
    await paying.settle(CHAIN)
    assert await settled(paying, asked)
    assert await held(paying) == {}


@pytest.mark.parametrize("change", ["implementation", "code"])
async def test_other_code_behind_a_token_stops_it_until_somebody_has_looked(
    paying: Paying, wallet: EvmWallet, change: str
) -> None:
    wallet.mine(1)
    await paying.settle(CHAIN)  # what runs there now is known
    asked = await paid(paying, wallet, Asset.USDC)
    if change == "implementation":
        call(wallet.rpc_url, "anvil_setStorageAt", USDC, IMPLEMENTATION, "0x" + wallet.address[2:].rjust(64, "0"))
    else:
        code = call(wallet.rpc_url, "eth_getCode", USDC, "latest")
        call(wallet.rpc_url, "anvil_setCode", USDC, code + "00")
    wallet.mine(1)
    await stops_usdc_alone(paying, wallet)
    assert "other code" in (await held(paying))["USDC"]
    assert not await settled(paying, asked)
    await paying.db.run(ACCEPT, chain=CHAIN, asset="USDC")
    wallet.mine(1)
    await paying.settle(CHAIN)
    assert await settled(paying, asked)
    assert await held(paying) == {}


async def test_a_balance_below_its_credits_stops_the_token(paying: Paying, wallet: EvmWallet) -> None:
    """A token whose owner takes coins away without a log; the first payment's coins are gone, the second waits."""
    robbed = await paid(paying, wallet, Asset.USDC)
    await paying.settle(CHAIN)
    assert await settled(paying, robbed)
    place = "0x" + keccak256(bytes.fromhex(robbed.address[2:].rjust(64, "0") + f"{2:064x}")).hex()
    balance = call(wallet.rpc_url, "eth_getStorageAt", USDC, place, "latest")
    assert int(balance, 16) == robbed.due.units
    call(wallet.rpc_url, "anvil_setStorageAt", USDC, place, f"0x{robbed.due.units - 1:064x}")
    asked = await paid(paying, wallet, Asset.USDC)
    await stops_usdc_alone(paying, wallet)
    assert "less of it than was credited" in (await held(paying))["USDC"]
    assert not await settled(paying, asked)
    call(wallet.rpc_url, "anvil_setStorageAt", USDC, place, balance)
    wallet.mine(1)
    await paying.settle(CHAIN)
    assert await settled(paying, asked)


async def test_a_sweep_of_tokens_is_no_balance_below_its_credits(paying: Paying, wallet: EvmWallet) -> None:
    asked = await paid(paying, wallet, Asset.USDC)
    await paying.settle(CHAIN)
    wallet.pay("ETH", asked.address, 10**17)  # for gas
    call(wallet.rpc_url, "anvil_impersonateAccount", asked.address)
    token, data = wallet.transfer_call("USDC", wallet.address, asked.due.units)
    call(wallet.rpc_url, "eth_sendTransaction", {"from": asked.address, "to": token, "data": data})
    for _ in range(3):
        wallet.mine(1)
        await paying.settle(CHAIN)
        assert await held(paying) == {}
    assert await settled(paying, asked)


async def test_a_reorg_that_takes_coins_back_is_no_balance_below_its_credits(paying: Paying, wallet: EvmWallet) -> None:
    asked = await paid(paying, wallet, Asset.USDC)
    await paying.settle(CHAIN)
    wallet.reorg(1)
    await paying.settle(CHAIN)
    assert not await settled(paying, asked)
    wallet.mine(1)
    await paying.settle(CHAIN)
    assert await held(paying) == {}


async def test_a_token_with_other_decimals_on_the_chain_than_in_chains_is_held(
    database: str, node: Running, wallet: EvmWallet
) -> None:
    chain = ethereum_engine.chain(node.env)
    tokens = {"USDCN": {"contract": USDC, "decimals": 9, "peg": "USD"}, "USDT": {"contract": USDT, "decimals": 6}}
    told = {CHAIN: {**chain[CHAIN], "tokens": tokens}}  # type: ignore[dict-item]  # an entry of CHAINS is a dict
    paying = await Paying(database, ChainsSettings.from_env({"CHAINS": json.dumps(told)}).chains).opened()
    await paying.scan(CHAIN)
    assert await held(paying) == {"USDCN": "it has 6 decimals on the chain, and 9 in CHAINS"}
    await paying.closed()


async def test_what_is_held_is_shown(paying: Paying, wallet: EvmWallet) -> None:
    gauges = PrometheusGauges()

    def shown() -> float | None:
        return REGISTRY.get_sample_value("chain_asset_held", {"chain": CHAIN, "asset": "USDC"})

    gauges.held(CHAIN, {Asset.USDC: "its contract is paused"})
    assert shown() == 1
    gauges.held(CHAIN, {})
    assert shown() == 0
