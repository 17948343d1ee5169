"""Another EVM chain with another token, by CHAINS alone: priced, accepted by a shop, paid, settled, final, reorganised.

The second node is a real one with a chain id of its own; nothing in the code knows the chain or the token.
"""

import json
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import pytest
from pydantic import ValidationError

from emulators import ethereum as ethereum_engine
from emulators.component import Running
from emulators.ethereum import Ethereum
from emulators.wallets import EvmWallet
from shared.kernel.decision import By
from shared.kernel.money import Asset
from shared.payments.model import Amount, Finality
from shared.payments.ports import AssetNotOffered
from shared.prices.poll_prices import poll_prices
from shared.settings import ChainsSettings
from shared.shops.model import RegisterShop
from shared.wiring import prices as prices_wiring
from shared.wiring.resources import database as database_of_process
from tests.integration.paying import Paying

CHAIN_ID = 424_242
CHAIN = f"evm:{CHAIN_ID}"
SYMBOL = "USDCE"
"""A bridged dollar, which no feed of the world knows by this name."""


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Ethereum(name="another", chain_id=CHAIN_ID).start(tmp_path_factory.mktemp("another"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def wallet(second: Running) -> EvmWallet:
    return EvmWallet(second.env["EVM_RPC_URL"])


@pytest.fixture(scope="module")
def token(wallet: EvmWallet) -> str:
    """The contract of a new token, with some of it in the wallet's purse."""
    contract = wallet.deploy("usdc")
    wallet.call("usdc", contract, "mint", wallet.address, 10**12)
    return contract


@pytest.fixture
def environ(ethereum: Running, second: Running, token: str) -> dict[str, str]:
    """CHAINS with the chain that was always there, and after it the new one."""
    tokens = {SYMBOL: {"contract": token, "decimals": 6, "peg": "USD", "priced_as": "USDC"}}
    new = {"kind": "evm", "chain_id": CHAIN_ID, "rpc": second.env["EVM_RPC_URL"], "native": "ETH", "tokens": tokens}
    return {"CHAINS": json.dumps({**ethereum_engine.chain(ethereum.env), CHAIN: new})}


@pytest.fixture
async def paying(
    database: str, environ: dict[str, str], feeds_server: Running, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Paying]:
    for name, value in {**environ, **feeds_server.env, "DATABASE_URL": database, "CORTADO_REGION": "test"}.items():
        monkeypatch.setenv(name, value)
    paying = Paying(database, ChainsSettings.from_env().chains)
    paying.accepts = (Asset.USDC, Asset(SYMBOL))
    await paying.opened()
    await paying.scan(CHAIN)
    yield paying
    assert await paying.replayed() == []
    await paying.closed()


async def test_feeds_price_the_new_token_as_what_it_stands_for(paying: Paying) -> None:
    database_of_process.cache_clear()
    polling = prices_wiring.polling.__wrapped__()
    assert Asset(SYMBOL) in {pair.asset for pair in polling.pairs}
    await poll_prices(by=By("poll_prices"), using=polling)
    rates = {rate.asset: rate.rate for rate in await polling.rows.in_currency("USD")}
    assert rates[Asset(SYMBOL)] == rates[Asset.USDC] != Decimal(0)
    database_of_process().close()
    database_of_process.cache_clear()


async def test_an_order_is_paid_in_the_new_token_on_the_new_chain_and_settles(
    paying: Paying, wallet: EvmWallet, token: str
) -> None:
    await paying.priced_also(Asset(SYMBOL), "0.9259")
    asked = await paying.requested(Asset(SYMBOL))
    assert (asked.chain, asked.asset, asked.quote.contract) == (CHAIN, SYMBOL, token)
    assert asked.link.startswith(f"ethereum:{token}@{CHAIN_ID}/transfer?")
    wallet.call("usdc", token, "transfer", asked.address, asked.due.units)
    wallet.mine(2)
    await paying.settle(CHAIN)
    settled = await paying.payment(asked.payment_id)
    assert (settled.settled, settled.amount, settled.finality) == (True, Amount.EXACT, Finality.CONFIRMED)
    wallet.mine(20)
    await paying.settle(CHAIN)
    assert (await paying.payment(asked.payment_id)).finality is Finality.FINAL


async def test_a_reorg_of_the_new_chain_takes_the_payment_back(paying: Paying, wallet: EvmWallet, token: str) -> None:
    await paying.priced_also(Asset(SYMBOL), "0.9259")
    asked = await paying.requested(Asset(SYMBOL))
    wallet.call("usdc", token, "transfer", asked.address, asked.due.units)
    await paying.settle(CHAIN)
    assert (await paying.payment(asked.payment_id)).settled
    wallet.reorg(1)
    await paying.settle(CHAIN)
    lost = await paying.payment(asked.payment_id)
    assert (lost.settled, lost.finality) == (False, Finality.REVERSED)


async def test_the_same_contract_address_on_the_other_chain_is_another_token(
    paying: Paying, ethereum: Running, wallet: EvmWallet
) -> None:
    """What is paid where nobody asked for it is no payment: the chain id is part of what is allowed."""
    await paying.priced_also(Asset(SYMBOL), "0.9259")
    asked = await paying.requested(Asset(SYMBOL))
    EvmWallet(ethereum.env["EVM_RPC_URL"]).pay("USDC", asked.address, asked.due.units)
    wallet.pay("USDC", asked.address, asked.due.units)  # no token of CHAINS there
    await paying.scan("evm:31337")
    await paying.settle(CHAIN)
    view = await paying.payment(asked.payment_id)
    assert (view.settled, view.amount, view.transfers) == (False, Amount.NONE, ())


async def test_a_shop_accepts_what_chains_names_and_nothing_else(environ: dict[str, str], paying: Paying) -> None:
    opening = {
        "name": "Bohne",
        "address": "Torstr. 1",
        "position": {"latitude": 52.5, "longitude": 13.4},
        "timezone": "Europe/Berlin",
        "currency": "EUR",
        "accepts": [SYMBOL],
        "payout": {"evm": "xpub"},
        "confirmations": {SYMBOL: 3},
    }
    assert RegisterShop.model_validate(opening).accepts == (Asset(SYMBOL),)
    with pytest.raises(ValidationError, match="unknown asset"):
        RegisterShop.model_validate({**opening, "accepts": ["USDCX"], "confirmations": {}})
    with pytest.raises(AssetNotOffered):
        await paying.requested(Asset.USDT)  # known, but not taken here
