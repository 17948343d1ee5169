"""A full Bitcoin block, 2,500 transactions, looked through for 1,000,000 watched addresses.

Its floor is fetching the bytes of that block from the same node, as the scan itself does first.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from typing import Final

from emulators.bitcoin import FAUCET
from emulators.json_rpc import call
from shared.adapters.bitcoin.chain import BitcoinChain
from shared.adapters.bitcoin.node import BitcoinNode
from shared.edge.serve import settle
from tests.bench.ground import Ground
from tests.bench.row import VALUE, BenchFailed, Probe, Readings, Row

TRANSACTIONS: Final = 2_500
WATCHED: Final = 1_000_000
_OUTPUTS: Final = 1_250
_SATOSHI: Final = 2_000
_FEE: Final = 500
_EVERY: Final = 50
"""One transaction in so many pays a watched address."""


def rows(ground: Ground) -> Sequence[Row]:
    """Return the row."""
    url = ground.engine("bitcoin").env["BITCOIN_RPC_URL"]
    block_hash = _mine(url)
    height = int(call(url, "getblockcount"))
    watched = frozenset(_script(number) for number in range(0, WATCHED * _EVERY, _EVERY))
    node = BitcoinNode(url)
    chain = BitcoinChain(node, network="regtest", final_depth=6)
    settle()  # as the process of a function is
    ground.at_end(lambda: ground.run(chain.close()))

    async def scan() -> None:
        await chain.tip()
        [block] = (await chain.scan(height, height, watched)).blocks
        if len(block.transfers) != TRANSACTIONS // _EVERY:
            raise BenchFailed(f"the scan found {len(block.transfers)} payments of {TRANSACTIONS // _EVERY}")

    async def read() -> None:
        raw = await node.block(block_hash)
        if raw is None or len(raw) < TRANSACTIONS * 100:
            raise BenchFailed("the node has no such block")

    scanning = Probe("a full Bitcoin block scanned", "ms", lambda seconds: ground.run(_repeated(scan, seconds)))
    reading = Probe("reading the block's bytes", "ms", lambda seconds: ground.run(_repeated(read, seconds)))
    return [Row("a full Bitcoin block, 1M watched addresses", scanning, reading, goal=4.0, less_is_better=True)]


async def _repeated(work: Callable[[], Awaitable[None]], seconds: float) -> Readings:
    """Return the median time of one run, in milliseconds."""
    took: list[float] = []
    while len(took) < 3 or sum(took) < seconds:
        began = time.perf_counter()
        await work()
        took.append(time.perf_counter() - began)
    return {VALUE: median(took) * 1000}


def _mine(url: str) -> str:
    """Mine a block of transactions that spend outputs which anybody may, to two scripts each; return its hash."""
    faucet = call(f"{url}/wallet/{FAUCET}", "getnewaddress")
    parents = []
    for _ in range(TRANSACTIONS // _OUTPUTS):
        parents.append(_anybodys_outputs(url))
        call(url, "generatetoaddress", 1, faucet)  # the node takes no such long transaction on top of another
    raws: list[str] = []
    for parent, positions in parents:
        raws += [_spend(parent, position, first=len(raws) + n) for n, position in enumerate(positions)]
    return str(call(url, "generateblock", faucet, raws)["hash"])


def _anybodys_outputs(url: str) -> tuple[str, list[int]]:
    """Fund outputs to the witness script OP_TRUE; return their transaction and positions."""
    address = call(url, "decodescript", "51")["segwit"]["address"]
    output = _output(call(url, "validateaddress", address)["scriptPubKey"], _SATOSHI)
    count = "fd" + _OUTPUTS.to_bytes(2, "little").hex()
    wallet = f"{url}/wallet/{FAUCET}"
    unfunded = "02000000" + "00" + count + output * _OUTPUTS + "00000000"
    funded = call(wallet, "fundrawtransaction", unfunded, {"fee_rate": 2}, False)
    signed = call(wallet, "signrawtransactionwithwallet", funded["hex"])
    positions = [each for each in range(_OUTPUTS + 1) if each != funded["changepos"]]
    return str(call(url, "sendrawtransaction", signed["hex"])), positions[:_OUTPUTS]


def _spend(parent: str, position: int, *, first: int) -> str:
    spent = bytes.fromhex(parent)[::-1].hex() + position.to_bytes(4, "little").hex()
    # Beyond the watched numbers is the second script, so that exactly one in `_EVERY` transactions pays a watched one.
    scripts = (_script(first), _script(WATCHED * _EVERY + 1 + first))
    outputs = "".join(_output(script, (_SATOSHI - _FEE) // 2) for script in scripts)
    return f"02000000000101{spent}00ffffffff02{outputs}010151" + "00000000"


def _output(script: str, satoshi: int) -> str:
    return satoshi.to_bytes(8, "little").hex() + f"{len(script) // 2:02x}" + script


def _script(number: int) -> str:
    return f"0014{number:040x}"
