"""The EVM adapter on a real node: ETH and both tokens, reorgs, thousand-block ranges, and nodes that lie."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from bip_utils import Bip44, Bip44Coins

from emulators import ethereum
from emulators.component import Running
from emulators.json_rpc import call
from emulators.wallets import EvmWallet
from shared.adapters.evm.address import EvmAddresses
from shared.adapters.evm.chain import EvmChain, Token
from shared.adapters.evm.node import EvmNode, Log
from shared.adapters.json_rpc import JsonRpc, RpcRefused
from shared.adapters.resilience import Limits
from shared.kernel.errors import Transient
from shared.kernel.money import Asset
from shared.payments.chain import NATIVE_POSITION, BlockRef, ChainMoved, NodeUntrusted, ReceiveAddress

ADDRESSES = EvmAddresses()
SEED = time.time_ns().to_bytes(64, "big")
ACCOUNT = str(Bip44.FromSeed(SEED, Bip44Coins.ETHEREUM).Purpose().Coin().Account(0).PublicKey().ToExtended())
TOKENS = (Token(Asset.USDC, ethereum.USDC, 6), Token(Asset.USDT, ethereum.USDT, 6))
_indices = iter(range(2**31))


def receiver() -> ReceiveAddress:
    return ADDRESSES.receive(ACCOUNT, next(_indices))


@pytest.fixture(scope="module")
def rpc_url(ethereum: Running) -> str:
    return ethereum.env["EVM_RPC_URL"]


@pytest.fixture(scope="module")
def wallet(rpc_url: str) -> EvmWallet:
    return EvmWallet(rpc_url)


@pytest.fixture
async def chain(rpc_url: str) -> AsyncIterator[EvmChain]:
    chain = EvmChain(EvmNode(rpc_url), chain_id=ethereum.CHAIN_ID, tokens=TOKENS)
    yield chain
    await chain.close()


@pytest.fixture
def start(wallet: EvmWallet) -> int:
    """The height of the next block."""
    return height(wallet) + 1


@pytest.fixture
def by_command(wallet: EvmWallet) -> Iterator[EvmWallet]:
    """The wallet, while transactions wait until it mines."""
    wallet.automine(False)
    yield wallet
    wallet.automine(True)


def height(wallet: EvmWallet) -> int:
    return int(call(wallet.rpc_url, "eth_blockNumber"), 16)


async def test_each_asset_is_found_in_the_order_of_the_chain(chain: EvmChain, wallet: EvmWallet, start: int) -> None:
    to, other = receiver(), receiver()
    paid = [
        (asset, wallet.pay(asset, to.address, units)) for asset, units in (("ETH", 10**18), ("USDC", 25), ("USDT", 36))
    ]
    wallet.pay("USDC", other.address, 77)
    wallet.mine(3)
    scanned = await chain.scan(start, start + 6, {to.key})

    assert [(each.asset, each.txid) for each in scanned.transfers] == paid
    assert [each.units for each in scanned.transfers] == [10**18, 25, 36]
    assert [each.position for each in scanned.transfers] == [NATIVE_POSITION, 0, 0]
    assert {each.to for each in scanned.transfers} == {to.key}
    assert [block.ref.height for block in scanned.blocks] == list(range(start, start + 7))
    assert [block.parent_hash for block in scanned.blocks[1:]] == [block.ref.hash for block in scanned.blocks[:-1]]
    assert scanned.blocks[0].parent_hash == await chain.block_hash(start - 1)
    assert scanned.last == await chain.tip()
    for block, transfer in zip(scanned.blocks, scanned.transfers, strict=False):
        assert transfer.block == block.ref
        assert transfer.time == block.time == block.median_time


async def test_fee_of_a_token_is_not_credited(chain: EvmChain, wallet: EvmWallet, start: int) -> None:
    to = receiver()
    wallet.issuer("USDT", "setParams", 19, 49 * 10**6)
    txid = wallet.pay("USDT", to.address, 10_000_000)
    wallet.issuer("USDT", "setParams", 0, 0)
    scanned = await chain.scan(start, height(wallet), {to.key, ethereum.DEPLOYER})
    assert [(each.txid, each.to, each.units, each.position) for each in scanned.transfers] == [
        (txid, to.key, 9_981_000, 0),
        (txid, ethereum.DEPLOYER, 19_000, 1),
    ]


async def test_transfer_keeps_its_identity_when_it_is_included_again_elsewhere(
    chain: EvmChain, by_command: EvmWallet
) -> None:
    """Several logs in one transaction, in a block where others come first; after the reorg they don't."""
    wallet = by_command
    to = receiver()
    wallet.automine(True)
    till = wallet.deploy("till")
    rival = EvmWallet(wallet.rpc_url)
    wallet.pay("USDC", till, 1000)
    wallet.pay("USDT", till, 1000)
    wallet.automine(False)
    start = height(wallet) + 1
    calls = [wallet.transfer_call(asset, to.address, units) for asset, units in (("USDC", 5), ("USDT", 6), ("USDC", 7))]
    # The higher tip makes the rival's log the first of the block.
    rival.send(dict(zip(("to", "data"), rival.transfer_call("USDC", to.address, 4), strict=True)) | HIGH_TIP)
    txid = wallet.call("till", till, "batch", [each[0] for each in calls], [each[1] for each in calls])
    wallet.mine()
    [before] = (await chain.scan(start, start, {to.key})).blocks
    assert [(each.asset, each.position, each.units) for each in before.transfers] == [
        (Asset.USDC, 0, 4),
        (Asset.USDC, 0, 5),
        (Asset.USDT, 1, 6),
        (Asset.USDC, 2, 7),
    ]
    wallet.reorg(1, keep=[txid])
    [after] = (await chain.scan(start, start, {to.key})).blocks
    assert after.ref.hash != before.ref.hash
    assert [each.id for each in after.transfers] == [each.id for each in before.transfers[1:]]
    wallet.mine()


