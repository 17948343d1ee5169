"""Bitcoin as `shared.payments.chain.MempoolChain`: blocks in order with what they pay, and the mempool."""

import asyncio
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from itertools import pairwise

from shared.adapters.bitcoin.block import Output, read_block, read_head, read_transaction
from shared.adapters.bitcoin.node import MAX_HEADERS, BitcoinNode, Header
from shared.kernel.money import Asset
from shared.payments.chain import (
    Block,
    BlockRef,
    ChainMoved,
    NodeUntrusted,
    Outpoint,
    ScannedRange,
    Transfer,
    Unconfirmed,
    UnconfirmedTransaction,
    Watch,
)

_READ_AHEAD = 4


class BitcoinChain:
    """One node's view. `network` is its name there (`main`, `regtest`); `final_depth` counts confirmations."""

    assets = frozenset({Asset.BTC})

    def __init__(self, node: BitcoinNode, *, network: str, final_depth: int, name: str = "bitcoin") -> None:
        self._node = node
        self._network = network
        self._final_depth = final_depth
        self._name = name
        self._final: BlockRef | None = None
        self._tip: Header | None = None

    @property
    def name(self) -> str:
        return self._name

    async def close(self) -> None:
        """Close the connections to the node."""
        await self._node.close()

    async def tip(self) -> BlockRef:
        state = await self._node.state()
        if state.chain != self._network:
            raise NodeUntrusted(f"the node is on {state.chain}, not on {self._network}")
        self._tip = Header(state.bestblockhash, state.blocks, state.mediantime)
        return BlockRef(self._name, state.blocks, state.bestblockhash)

    async def block_hash(self, height: int) -> str | None:
        return await self._node.hash_at(height)

    async def scan(
        self, height_from: int, height_to: int, watched: Watch, inputs: Collection[Outpoint] = ()
    ) -> ScannedRange:
        headers = await self._headers(height_from, height_to)
        blocks: list[Block] = []
        for start in range(0, len(headers), _READ_AHEAD):
            ahead = headers[start : start + _READ_AHEAD]
            raws = await asyncio.gather(*(self._node.block(header.hash) for header in ahead))
            blocks.extend(self._block(header, raw, watched, inputs) for header, raw in zip(ahead, raws, strict=True))
        for parent, child in pairwise(blocks):
            if child.parent_hash != parent.ref.hash:
                raise NodeUntrusted(f"block {child.ref.height} does not follow the one before it")
        return ScannedRange(tuple(blocks))

    async def finalized_height(self) -> int:
        tip = await self.tip()
        height = tip.height - self._final_depth + 1
        if self._final is not None:
            if await self._node.hash_at(self._final.height) != self._final.hash:
                raise NodeUntrusted(f"block {self._final.height} was final and is no longer in the chain")
            height = max(height, self._final.height)
        if height < 0:
            return -1
        block_hash = await self._node.hash_at(height)
        if block_hash is None:
            raise ChainMoved(f"the chain was shortened below {height} while it was read")
        self._final = BlockRef(self._name, height, block_hash)
        return height

    async def mempool(self) -> frozenset[str]:
        return await self._node.mempool()

    async def unconfirmed(self, txids: Iterable[str], watched: Watch, inputs: Collection[Outpoint] = ()) -> Unconfirmed:
        asked = frozenset(txids)
        raw_by_txid = await self._node.transactions(asked)
        transactions: list[UnconfirmedTransaction] = []
        for txid, raw in raw_by_txid.items():
            read = read_transaction(raw, watched, inputs)
            if read.txid != txid:
                raise NodeUntrusted(f"the node gave transaction {read.txid} for {txid}")
            if read.found.outputs or read.found.spends:
                transfers = tuple(self._transfer(output) for output in read.found.outputs)
                spends = tuple(read.found.spends)
                transactions.append(UnconfirmedTransaction(txid, read.inputs, transfers, spends))
        return Unconfirmed(tuple(transactions), asked - raw_by_txid.keys())

    async def _headers(self, height_from: int, height_to: int) -> list[Header]:
        """Return the headers of the whole range, ascending."""
        if not 0 <= height_from <= height_to:
            raise ValueError(f"no range of blocks: {height_from} to {height_to}")
        if self._tip is not None and height_from == height_to == self._tip.height:
            return [self._tip]  # a watcher that keeps up asks for the tip it was just told
        headers: list[Header] = []
        wanted = height_to - height_from + 1
        first = await self._node.hash_at(height_from)
        if first is None:
            raise ChainMoved(f"no block {height_from} (any more)")
        while len(headers) < wanted:
            # The last header read is asked for again: it ties the next piece to this one.
            start = headers.pop().hash if headers else first
            piece = await self._node.headers(start, min(MAX_HEADERS, wanted - len(headers)))
            if len(piece) < min(2, wanted - len(headers)):
                raise ChainMoved(f"the chain ends before block {height_to} or left the block {start}")
            headers.extend(piece)
        for height, header in enumerate(headers, height_from):
            if header.height != height:
                raise NodeUntrusted(f"the node gave header {header.height} for {height}")
        return headers

    def _block(self, header: Header, raw: bytes | None, watched: Watch, inputs: Collection[Outpoint]) -> Block:
        if raw is None:
            raise ChainMoved(f"the node does not have block {header.hash} (any more)")
        head = read_head(raw)
        if head.hash != header.hash:
            raise NodeUntrusted(f"the node gave block {head.hash} for {header.hash}")
        found = read_block(raw, watched, inputs)
        ref = BlockRef(self._name, header.height, header.hash)
        time = datetime.fromtimestamp(head.time, UTC)
        return Block(
            ref=ref,
            parent_hash=head.parent_hash,
            time=time,
            median_time=datetime.fromtimestamp(header.mediantime, UTC),
            transfers=tuple(self._transfer(output, ref, time) for output in found.outputs),
            spends=tuple(found.spends),
        )

    def _transfer(self, output: Output, block: BlockRef | None = None, time: datetime | None = None) -> Transfer:
        return Transfer(
            chain=self._name,
            asset=Asset.BTC,
            txid=output.txid,
            position=output.position,
            to=output.script,
            units=output.satoshi,
            block=block,
            time=time,
            coinbase=output.coinbase,
        )
