"""An EVM node over raw JSON-RPC, asked in batches. Only the fields that reading transfers needs are decoded."""

from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from shared.adapters.json_rpc import JsonRpc, RpcRefused
from shared.adapters.resilience import Limits
from shared.payments.chain import NodeUntrusted

T = TypeVar("T")

LIMITS: Final = Limits(timeout_s=20, attempts=3, concurrent=8)
TRANSFER: Final = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
"""Topic of `Transfer(address,address,uint256)`, ERC-20."""
_BLOCKS_AT_ONCE: Final = 25
_RECEIPTS_AT_ONCE: Final = 100


class Transaction(msgspec.Struct):
    """A transaction as it lies in a block. `to` is None where a contract is created; `value` in wei, hex."""

    hash: str
    value: str
    sender: str = msgspec.field(name="from")
    to: str | None = None


class Header(msgspec.Struct, rename="camel"):
    """A block's place in the chain. Numbers in hex."""

    number: str
    hash: str
    parent_hash: str


class FullBlock(Header, rename="camel"):
    """A block with its transactions. Numbers in hex; the timestamp in seconds since 1970."""

    timestamp: str
    logs_bloom: str
    transactions: list[Transaction]


class Log(msgspec.Struct, rename="camel"):
    """A log. `log_index` counts in the block, and so changes when the transaction is included again."""

    address: str
    topics: list[str]
    data: str
    block_hash: str
    transaction_hash: str
    log_index: str


class Receipt(msgspec.Struct, rename="camel"):
    """What became of a transaction: `status` 0x1 is success. `logs` in the order they were written.

    The sender paid `gas_used` × `effective_gas_price`, the same for blobs, and on some rollups `l1_fee` besides.
    """

    transaction_hash: str
    transaction_index: str
    block_hash: str
    logs: list[Log]
    status: str
    gas_used: str = "0x0"
    effective_gas_price: str = "0x0"
    blob_gas_used: str | None = None
    blob_gas_price: str | None = None
    l1_fee: str | None = None


class EvmNode:
    """The calls that reading a chain needs."""

    def __init__(self, url: str, *, target: str = "evm", limits: Limits = LIMITS) -> None:
        self._rpc = JsonRpc(target, url, limits)

    async def close(self) -> None:
        """Close the connections."""
        await self._rpc.close()

    async def chain_id(self) -> int:
        """Return the id of the chain that the node is on."""
        return int(await self._rpc.call(str, "eth_chainId"), 16)

    async def header(self, which: int | str) -> Header | None:
        """Return the block at a height or tag (`latest`, `finalized`), None if there is none.

        Raises RpcRefused for a tag that the node does not know.
        """
        number = which if isinstance(which, str) else hex(which)
        return await self._rpc.ask(Header, "eth_getBlockByNumber", number, False)

    async def knows(self, block_hash: str) -> bool:
        """Tell whether the node has the block with this hash."""
        return await self._rpc.ask(Header, "eth_getBlockByHash", block_hash, False) is not None

    async def blocks(self, heights: Sequence[int]) -> list[FullBlock | None]:
        """Return the best chain's blocks at these heights, with their transactions."""
        params = [(hex(height), True) for height in heights]
        return await self._all(FullBlock, "eth_getBlockByNumber", params, _BLOCKS_AT_ONCE)

    async def range_logs(self, contracts: Sequence[str], height_from: int, height_to: int) -> list[Log]:
        """Return the contracts' Transfer logs of a range, in halves where the node calls it too large."""
        span = {"fromBlock": hex(height_from), "toBlock": hex(height_to)}
        try:
            return await self._rpc.call(list[Log], "eth_getLogs", self._filter(contracts) | span)
        except RpcRefused:
            if height_from == height_to:
                raise
        middle = (height_from + height_to) // 2
        return [
            *await self.range_logs(contracts, height_from, middle),
            *await self.range_logs(contracts, middle + 1, height_to),
        ]

    async def block_logs(self, contracts: Sequence[str], block_hashes: Sequence[str]) -> list[list[Log]]:
        """Return the contracts' Transfer logs of each of these very blocks. Raises RpcRefused for a lost one."""
        params = [(self._filter(contracts) | {"blockHash": each},) for each in block_hashes]
        answers = await self._all(list[Log], "eth_getLogs", params, _RECEIPTS_AT_ONCE)
        return [answer or [] for answer in answers]

    async def receipts(self, txids: Sequence[str]) -> list[Receipt | None]:
        """Return the receipts of these transactions, None for one that is in no block."""
        params = [(txid,) for txid in txids]
        return await self._all(Receipt, "eth_getTransactionReceipt", params, _RECEIPTS_AT_ONCE)

    async def block_receipts(self, block_hash: str) -> list[Receipt] | None:
        """Return the receipts of all transactions of this very block, None if the node does not have it."""
        return await self._rpc.ask(list[Receipt], "eth_getBlockReceipts", block_hash)

    async def run(self, code: str, call_data: str, block_hash: str) -> str:
        """Return what `code` answers to the call data, run as a contract on the state after this block."""
        place = "0x00000000000000000000000000000000000c0de0"
        at = {"blockHash": block_hash, "requireCanonical": True}
        call = {"to": place, "data": call_data}
        return await self._rpc.call(str, "eth_call", call, at, {place: {"code": code}})

    async def asked(self, calls: Sequence[tuple[str, str]], block_hash: str) -> list[str | None]:
        """Return what contracts answer to (contract, call data) after this block, None where one refuses."""
        at = {"blockHash": block_hash, "requireCanonical": True}
        params = [({"to": to, "data": call_data}, at) for to, call_data in calls]
        answers = await self._rpc.batch(str, "eth_call", params)
        return [None if isinstance(answer, RpcRefused) else answer for answer in answers]

    async def storage(self, places: Sequence[tuple[str, str]], block_hash: str) -> list[str]:
        """Return the words at (contract, slot) after this block. Raises RpcRefused for a block that is lost."""
        at = {"blockHash": block_hash, "requireCanonical": True}
        answers = await self._rpc.batch(str, "eth_getStorageAt", [(to, slot, at) for to, slot in places])
        for answer in answers:
            if isinstance(answer, RpcRefused):
                raise answer
        return [str(answer) for answer in answers]

    def _filter(self, contracts: Sequence[str]) -> dict[str, object]:
        return {"address": list(contracts), "topics": [TRANSFER]}

    async def _all(
        self, kind: type[T], method: str, params: Sequence[Sequence[object]], at_once: int
    ) -> list[T | None]:
        """Ask in batches; what a node refuses of a batch (its reply would be too large) is asked again."""
        results: dict[int, T | None] = {}
        waiting = list(range(len(params)))
        while waiting:
            asked = waiting[:at_once]
            answers = await self._rpc.batch(kind, method, [params[position] for position in asked])
            for position, answer in zip(asked, answers, strict=True):
                if not isinstance(answer, RpcRefused):
                    results[position] = answer
            refused = [each for each in answers if isinstance(each, RpcRefused)]
            if len(refused) == len(asked):
                raise refused[0]
            waiting = [position for position in waiting if position not in results]
        return [results[position] for position in range(len(params))]


def number_of(quantity: str) -> int:
    """Return a quantity of the wire (`0x1f`) as a number. Raises NodeUntrusted."""
    try:
        return int(quantity, 16)
    except ValueError as error:
        raise NodeUntrusted(f"{quantity[:80]!r} is no quantity") from error
