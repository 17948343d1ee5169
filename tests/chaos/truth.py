"""What both chains hold, read from the nodes block by block: nothing of the platform has a hand in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from emulators import ethereum
from tests.chaos.nodes import SATOSHI, Node
from tests.chaos.plan import BITCOIN, EVM

_TRANSFER: Final = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
_ASSETS: Final = {ethereum.USDC.lower(): "USDC", ethereum.USDT.lower(): "USDT"}


@dataclass(frozen=True, slots=True)
class Coin:
    """Coins that reached an address in a block of the best chain. `address` is in lower case."""

    chain: str
    asset: str
    txid: str
    address: str
    units: int
    height: int
    block_hash: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Truth:
    """Everything that any address received, and the best chains' blocks by height."""

    coins: Mapping[str, list[Coin]]
    hashes: Mapping[str, Mapping[int, str]]

    def tip(self, chain: str) -> tuple[int, str]:
        """Return height and hash of a chain's last block."""
        height = max(self.hashes[chain])
        return height, self.hashes[chain][height]


def read(nodes: Mapping[str, Node], first: Mapping[str, int]) -> Truth:
    """Return what the chains hold from these heights on."""
    coins: dict[str, list[Coin]] = defaultdict(list)
    hashes: dict[str, dict[int, str]] = {BITCOIN: {}, EVM: {}}
    for found in (
        *_bitcoin(nodes[BITCOIN], first[BITCOIN], hashes[BITCOIN]),
        *_evm(nodes[EVM], first[EVM], hashes[EVM]),
    ):
        coins[found.address].append(found)
    return Truth(coins, hashes)


def _bitcoin(node: Node, first: int, hashes: dict[int, str]) -> list[Coin]:
    found = []
    for height in range(first, int(node.call("getblockcount")) + 1):
        block = node.call("getblock", node.call("getblockhash", height), 2)
        hashes[height] = block["hash"]
        at = datetime.fromtimestamp(block["time"], UTC)
        for transaction in block["tx"]:
            for output in transaction["vout"]:
                address = output["scriptPubKey"].get("address", "").lower()
                units = int(Decimal(str(output["value"])) * SATOSHI)
                found.append(Coin(BITCOIN, "BTC", transaction["txid"], address, units, height, block["hash"], at))
    return found


def _evm(node: Node, first: int, hashes: dict[int, str]) -> list[Coin]:
    found = []
    times: dict[str, datetime] = {}
    for height in range(first, int(node.call("eth_blockNumber"), 16) + 1):
        block = node.call("eth_getBlockByNumber", hex(height), True)
        hashes[height] = block["hash"]
        at = times[block["hash"]] = datetime.fromtimestamp(int(block["timestamp"], 16), UTC)
        for transaction in block["transactions"]:
            units, to = int(transaction["value"], 16), str(transaction["to"] or "").lower()
            if units and _succeeded(node, transaction["hash"]):
                found.append(Coin(EVM, "ETH", transaction["hash"], to, units, height, block["hash"], at))
    logs = node.call("eth_getLogs", {"fromBlock": hex(first), "toBlock": "latest", "topics": [_TRANSFER]})
    return [*found, *(_logged(log, times) for log in logs if log["address"].lower() in _ASSETS)]


def _succeeded(node: Node, txid: str) -> bool:
    return str(node.call("eth_getTransactionReceipt", txid)["status"]) == "0x1"


def _logged(log: Mapping[str, Any], times: Mapping[str, datetime]) -> Coin:
    return Coin(
        chain=EVM,
        asset=_ASSETS[log["address"].lower()],
        txid=log["transactionHash"],
        address="0x" + log["topics"][2][26:].lower(),
        units=int(log["data"], 16),
        height=int(log["blockNumber"], 16),
        block_hash=log["blockHash"],
        at=times[log["blockHash"]],
    )
