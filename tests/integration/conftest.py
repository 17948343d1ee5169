"""What several integration tests start from; a file that needs it otherwise has a fixture of that name itself."""

from collections.abc import AsyncIterator

import pytest

from emulators.component import Running
from emulators.wallets import BitcoinWallet, EvmWallet
from tests.integration.paying import Paying, both
from tests.integration.reconciling import EVM, World, opened


@pytest.fixture(scope="module")
def bitcoins(bitcoin: Running) -> BitcoinWallet:
    """A customer with bitcoins, in coins enough for a test file."""
    return BitcoinWallet(bitcoin.env["BITCOIN_RPC_URL"], coins=20)


@pytest.fixture(scope="module")
def ethers(ethereum: Running) -> EvmWallet:
    """A customer with ether and tokens."""
    return EvmWallet(ethereum.env["EVM_RPC_URL"])


@pytest.fixture
async def world(
    database: str, bitcoin: Running, ethereum: Running, bitcoins: BitcoinWallet, ethers: EvmWallet
) -> AsyncIterator[World]:
    """A shop on both chains, and what reconciles it."""
    async with opened(database, {**bitcoin.env, **ethereum.env}, bitcoins, ethers) as world:
        yield world


@pytest.fixture
def wallet(ethers: EvmWallet) -> EvmWallet:
    """The customer of `paying`."""
    return ethers


@pytest.fixture
async def paying(database: str, ethereum: Running, wallet: EvmWallet) -> AsyncIterator[Paying]:
    """A shop that is paid on the local Ethereum chain; what earlier tests did there is final."""
    wallet.mine(20)
    paying = await Paying(database, both(None, dict(ethereum.env))).opened()
    await paying.scan(EVM)
    yield paying
    await paying.closed()
