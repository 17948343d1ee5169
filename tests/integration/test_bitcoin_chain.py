"""The Bitcoin adapter on a real node: nothing missed, everything in its place, reorgs and conflicts visible."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from bip_utils import Bip84, Bip84Coins

from emulators.bitcoin import FAUCET
from emulators.component import Running
from emulators.json_rpc import call
from emulators.wallets import BitcoinWallet
from shared.adapters.bitcoin import chain as chain_module
from shared.adapters.bitcoin.address import BitcoinAddresses
from shared.adapters.bitcoin.chain import BitcoinChain
from shared.adapters.bitcoin.node import BitcoinNode
from shared.adapters.resilience import Limits
from shared.kernel.errors import Transient
from shared.payments.chain import ChainMoved, NodeUntrusted, Outpoint, ReceiveAddress

ADDRESSES = BitcoinAddresses("regtest")
_indices = iter(range(2**31))


def account() -> str:
    """An account of this run alone, so that earlier payments on a kept chain are not ours."""
    seed = time.time_ns().to_bytes(64, "big")
    return str(Bip84.FromSeed(seed, Bip84Coins.BITCOIN_REGTEST).Purpose().Coin().Account(0).PublicKey().ToExtended())


ACCOUNT = account()


def receiver() -> ReceiveAddress:
    return ADDRESSES.receive(ACCOUNT, next(_indices))


@pytest.fixture(scope="module")
def rpc_url(bitcoin: Running) -> str:
    return bitcoin.env["BITCOIN_RPC_URL"]


@pytest.fixture(scope="module")
def wallet(rpc_url: str) -> BitcoinWallet:
    return BitcoinWallet(rpc_url, coins=10)


@pytest.fixture
async def chain(rpc_url: str) -> AsyncIterator[BitcoinChain]:
    chain = BitcoinChain(BitcoinNode(rpc_url), network="regtest", final_depth=6)
    yield chain
    await chain.close()


@pytest.fixture
def start(rpc_url: str) -> int:
    """The height of the next block."""
    return int(call(rpc_url, "getblockcount")) + 1


async def test_payments_are_found_in_order_with_their_outputs(
    chain: BitcoinChain, wallet: BitcoinWallet, start: int
) -> None:
    one, two, three, stranger = (receiver() for _ in range(4))
    first = wallet.pay_many([(one.address, 1000), (stranger.address, 4000), (two.address, 2000), (one.address, 700)])
    wallet.mine()
    second = wallet.pay(three.address, 3000)
    wallet.mine(2)
    scanned = await chain.scan(start, start + 2, {one.key, two.key, three.key})

    assert [block.ref.height for block in scanned.blocks] == [start, start + 1, start + 2]
    assert [block.parent_hash for block in scanned.blocks[1:]] == [block.ref.hash for block in scanned.blocks[:-1]]
    assert scanned.blocks[0].parent_hash == await chain.block_hash(start - 1)
    assert scanned.last == await chain.tip()
    paid = {(each.txid, each.to, each.units) for each in scanned.transfers}
    assert paid == {
        (first, one.key, 1000),
        (first, two.key, 2000),
        (first, one.key, 700),
        (second, three.key, 3000),
    }
    raw = call(wallet.rpc_url, "getrawtransaction", first, True)
    for transfer in scanned.blocks[0].transfers:
        assert raw["vout"][transfer.position]["scriptPubKey"]["hex"] == transfer.to
    assert [each.position for each in scanned.blocks[0].transfers] == sorted(
        each.position for each in scanned.blocks[0].transfers
    )
    transfer = scanned.blocks[1].transfers[0]
    assert transfer.block == scanned.blocks[1].ref
    assert transfer.time == scanned.blocks[1].time
    assert abs((scanned.blocks[1].time - datetime.now(UTC)).total_seconds()) < 7200
    assert scanned.blocks[1].median_time <= scanned.blocks[1].time
    assert not transfer.coinbase
    assert scanned.blocks[2].transfers == ()


async def test_payment_is_seen_in_the_mempool_with_its_inputs(
    chain: BitcoinChain, wallet: BitcoinWallet, start: int
) -> None:
    to = receiver()
    before = await chain.mempool()
    txid = wallet.pay(to.address, 5000)
    other = wallet.pay(receiver().address, 5000)
    new = await chain.mempool() - before
    assert new == {txid, other}
    seen = await chain.unconfirmed(new, {to.key})
    [transaction] = seen.transactions
    assert transaction.txid == txid
    assert [(each.to, each.units, each.block, each.time) for each in transaction.transfers] == [
        (to.key, 5000, None, None)
    ]
    raw = call(wallet.rpc_url, "getrawtransaction", txid, True)
    assert transaction.inputs == tuple(Outpoint(each["txid"], each["vout"]) for each in raw["vin"])
    assert seen.gone == frozenset()

    wallet.mine()
    assert not await chain.mempool() & {txid, other}
    [mined] = (await chain.scan(start, start, {to.key})).transfers
    assert mined.id == transaction.transfers[0].id


async def test_replaced_payment_is_betrayed_by_who_spends_its_inputs(
    chain: BitcoinChain, wallet: BitcoinWallet, start: int
) -> None:
    to = receiver()
    txid = wallet.pay(to.address, 6000)
    [seen] = (await chain.unconfirmed([txid], {to.key})).transactions
    replacement = wallet.replace(txid)
    now = await chain.mempool()
    assert txid not in now
    assert replacement in now
    gone = await chain.unconfirmed([txid], {to.key})
    assert gone.gone == {txid}

    [rival] = (await chain.unconfirmed([replacement], {to.key}, set(seen.inputs))).transactions
    assert rival.transfers == ()
    assert {(each.outpoint, each.by) for each in rival.spends} == {(each, replacement) for each in seen.inputs}

    wallet.mine()
    [block] = (await chain.scan(start, start, {to.key}, set(seen.inputs))).blocks
    assert block.transfers == ()
    assert {(each.outpoint, each.by) for each in block.spends} == {(each, replacement) for each in seen.inputs}


@pytest.mark.parametrize("keep", [True, False])
async def test_reorg_of_three_blocks_shows_in_hashes_and_parents(
    chain: BitcoinChain, wallet: BitcoinWallet, start: int, keep: bool
) -> None:
    to = receiver()
    txid = wallet.pay(to.address, 7000)
    wallet.mine(3)
    lost = await chain.scan(start, start + 2, {to.key})
    assert [each.txid for each in lost.transfers] == [txid]

    wallet.reorg(3, keep=keep)
    assert await chain.block_hash(start - 1) == lost.blocks[0].parent_hash
    for block in lost.blocks:
        assert await chain.block_hash(block.ref.height) != block.ref.hash
    [next_block] = (await chain.scan(start + 3, start + 3, {to.key})).blocks
    assert next_block.parent_hash != lost.last.hash
    found = await chain.scan(start, start + 3, {to.key})
    assert [each.id for each in found.transfers] == [each.id for each in lost.transfers] * keep
    assert (txid in await chain.mempool()) is not keep
    wallet.mine()


async def test_final_height_trails_by_the_policy_and_a_deeper_reorg_raises_the_alarm(
    chain: BitcoinChain, wallet: BitcoinWallet, start: int
) -> None:
    wallet.mine(6)
    assert await chain.finalized_height() == start + 5 - 5
    wallet.reorg(5)
    assert await chain.finalized_height() == start + 6 - 5
    wallet.reorg(8)
    with pytest.raises(NodeUntrusted, match="final"):
        await chain.finalized_height()


async def test_long_range_is_read_in_pieces_that_join(
    chain: BitcoinChain, wallet: BitcoinWallet, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain_module, "MAX_HEADERS", 7)
    to = receiver()
    paid = []
    for _ in range(5):
        paid.append(wallet.pay(to.address, 1500))
        wallet.mine(5)
    scanned = await chain.scan(start, start + 24, {to.key})
    assert [block.ref.height for block in scanned.blocks] == list(range(start, start + 25))
    assert [each.txid for each in scanned.transfers] == paid
    whole = await chain.scan(0, start + 24, {to.key})
    assert whole.blocks[0].parent_hash == "0" * 64
    assert [each.txid for each in whole.transfers] == paid


async def test_mined_coins_are_marked(chain: BitcoinChain, rpc_url: str, start: int) -> None:
    to = receiver()
    call(rpc_url, "generatetoaddress", 1, to.address)
    [transfer] = (await chain.scan(start, start, {to.key})).transfers
    assert transfer.coinbase


async def test_range_beyond_the_tip_is_refused(chain: BitcoinChain, start: int) -> None:
    assert await chain.block_hash(start) is None
    for height_from in (start - 1, start):
        with pytest.raises(ChainMoved):
            await chain.scan(height_from, start, set())


async def test_block_of_2500_transactions_is_read_without_missing_a_payment(
    chain: BitcoinChain, wallet: BitcoinWallet, rpc_url: str
) -> None:
    """Each transaction spends an output that anybody may (a witness script of OP_TRUE) to two receivers."""
    parents = [_anybodys_outputs(rpc_url, 1250) for _ in range(2)]
    wallet.mine()
    receivers = [receiver() for _ in range(50)]
    expected = []
    raws: list[str] = []
    for parent, value, positions in parents:
        for position in positions:
            number = len(raws)
            scripts = ["0014" + number.to_bytes(20, "big").hex(), "5120" + number.to_bytes(32, "big").hex()]
            if number % 50 == 0:
                scripts[number % 100 // 50] = receivers[number // 50].key
                expected.append((receivers[number // 50].key, number % 100 // 50))
            raws.append(_spend(parent, position, value, scripts))
    faucet = call(f"{rpc_url}/wallet/{FAUCET}", "getnewaddress")
    block_hash = call(rpc_url, "generateblock", faucet, raws)["hash"]

    tip = await chain.tip()
    assert tip.hash == block_hash
    assert call(rpc_url, "getblock", block_hash)["nTx"] == 2501
    watched = {f"0014{number:040x}" for number in range(10**6, 10**6 + 100_000)} | {each.key for each in receivers}
    [block] = (await chain.scan(tip.height, tip.height, watched)).blocks
    assert [(each.to, each.position) for each in block.transfers] == expected


async def test_node_in_trouble_is_a_transient_error(rpc_url: str) -> None:
    limits = Limits(timeout_s=1, attempts=1)
    wrong_password = rpc_url.replace("@", "x@")
    nobody = "http://127.0.0.1:9"
    for url in (wrong_password, nobody):
        chain = BitcoinChain(BitcoinNode(url, limits=limits), network="regtest", final_depth=6)
        with pytest.raises(Transient) as refused:
            await chain.tip()
        assert "cortado" not in str(refused.value)
        await chain.close()


async def test_node_of_another_network_is_not_believed(rpc_url: str) -> None:
    chain = BitcoinChain(BitcoinNode(rpc_url), network="main", final_depth=6)
    with pytest.raises(NodeUntrusted, match="regtest"):
        await chain.tip()
    await chain.close()


def _anybodys_outputs(rpc_url: str, count: int) -> tuple[str, int, list[int]]:
    """Fund outputs to the witness script OP_TRUE; return (txid, satoshi of each, their positions)."""
    address = call(rpc_url, "decodescript", "51")["segwit"]["address"]
    script = call(rpc_url, "validateaddress", address)["scriptPubKey"]
    faucet = f"{rpc_url}/wallet/{FAUCET}"
    value = 2000
    outputs = count.to_bytes(3, "big")  # a compact size of 0xfd and two bytes, little-endian
    raw = "02000000" + "00" + "fd" + outputs[:0:-1].hex() + _output(script, value) * count + "00000000"
    funded = call(faucet, "fundrawtransaction", raw, {"fee_rate": 2}, False)
    signed = call(faucet, "signrawtransactionwithwallet", funded["hex"])
    txid = call(rpc_url, "sendrawtransaction", signed["hex"])
    positions = [each for each in range(count + 1) if each != funded["changepos"]]
    return txid, value, positions[:count]


def _spend(parent: str, position: int, value: int, scripts: list[str]) -> str:
    spent = bytes.fromhex(parent)[::-1].hex() + position.to_bytes(4, "little").hex()
    outputs = "".join(_output(script, (value - 500) // len(scripts)) for script in scripts)
    return f"02000000000101{spent}00ffffffff{len(scripts):02x}{outputs}010151" + "00000000"


def _output(script: str, value: int) -> str:
    return value.to_bytes(8, "little").hex() + f"{len(script) // 2:02x}" + script
