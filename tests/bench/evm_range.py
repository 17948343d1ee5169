"""A range of EVM blocks with token transfers and ether, looked through for 1,000,000 watched addresses.

Its floor is fetching the same blocks and logs from the same node as bytes, which the scan itself does first.
"""

import json
import time
from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from typing import Final

import httpx

from emulators import ethereum
from emulators.json_rpc import call
from shared.adapters.evm.chain import EvmChain, Token
from shared.adapters.evm.node import TRANSFER, EvmNode
from shared.edge.serve import settle
from shared.kernel.money import Asset
from tests.bench.ground import Ground
from tests.bench.row import VALUE, BenchFailed, Probe, Readings, Row

BLOCKS: Final = 40
TRANSFERS: Final = 25
"""In each block; every second one is in ether."""
WATCHED: Final = 1_000_000
_EVERY: Final = 50
"""One transfer in so many reaches a watched address."""
_GAS: Final = 100_000


def rows(ground: Ground) -> Sequence[Row]:
    """Return the row."""
    url = ground.engine("ethereum").env["EVM_RPC_URL"]
    first = _mine(url)
    last = first + BLOCKS - 1
    call(url, "anvil_mine", hex(40))  # old enough that logs are asked for by range
    watched = frozenset(_address(number) for number in range(0, WATCHED * _EVERY, _EVERY))
    chain = EvmChain(
        EvmNode(url), chain_id=ethereum.CHAIN_ID, tokens=[Token(Asset.USDC, ethereum.USDC, 6)], finality="depth:10"
    )
    settle()  # as the process of a function is
    client = httpx.AsyncClient(trust_env=False, headers={"Content-Type": "application/json"})
    ground.at_end(lambda: ground.run(client.aclose()))
    ground.at_end(lambda: ground.run(chain.close()))

    async def scan() -> None:
        found = (await chain.scan(first, last, watched)).transfers
        if len(found) != BLOCKS * TRANSFERS // _EVERY:
            raise BenchFailed(f"the scan found {len(found)} payments of {BLOCKS * TRANSFERS // _EVERY}")

    async def read() -> None:
        for body in _questions(first, last):
            reply = await client.post(url, content=body)
            if reply.status_code != 200 or len(reply.content) < BLOCKS * 100:
                raise BenchFailed("the node has no such blocks")

    scanning = Probe("a range of EVM blocks scanned", "ms", lambda seconds: ground.run(_repeated(scan, seconds)))
    reading = Probe("reading the same as bytes", "ms", lambda seconds: ground.run(_repeated(read, seconds)))
    name = f"{BLOCKS} EVM blocks, {BLOCKS * TRANSFERS:,} transfers, 1M watched addresses"
    return [Row(name, scanning, reading, goal=3.0, less_is_better=True)]


def _questions(first: int, last: int) -> list[bytes]:
    """Return the calls that have the blocks and their logs, as the scan asks them."""
    blocks = [_call("eth_getBlockByNumber", hex(height), True) for height in range(first, last + 1)]
    span = {"address": [ethereum.USDC.lower()], "topics": [TRANSFER], "fromBlock": hex(first), "toBlock": hex(last)}
    return [json.dumps(each).encode() for each in (blocks[:25], blocks[25:], _call("eth_getLogs", span))]


def _call(method: str, *params: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


async def _repeated(work: Callable[[], Awaitable[None]], seconds: float) -> Readings:
    """Return the median time of one run, in milliseconds."""
    took: list[float] = []
    while len(took) < 3 or sum(took) < seconds:
        began = time.perf_counter()
        await work()
        took.append(time.perf_counter() - began)
    return {VALUE: median(took) * 1000}


def _mine(url: str) -> int:
    """Mine the blocks; return the height of the first."""
    payer = call(url, "eth_accounts")[0]
    call(url, "evm_setAutomine", False)
    first = int(call(url, "eth_blockNumber"), 16) + 1
    nonce = int(call(url, "eth_getTransactionCount", payer, "latest"), 16)
    for number in range(BLOCKS * TRANSFERS):
        # Beyond the watched numbers, so that exactly one in `_EVERY` pays a watched one.
        to = _address(number if number % _EVERY == 0 else WATCHED * _EVERY + 1 + number)
        transaction = {"from": payer, "gas": hex(_GAS), "nonce": hex(nonce + number)}
        if number % 2:
            transaction |= {"to": to, "value": "0x1"}
        else:
            transaction |= {"to": ethereum.USDC, "data": f"0xa9059cbb{to[2:].rjust(64, '0')}{1:064x}"}
        call(url, "eth_sendTransaction", transaction)
        if number % TRANSFERS == TRANSFERS - 1:
            call(url, "anvil_mine", "0x1")
    call(url, "evm_setAutomine", True)
    return first


def _address(number: int) -> str:
    return f"0x{number + 2**120:040x}"