HIGH_TIP: dict[str, object] = {"maxPriorityFeePerGas": 50 * 10**9}


async def test_reorg_of_three_blocks_shows_in_hashes_and_parents(
    chain: EvmChain, wallet: EvmWallet, start: int
) -> None:
    to = receiver()
    for asset in ("ETH", "USDC", "USDT"):
        wallet.pay(asset, to.address, 1)
    lost = await chain.scan(start, start + 2, {to.key})
    assert len(lost.transfers) == 3
    wallet.reorg(3)
    assert await chain.block_hash(start - 1) == lost.blocks[0].parent_hash
    for block in lost.blocks:
        assert await chain.block_hash(block.ref.height) != block.ref.hash
    found = await chain.scan(start, start + 3, {to.key})
    assert found.transfers == ()
    assert found.blocks[3].parent_hash != lost.last.hash


async def test_what_only_looks_like_a_payment_is_none(chain: EvmChain, wallet: EvmWallet, start: int) -> None:
    to = receiver()
    # A transferFrom of nothing needs nobody's consent, and writes a log all the same.
    token, _ = wallet.transfer_call("USDC", to.address, 0)
    words = (to.key[2:].rjust(64, "0"), to.key[2:].rjust(64, "0"), "0" * 64)
    wallet.send({"to": token, "data": "0x23b872dd" + "".join(words)})
    # Value sent to a contract that refuses it.
    failed = wallet.send({"to": token, "value": 10**18, "gas": 100_000})
    assert call(wallet.rpc_url, "eth_getTransactionReceipt", failed)["status"] == "0x0"
    scanned = await chain.scan(start, height(wallet), {to.key, token.lower()})
    assert scanned.transfers == ()


async def test_range_of_a_thousand_blocks_is_read_without_missing_a_payment(
    chain: EvmChain, by_command: EvmWallet
) -> None:
    wallet = by_command
    start = height(wallet) + 1
    receivers = [receiver() for _ in range(30)]
    paid = []
    for number, to in enumerate(receivers):
        asset = ("ETH", "USDC", "USDT")[number % 3]
        wallet.mine(32)
        paid.append((asset, wallet.pay(asset, to.address, number + 1), start + 33 * number + 32, to.key))
        wallet.mine()
    wallet.mine(1000 - 33 * len(receivers))
    started = time.perf_counter()
    scanned = await chain.scan(start, start + 999, {each.key for each in receivers})
    assert time.perf_counter() - started < 20
    assert len(scanned.blocks) == 1000
    found = [(each.asset, each.txid, each.block and each.block.height, each.to) for each in scanned.transfers]
    assert found == paid


