"""A Bitcoin node: RPC for what changes, REST for blocks (binary: the JSON of a block takes the node 17× as long)."""

import asyncio
from collections.abc import Iterable
from itertools import islice
from typing import Final

import msgspec

from shared.adapters.json_rpc import JsonRpc, RpcRefused
from shared.adapters.resilience import Limits
from shared.payments.chain import NodeUntrusted

LIMITS: Final = Limits(timeout_s=15, attempts=3, concurrent=8)
MAX_HEADERS: Final = 2000
"""As many headers the node gives at once."""
_BATCH: Final = 500
_OUT_OF_RANGE: Final = -8
_NOT_FOUND: Final = -5


class State(msgspec.Struct):
    """The node's best chain. `chain` is the network's name, `blocks` the height of its tip."""

    chain: str
    blocks: int
    bestblockhash: str
    mediantime: int


class Header(msgspec.Struct):
    """What a node knows of a block beside its bytes: its height, and its median time past (seconds since 1970)."""

    hash: str
    height: int
    mediantime: int


class BitcoinNode:
    """The calls that reading a chain needs."""

    def __init__(self, url: str, *, target: str = "bitcoin", limits: Limits = LIMITS) -> None:
        self._rpc = JsonRpc(target, url, limits)

    async def close(self) -> None:
        """Close the connections."""
        await self._rpc.close()

    async def state(self) -> State:
        """Return the tip of the best chain, height and hash of one moment."""
        return await self._rpc.call(State, "getblockchaininfo")

    async def hash_at(self, height: int) -> str | None:
        """Return the hash of the best chain's block at the height, None above the tip."""
        try:
            return await self._rpc.call(str, "getblockhash", height)
        except RpcRefused as refused:
            if refused.code == _OUT_OF_RANGE:
                return None
            raise

    async def headers(self, first: str, count: int) -> list[Header]:
        """Return up to `count` headers from the block `first` on; none if it left the best chain."""
        raw = await self._rpc.get(f"/rest/headers/{first}.json?count={count}")
        if raw is None:
            return []
        try:
            return _HEADERS.decode(raw)
        except msgspec.DecodeError as error:
            raise NodeUntrusted(f"the node's headers have another shape: {error}") from error

    async def block(self, block_hash: str) -> bytes | None:
        """Return a whole block as it is on the wire, None if the node does not have it."""
        return await self._rpc.get(f"/rest/block/{block_hash}.bin")

    async def mempool(self) -> frozenset[str]:
        """Return the txids in the mempool."""
        return frozenset(await self._rpc.call(list[str], "getrawmempool"))

    async def transactions(self, txids: Iterable[str]) -> dict[str, bytes]:
        """Return the raw transactions among these that the node still has, by txid."""
        found: dict[str, bytes] = {}
        remaining = iter(txids)
        while chunk := list(islice(remaining, _BATCH)):
            results = await self._rpc.batch(str, "getrawtransaction", [(txid,) for txid in chunk])
            for txid, result in zip(chunk, results, strict=True):
                if isinstance(result, RpcRefused):
                    if result.code != _NOT_FOUND:
                        raise result
                elif result is not None:
                    found[txid] = bytes.fromhex(result)
            await asyncio.sleep(0)  # a full mempool is a thousand batches: let others run
        return found


_HEADERS: Final = msgspec.json.Decoder(list[Header])
