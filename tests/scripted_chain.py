"""A chain in memory that does as it is told: blocks, branches, a mempool, and a node that pauses, lags or fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

from shared.kernel.errors import Transient
from shared.kernel.money import Asset
from shared.payments.chain import (
    Block,
    BlockRef,
    ChainMoved,
    Outpoint,
    ScannedRange,
    Spend,
    Transfer,
    Unconfirmed,
    UnconfirmedTransaction,
    Watch,
)

_numbers = count(1)


async def _at_once() -> None:
    return


class ScriptedChain:
    """Fulfils `shared.payments.chain.MempoolChain`. `final_depth` is the confirmations of a final block."""

    def __init__(self, name: str = "bitcoin", *, final_depth: int = 6, asset: Asset = Asset.BTC) -> None:
        self.name = name
        self.asset = asset
        self.assets = frozenset({asset})
        self.final_depth = final_depth
        self.blocks: list[Block] = []
        self.pool: dict[str, UnconfirmedTransaction] = {}
        self.down = False
        self.before_scan: Callable[[], Awaitable[None]] = _at_once
        self.scanned: list[int] = []
        self.mine()

    def paid(self, to: str, units: int, *, coins: tuple[Outpoint, ...] = ()) -> UnconfirmedTransaction:
        """Return a transaction that pays a receiver; it is nowhere yet."""
        txid = f"tx{next(_numbers)}"
        coins = coins or (Outpoint(f"coin{txid}", 0),)
        transfer = Transfer(chain=self.name, asset=self.asset, txid=txid, position=0, to=to, units=units)
        return UnconfirmedTransaction(txid, coins, (transfer,), ())

    def broadcast(self, to: str, units: int, *, coins: tuple[Outpoint, ...] = ()) -> UnconfirmedTransaction:
        """Put a payment into the mempool, in the place of whatever spent its coins there."""
        transaction = self.paid(to, units, coins=coins)
        for other in list(self.pool.values()):
            if set(other.inputs) & set(transaction.inputs):
                del self.pool[other.txid]
        self.pool[transaction.txid] = transaction
        return transaction

    def mine(self, *transactions: UnconfirmedTransaction, at: datetime | None = None) -> Block:
        """Mine a block with exactly these transactions."""
        height, time = len(self.blocks), at or datetime.now(UTC).replace(microsecond=0)
        ref = BlockRef(self.name, height, f"block{next(_numbers)}")
        parent = self.blocks[-1].ref.hash if self.blocks else "0" * 64
        transfers = [replace(each, block=ref, time=time) for one in transactions for each in one.transfers]
        spends = [Spend(coin, one.txid) for one in transactions for coin in one.inputs]
        block = Block(ref, parent, time, time - timedelta(minutes=30), tuple(transfers), tuple(spends))
        for one in transactions:
            self.pool.pop(one.txid, None)
        self.blocks.append(block)
        return block

    def cut(self, depth: int) -> list[Block]:
        """Take the last `depth` blocks off and return them."""
        lost = self.blocks[-depth:]
        del self.blocks[-depth:]
        return lost

    async def close(self) -> None:
        """There is nothing to close."""

    async def tip(self) -> BlockRef:
        """Return the last block."""
        if self.down:
            raise Transient("The node does not answer.")
        return self.blocks[-1].ref

    async def block_hash(self, height: int) -> str | None:
        """Return the hash at the height."""
        return self.blocks[height].ref.hash if height < len(self.blocks) else None

    async def scan(
        self, height_from: int, height_to: int, watched: Watch, inputs: Collection[Outpoint] = ()
    ) -> ScannedRange:
        """Return the range as it is when `before_scan` has ended."""
        await self.before_scan()
        if self.down:
            raise Transient("The node does not answer.")
        if height_to >= len(self.blocks):
            raise ChainMoved(f"no block {height_to}")
        self.scanned += range(height_from, height_to + 1)
        return ScannedRange(
            tuple(
                replace(
                    block,
                    transfers=tuple(each for each in block.transfers if each.to in watched),
                    spends=tuple(spend for spend in block.spends if spend.outpoint in inputs),
                )
                for block in self.blocks[height_from : height_to + 1]
            )
        )

    async def finalized_height(self) -> int:
        """Return the height of the last final block."""
        return max(-1, len(self.blocks) - self.final_depth)

    async def mempool(self) -> frozenset[str]:
        """Return what waits."""
        return frozenset(self.pool)

    async def unconfirmed(self, txids: Iterable[str], watched: Watch, inputs: Collection[Outpoint] = ()) -> Unconfirmed:
        """Return what of these waits and concerns us."""
        asked = frozenset(txids)
        found = [
            replace(
                one,
                transfers=tuple(each for each in one.transfers if each.to in watched),
                spends=tuple(Spend(coin, one.txid) for coin in one.inputs if coin in inputs),
            )
            for one in self.pool.values()
            if one.txid in asked
        ]
        concerning = tuple(one for one in found if one.transfers or one.spends)
        return Unconfirmed(concerning, asked - self.pool.keys())