async def test_range_that_a_node_calls_too_large_is_halved(
    chain: EvmChain, wallet: EvmWallet, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = receiver()
    paid = []
    for _ in range(4):
        paid.append(wallet.pay("USDT", to.address, 3))
        wallet.mine(19)
    real = JsonRpc.call
    widths = []

    async def narrow(self: JsonRpc, kind: type[object], method: str, *params: object) -> object:
        if method == "eth_getLogs":
            asked = params[0]
            assert isinstance(asked, dict)
            width = int(asked["toBlock"], 16) - int(asked["fromBlock"], 16) + 1
            widths.append(width)
            if width > 10:
                raise RpcRefused(method, -32005, "query returned more than 10000 results")
        return await real(self, kind, method, *params)

    monkeypatch.setattr(JsonRpc, "call", narrow)
    scanned = await chain.scan(start, start + 79, {to.key})
    assert [each.txid for each in scanned.transfers] == paid
    assert max(widths) > 10
    assert sum(width for width in widths if width <= 10) == max(widths)


async def test_node_that_withholds_logs_is_found_out(
    chain: EvmChain, wallet: EvmWallet, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = receiver()
    wallet.pay("USDC", to.address, 3)

    async def silent(self: EvmNode, contracts: object, block_hashes: list[str]) -> list[list[Log]]:
        return [[] for _ in block_hashes]

    monkeypatch.setattr(EvmNode, "block_logs", silent)
    with pytest.raises(NodeUntrusted, match="withheld"):
        await chain.scan(start, start, {to.key})


async def test_log_of_a_block_that_was_not_read_stops_the_scan(
    chain: EvmChain, wallet: EvmWallet, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the block was replaced after its header had been read."""
    to = receiver()
    wallet.pay("USDC", to.address, 3)
    wallet.mine(40)
    real = EvmNode.range_logs

    async def late(self: EvmNode, contracts: list[str], height_from: int, height_to: int) -> list[Log]:
        logs = await real(self, contracts, height_from, height_to)
        for log in logs:
            log.block_hash = "0x" + "11" * 32
        return logs

    monkeypatch.setattr(EvmNode, "range_logs", late)
    with pytest.raises(ChainMoved):
        await chain.scan(start, start + 3, {to.key})


async def test_ether_that_no_transaction_shows_is_in_the_balance(chain: EvmChain, wallet: EvmWallet) -> None:
    to, empty = receiver(), receiver()
    till = wallet.deploy("till", wei=10**18)
    start = height(wallet) + 1
    before = await chain.tip()
    wallet.call("till", till, "pay", to.address, 12345)
    wallet.pay("ETH", to.address, 5)
    after = await chain.tip()
    scanned = await chain.scan(start, after.height, {to.key})
    assert [each.units for each in scanned.transfers] == [5]
    others = [f"0x{number:040x}" for number in range(2**100, 2**100 + 1500)]
    balances = await chain.balances([to.key, empty.key, *others], after)
    assert balances[to.key] == 12350
    assert balances[empty.key] == 0
    assert len(balances) == 1502
    assert await chain.balances([to.key], before) == {to.key: 0}
    with pytest.raises(ChainMoved):
        await chain.balances([to.key], BlockRef(chain.name, 5, "0x" + "11" * 32))


@pytest.fixture
def lonely_wallet(tmp_path: Path) -> Iterator[EvmWallet]:
    """A wallet on a node of this test's own: anvil forgets its contracts when it takes back very many blocks."""
    node = ethereum.Ethereum().start(tmp_path)
    yield EvmWallet(node.env["EVM_RPC_URL"])
    node.stop()


async def test_final_height_is_the_nodes_tag_or_a_depth(lonely_wallet: EvmWallet) -> None:
    tagged = EvmChain(EvmNode(lonely_wallet.rpc_url), chain_id=ethereum.CHAIN_ID)
    lonely_wallet.mine(40)
    tip = height(lonely_wallet)
    assert await tagged.finalized_height() == tip - 16
    lonely_wallet.mine(3)
    assert await tagged.finalized_height() == tip + 3 - 16
    deep = EvmChain(EvmNode(lonely_wallet.rpc_url), chain_id=ethereum.CHAIN_ID, finality="depth:12")
    assert await deep.finalized_height() == tip + 3 - 11
    lonely_wallet.reorg(10)
    assert await deep.finalized_height() == tip + 4 - 11
    lonely_wallet.reorg(20)
    with pytest.raises(NodeUntrusted, match="final"):
        await deep.finalized_height()
    await tagged.close()
    await deep.close()


async def test_finality_that_regresses_or_is_unknown_raises_the_alarm(
    chain: EvmChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await chain.finalized_height() > 2

    async def earlier(self: EvmNode, which: int | str) -> object:
        return await real(self, 1 if which == "finalized" else which)

    async def unknown(self: EvmNode, which: int | str) -> None:
        return None

    real = EvmNode.header
    for answer, message in ((earlier, "only 1"), (unknown, "no finalized")):
        monkeypatch.setattr(EvmNode, "header", answer)
        with pytest.raises(NodeUntrusted, match=message):
            await chain.finalized_height()


async def test_range_beyond_the_tip_is_refused(chain: EvmChain, start: int) -> None:
    assert await chain.block_hash(start) is None
    with pytest.raises(ChainMoved):
        await chain.scan(start - 1, start, set())


async def test_node_in_trouble_or_of_another_chain(rpc_url: str) -> None:
    silent = EvmChain(EvmNode("http://127.0.0.1:9", limits=Limits(timeout_s=1)), chain_id=1)
    with pytest.raises(Transient):
        await silent.tip()
    await silent.close()
    other = EvmChain(EvmNode(rpc_url), chain_id=1)
    with pytest.raises(NodeUntrusted, match="31337"):
        await other.tip()
    await other.close()


def test_token_with_other_decimals_is_refused() -> None:
    with pytest.raises(ValueError, match="6 decimals"):
        Token(Asset.USDT, ethereum.USDT, 18)
