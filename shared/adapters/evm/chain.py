"""An EVM chain as `shared.payments.chain.BalanceChain`: native and token transfers, in the order of the chain.

Nothing a node forgets to say is taken for nothing: every log must belong to a header that was read, the newest
blocks are asked by their hash, and where a block's bloom filter contradicts an empty answer, all its receipts
are read. Amounts are those of the logs, so a token's fee is already taken off.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from shared.adapters.evm import bloom
from shared.adapters.evm.node import TRANSFER, EvmNode, FullBlock, Header, Log, Receipt, number_of
from shared.adapters.evm.outflows import native_outflow, sent_by, token_outflows
from shared.adapters.evm.tokens import EvmTokens
from shared.adapters.json_rpc import RpcRefused
from shared.kernel.money import Asset
from shared.payments.chain import (
    NATIVE_POSITION,
    Block,
    BlockRef,
    ChainMoved,
    NodeUntrusted,
    Outflow,
    Outpoint,
    ScannedRange,
    StateGone,
    TokenState,
    Transfer,
    Watch,
)

_NEW_BLOCKS = 32
"""As many blocks below the tip may still change: their logs are asked by block hash."""
_RANGE = 100
"""As many older blocks are asked for their logs at once, before a node calls it too large."""
_BALANCES_AT_ONCE = 1000
# for (i = 0; i < calldatasize; i += 32) memory[i] = balance(calldata[i]); return memory
_BALANCES_CODE = "0x60005b803690101560165780353181526020016002565b366000f3"


@dataclass(frozen=True, slots=True)
class Token:
    """An allowed token contract. Raises ValueError where its decimals are not those that the asset has here."""

    asset: Asset
    contract: str
    decimals: int

    def __post_init__(self) -> None:
        if self.decimals != self.asset.decimals:
            raise ValueError(f"{self.asset} has {self.asset.decimals} decimals, not {self.decimals}")


class EvmChain:
    """One node's view of one chain. `finality` is `tag` (the node's finalized block) or `depth:n`."""

    def __init__(
        self,
        node: EvmNode,
        *,
        chain_id: int,
        tokens: Collection[Token] = (),
        native: Asset = Asset.ETH,
        finality: str = "tag",
    ) -> None:
        self._node = node
        self._chain_id = chain_id
        self._native = native
        self._asset_by_contract = {token.contract.lower(): token.asset for token in tokens}
        self._mask_by_contract = {contract: bloom.mask(contract, TRANSFER) for contract in self._asset_by_contract}
        self._tokens = EvmTokens(node, {asset: contract for contract, asset in self._asset_by_contract.items()})
        self._final_depth = _depth(finality)
        self._final: BlockRef | None = None
        self._checked = False

    @property
    def name(self) -> str:
        return f"evm:{self._chain_id}"

    @property
    def native(self) -> Asset:
        return self._native

    @property
    def assets(self) -> frozenset[Asset]:
        return frozenset({self._native, *self._asset_by_contract.values()})

    async def close(self) -> None:
        """Close the connections to the node."""
        await self._node.close()

    async def tip(self) -> BlockRef:
        if not self._checked:
            chain_id = await self._node.chain_id()
            if chain_id != self._chain_id:
                raise NodeUntrusted(f"the node is on chain {chain_id}, not on {self._chain_id}")
            self._checked = True
        header = await self._node.header("latest")
        if header is None:
            raise NodeUntrusted("the node has no latest block")
        return BlockRef(self.name, number_of(header.number), header.hash)

    async def block_hash(self, height: int) -> str | None:
        header = await self._node.header(height)
        return header.hash if header else None

    async def scan(
        self, height_from: int, height_to: int, watched: Watch, inputs: Collection[Outpoint] = ()
    ) -> ScannedRange:
        if not 0 <= height_from <= height_to:
            raise ValueError(f"no range of blocks: {height_from} to {height_to}")
        tip = await self.tip()
        transfers: dict[str, list[Transfer]] = {}
        outflows: dict[str, list[Outflow]] = {}
        headers: list[FullBlock] = []
        for start in range(height_from, height_to + 1, _RANGE):
            piece = await self._blocks(start, min(start + _RANGE - 1, height_to))
            logs = await self._logs(piece, tip.height)
            came, went = await self._moved(piece, logs, watched)
            for transfer in came:
                assert transfer.block is not None
                transfers.setdefault(transfer.block.hash, []).append(transfer)
            for block_hash, outflow in went:
                outflows.setdefault(block_hash, []).append(outflow)
            for block in piece:
                block.transactions = []  # a thousand full blocks are a lot of memory
            headers.extend(piece)
        _linked(headers)
        return ScannedRange(
            tuple(
                self._block(header, transfers.get(header.hash, []), outflows.get(header.hash, [])) for header in headers
            )
        )

    async def finalized_height(self) -> int:
        header = await self._node.header("finalized") if self._final_depth is None else await self._deep()
        if header is None:
            if self._final_depth is None:
                raise NodeUntrusted("the node knows no finalized block")
            return -1
        final = BlockRef(self.name, number_of(header.number), header.hash)
        if self._final is not None and self._final != final:
            if final.height < self._final.height:
                raise NodeUntrusted(f"block {self._final.height} was final, now only {final.height} is")
            if await self.block_hash(self._final.height) != self._final.hash:
                raise NodeUntrusted(f"block {self._final.height} was final and is no longer in the chain")
        self._final = final
        return final.height

    async def balances(self, keys: Collection[str], at: BlockRef) -> Mapping[str, int]:
        balance_by_key: dict[str, int] = {}
        ordered = list(keys)
        for start in range(0, len(ordered), _BALANCES_AT_ONCE):
            chunk = ordered[start : start + _BALANCES_AT_ONCE]
            call_data = "0x" + "".join(key[2:].rjust(64, "0") for key in chunk)
            try:
                answer = (await self._node.run(_BALANCES_CODE, call_data, at.hash))[2:]
            except RpcRefused as refused:
                if not await self._node.knows(at.hash):
                    raise ChainMoved(f"the node does not know block {at.hash} (any more)") from refused
                raise StateGone(f"the node can't tell the balances after block {at.height}") from refused
            if len(answer) != 64 * len(chunk):
                raise NodeUntrusted(f"the node answered {len(answer) // 64} balances of {len(chunk)}")
            for position, key in enumerate(chunk):
                balance_by_key[key] = int(answer[64 * position : 64 * position + 64], 16)
        return balance_by_key

    async def token_states(self, at: BlockRef) -> list[TokenState]:
        return await self._tokens.states(at)

    async def token_balances(self, asset: Asset, keys: Collection[str], at: BlockRef) -> dict[str, int]:
        return await self._tokens.balances(asset, keys, at)

    async def _deep(self) -> Header | None:
        """Return the newest block that is as deep as final ones are, None while there is none."""
        assert self._final_depth is not None
        height = (await self.tip()).height - self._final_depth + 1
        if self._final is not None:
            height = max(height, self._final.height)
        if height < 0:
            return None
        header = await self._node.header(height)
        if header is None:
            raise ChainMoved(f"the chain was shortened below {height} while it was read")
        return header

    async def _blocks(self, height_from: int, height_to: int) -> list[FullBlock]:
        blocks: list[FullBlock] = []
        heights = range(height_from, height_to + 1)
        for height, block in zip(heights, await self._node.blocks(heights), strict=True):
            if block is None:
                raise ChainMoved(f"no block {height} (any more)")
            if number_of(block.number) != height:
                raise NodeUntrusted(f"the node gave block {block.number} for {height}")
            blocks.append(block)
        return blocks

    async def _logs(self, blocks: Sequence[FullBlock], tip_height: int) -> list[Log]:
        """Return every Transfer log that the allowed contracts wrote in these very blocks."""
        contracts = list(self._asset_by_contract)
        if not contracts:
            return []
        old = [block for block in blocks if number_of(block.number) <= tip_height - _NEW_BLOCKS]
        new = blocks[len(old) :]
        logs: list[Log] = []
        if old:
            logs += await self._node.range_logs(contracts, number_of(old[0].number), number_of(old[-1].number))
        if new:
            try:
                for of_block in await self._node.block_logs(contracts, [block.hash for block in new]):
                    logs += of_block
            except RpcRefused as refused:
                raise ChainMoved("the node lost a block while its logs were read") from refused
        known = {block.hash for block in blocks}
        for log in logs:
            if log.block_hash not in known:
                raise ChainMoved(f"a log of block {log.block_hash}, which is not in the headers read")
            if log.address.lower() not in self._asset_by_contract:
                raise NodeUntrusted(f"a log of {log.address}, which was not asked for")
        await self._prove_absence(blocks, logs)
        return logs

    async def _prove_absence(self, blocks: Sequence[FullBlock], logs: Sequence[Log]) -> None:
        """Raise NodeUntrusted if a block holds logs of a contract that the node said nothing of."""
        present = {(log.block_hash, log.address.lower()) for log in logs}
        for block in blocks:
            doubtful = {
                contract
                for contract, members in self._mask_by_contract.items()
                if (block.hash, contract) not in present and bloom.may_hold(block.logs_bloom, members)
            }
            if not doubtful:
                continue
            receipts = await self._node.block_receipts(block.hash)
            withheld = [
                log
                for receipt in receipts or []
                for log in receipt.logs
                if log.address.lower() in doubtful and log.topics[:1] == [TRANSFER]
            ]
            if receipts is None or (withheld and await self.block_hash(number_of(block.number)) != block.hash):
                raise ChainMoved(f"block {block.number} left the chain while it was read")
            if withheld:
                raise NodeUntrusted(f"the node withheld logs of block {block.number}")

    async def _moved(
        self, blocks: Sequence[FullBlock], logs: Sequence[Log], watched: Watch
    ) -> tuple[list[Transfer], list[tuple[str, Outflow]]]:
        """Return the transfers to watched receivers, in the order of the chain, each proven by its receipt; and
        (block hash, outflow) for what left watched accounts."""
        sent = sent_by(blocks, watched)
        paid = [log for log in logs if _receiver(log) in watched and number_of(log.data)]
        native = {
            transaction.hash: transaction
            for block in blocks
            for transaction in block.transactions
            if transaction.value != "0x0" and transaction.to and transaction.to.lower() in watched
        }
        txids = list(dict.fromkeys([*native, *sent, *(log.transaction_hash for log in paid)]))
        block_by_hash = {block.hash: block for block in blocks}
        receipt_by_txid: dict[str, Receipt] = {}
        for txid, receipt in zip(txids, await self._node.receipts(txids), strict=True):
            if receipt is None or receipt.block_hash not in block_by_hash:
                raise ChainMoved(f"transaction {txid} left its block while it was read")
            receipt_by_txid[txid] = receipt
        found: list[tuple[int, int, Transfer]] = []
        for log in paid:
            receipt = receipt_by_txid[log.transaction_hash]
            found.append(self._found(block_by_hash, receipt, _token_transfer(log, receipt, self._asset_by_contract)))
        for txid, transaction in native.items():
            receipt = receipt_by_txid[txid]
            if receipt.status == "0x1":
                assert transaction.to is not None
                value = (self._native, NATIVE_POSITION, transaction.to.lower(), number_of(transaction.value))
                found.append(self._found(block_by_hash, receipt, value))
        found.sort(key=lambda each: (each[0], each[1], each[2].position))
        went = token_outflows(logs, self._asset_by_contract, watched)
        for txid, transaction in sent.items():
            receipt = receipt_by_txid[txid]
            outflow = native_outflow(self._native, transaction, receipt)
            if outflow.units:
                went.append((receipt.block_hash, outflow))
        return [transfer for _, _, transfer in found], went

    def _found(
        self, block_by_hash: Mapping[str, FullBlock], receipt: Receipt, value: tuple[Asset, int, str, int]
    ) -> tuple[int, int, Transfer]:
        """Return (height, place of the transaction in its block, transfer)."""
        block = block_by_hash[receipt.block_hash]
        height = number_of(block.number)
        asset, position, to, units = value
        transfer = Transfer(
            chain=self.name,
            asset=asset,
            txid=receipt.transaction_hash,
            position=position,
            to=to,
            units=units,
            block=BlockRef(self.name, height, block.hash),
            time=_time(block),
        )
        return height, number_of(receipt.transaction_index), transfer

    def _block(self, header: FullBlock, transfers: Sequence[Transfer], outflows: Sequence[Outflow]) -> Block:
        ref = BlockRef(self.name, number_of(header.number), header.hash)
        time = _time(header)
        return Block(ref, header.parent_hash, time, time, tuple(transfers), outflows=tuple(outflows))


def _depth(finality: str) -> int | None:
    """Return n of `depth:n`, None for `tag`. Raises ValueError."""
    kind, _, depth = finality.partition(":")
    if finality != "tag" and (kind != "depth" or not depth.isdecimal() or int(depth) < 1):
        raise ValueError(f"finality is `tag` or `depth:n`, not {finality!r}")
    return int(depth) if depth else None


def _linked(headers: Sequence[FullBlock]) -> None:
    for parent, child in pairwise(headers):
        if child.parent_hash != parent.hash:
            raise ChainMoved(f"block {child.number} does not follow the one before it")


def _receiver(log: Log) -> str:
    if len(log.topics) != 3 or len(log.data) != 66:
        raise NodeUntrusted(f"{log.address} wrote a Transfer that is none of ERC-20")
    return "0x" + log.topics[2][26:].lower()


def _token_transfer(log: Log, receipt: Receipt, asset_by_contract: Mapping[str, Asset]) -> tuple[Asset, int, str, int]:
    """Return (asset, ordinal of the log within its transaction, receiver, units)."""
    for ordinal, written in enumerate(receipt.logs):
        if written.log_index == log.log_index:
            if receipt.status != "0x1" or written != log:
                raise NodeUntrusted(f"log and receipt of {log.transaction_hash} contradict each other")
            return asset_by_contract[log.address.lower()], ordinal, _receiver(log), number_of(log.data)
    raise NodeUntrusted(f"log {log.log_index} of {log.transaction_hash} is not in its receipt")


def _time(block: FullBlock) -> datetime:
    return datetime.fromtimestamp(number_of(block.timestamp), UTC)
