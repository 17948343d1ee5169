"""What an EVM chain has at addresses at one block, for reconciliation: not read on the watcher's way.

Balances come from the state itself, a thousand addresses in one call, tokens as their contract tells them. Only where
they are not what was credited are transactions looked at, each with its receipt: first those that are known, then,
where they don't explain it, all of the blocks since the last run.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

import msgspec

from shared.adapters.evm.chain import Token
from shared.adapters.evm.node import LIMITS, TRANSFER, Header, Log, number_of
from shared.adapters.evm.state_code import TOKEN_CODE
from shared.adapters.json_rpc import JsonRpc, RpcRefused
from shared.kernel.money import Asset
from shared.payments.chain import NATIVE_POSITION, BlockRef, ChainMoved, NodeUntrusted
from shared.payments.reconcile_payments import Reading
from shared.payments.reconciliation_chain import Arrived, Evidence, Left, Receiver, as_credited
from shared.payments.reconciliation_wallet import Wallet

T = TypeVar("T")

WINDOW: Final = 5_000
"""As many blocks below the compared one are searched at most for transactions that nobody knows of."""
_AT_ONCE: Final = 1_000
"""Addresses whose balances are read in one call."""
_BATCH: Final = 100
_BLOCKS_AT_ONCE: Final = 25
_PLACE: Final = "0x00000000000000000000000000000000000c0de0"
# for (i = 0; i < calldatasize; i += 32) memory[i] = balance(calldata[i]); return memory
_NATIVE_CODE: Final = "0x60005b803690101560165780353181526020016002565b366000f3"


class _Transaction(msgspec.Struct):
    """A transaction as it lies in a block; `value` in wei, hex."""

    hash: str
    value: str
    sender: str = msgspec.field(name="from")
    to: str | None = None


class _FullBlock(msgspec.Struct):
    """A block with its transactions."""

    hash: str
    transactions: list[_Transaction]


class _Stamp(msgspec.Struct):
    """When a block was made, in seconds since 1970, hex."""

    timestamp: str


class _Receipt(msgspec.Struct, rename="camel"):
    """What became of a transaction. `effective_gas_price` in wei, hex."""

    block_number: str
    status: str
    gas_used: str
    logs: list[Log]
    effective_gas_price: str = "0x0"


@dataclass(frozen=True, slots=True)
class _Mined:
    """A transaction in a block up to the compared one."""

    transaction: _Transaction
    receipt: _Receipt

    @property
    def height(self) -> int:
        return number_of(self.receipt.block_number)


class EvmHoldings:
    """Fulfils `shared.payments.reconcile_payments.Holdings` for one EVM chain."""

    def __init__(
        self,
        url: str,
        *,
        chain_id: int,
        tokens: Collection[Token],
        native: Asset = Asset.ETH,
        hot_wallet: str = "",
        window: int = WINDOW,
    ) -> None:
        self.name = f"evm:{chain_id}"
        self._rpc = JsonRpc(f"{self.name} reconciled", url, LIMITS)
        self._native = native
        self._contract_by_asset = {token.asset: token.contract.lower() for token in tokens}
        self._asset_by_contract = {contract: asset for asset, contract in self._contract_by_asset.items()}
        self._hot_wallet = hot_wallet
        self._window = window

    async def close(self) -> None:
        """Close the connections to the node."""
        await self._rpc.close()

    async def hash_at(self, height: int) -> str | None:
        """Return the hash of the best chain's block at the height."""
        header = await self._rpc.ask(Header, "eth_getBlockByNumber", hex(height), False)
        return header.hash if header else None

    async def read(self, receivers: Sequence[Receiver], at: BlockRef, *, since: int, whole: bool) -> Reading:
        """Return what lies at these addresses at this block; `whole`: every credited transfer is looked up besides.

        A balance has every coin, known or not: it is compared in every run.
        """
        held = await self._held([receiver.key for receiver in receivers], at)
        total: Counter[Asset] = Counter()
        for of_key in held.values():
            total.update(of_key)
        doubtful = [each for each in receivers if not as_credited(each, held[each.key])]
        if whole:
            sure = [each for each in receivers if each.credited and as_credited(each, held[each.key])]
            doubtful += await self._forged(sure, at)
        evidence = await self._explained(doubtful, held, at, since)
        return Reading(total, evidence, whole=True)

    async def wallet(self, at: BlockRef, *, whole: bool) -> Wallet | None:
        """Return what the hot wallet holds at this block, None where there is none."""
        if not self._hot_wallet:
            return None
        key = self._hot_wallet.lower()
        return Wallet(self._hot_wallet, (await self._held([key], at))[key])

    async def _held(self, keys: Sequence[str], at: BlockRef) -> dict[str, dict[Asset, int]]:
        held: dict[str, dict[Asset, int]] = {key: {} for key in keys}
        for start in range(0, len(keys), _AT_ONCE):
            chunk = keys[start : start + _AT_ONCE]
            words = "".join(key[2:].rjust(64, "0") for key in chunk)
            calls = [(self._native, _NATIVE_CODE, "0x" + words)]
            for asset, contract in self._contract_by_asset.items():
                calls.append((asset, TOKEN_CODE, "0x" + contract[2:].rjust(64, "0") + words))
            for asset, code, call_data in calls:
                answer = await self._run(code, call_data, at)
                if len(answer) != 64 * len(chunk):
                    raise NodeUntrusted(f"the node answered {len(answer) // 64} balances of {len(chunk)}")
                for position, key in enumerate(chunk):
                    held[key][asset] = int(answer[64 * position : 64 * position + 64], 16)
        return held

    async def _run(self, code: str, call_data: str, at: BlockRef) -> str:
        """Return in hex what `code` answers to the call data on the state after the block."""
        place = {"blockHash": at.hash, "requireCanonical": True}
        call = {"to": _PLACE, "data": call_data}
        try:
            return (await self._rpc.call(str, "eth_call", call, place, {_PLACE: {"code": code}}))[2:]
        except RpcRefused as refused:
            if await self._rpc.ask(Header, "eth_getBlockByHash", at.hash, False) is None:
                raise ChainMoved(f"the node does not know block {at.hash} (any more)") from refused
            raise

    async def _explained(
        self, receivers: Sequence[Receiver], held: Mapping[str, Mapping[Asset, int]], at: BlockRef, since: int
    ) -> dict[str, Evidence]:
        """Return for each receiver what its known transactions say, and what unknown ones do where these don't do."""
        if not receivers:
            return {}
        known = {txid for each in receivers for txid in _named(each)}
        mined = await self._mined(known, at)
        evidence = {each.key: await self._evidence(each, held[each.key], mined, at) for each in receivers}
        unexplained = [each for each in receivers if not _adds_up(each, evidence[each.key])]
        if unexplained:
            keys = frozenset(each.key for each in unexplained)
            first = max(since, at.height - self._window + 1)
            mined |= await self._mined(await self._concerning(keys, first, at.height) - mined.keys(), at)
            for each in unexplained:
                evidence[each.key] = await self._evidence(each, held[each.key], mined, at)
        return evidence

    async def _forged(self, receivers: Sequence[Receiver], at: BlockRef) -> list[Receiver]:
        """Return those that were credited with a transfer that the chain does not have, or has otherwise."""
        mined = await self._mined({credit.txid for each in receivers for credit in each.credited}, at)

        def brought(receiver: Receiver) -> Iterator[bool]:
            for credit in receiver.credited:
                one = mined.get(credit.txid)
                known = (credit.asset, credit.position, credit.units)
                yield _from_contract(credit.txid) or (one is not None and known in self._to(receiver.key, one))

        return [each for each in receivers if not all(brought(each))]

    async def _concerning(self, keys: frozenset[str], first: int, last: int) -> set[str]:
        """Return the transactions of these blocks that move coins to or from one of the keys."""
        found: set[str] = set()
        for start in range(first, last + 1, _BLOCKS_AT_ONCE):
            heights = range(start, min(start + _BLOCKS_AT_ONCE, last + 1))
            params = [(hex(height), True) for height in heights]
            for block in await self._all(_FullBlock, "eth_getBlockByNumber", params):
                for transaction in block.transactions if block else ():
                    if {transaction.sender.lower(), (transaction.to or "").lower()} & keys:
                        found.add(transaction.hash)
        words = ["0x" + key[2:].rjust(64, "0") for key in sorted(keys)]
        if self._asset_by_contract:
            for start in range(0, len(words), _AT_ONCE):
                chunk = words[start : start + _AT_ONCE]
                for topics in ([TRANSFER, chunk], [TRANSFER, None, chunk]):
                    found |= {log.transaction_hash for log in await self._logs(topics, first, last)}
        return found

    async def _logs(self, topics: Sequence[object], first: int, last: int) -> list[Log]:
        """Return the allowed contracts' logs with these topics, in halves where the node calls the range too large."""
        span = {"fromBlock": hex(first), "toBlock": hex(last)}
        wanted = {"address": list(self._asset_by_contract), "topics": topics}
        try:
            return await self._rpc.call(list[Log], "eth_getLogs", wanted | span)
        except RpcRefused:
            if first >= last:
                raise
        middle = (first + last) // 2
        return [*await self._logs(topics, first, middle), *await self._logs(topics, middle + 1, last)]

    async def _mined(self, txids: Collection[str], at: BlockRef) -> dict[str, _Mined]:
        """Return those of the transactions that are in a block up to the compared one."""
        asked = [txid for txid in sorted(txids) if not _from_contract(txid)]
        params = [(txid,) for txid in asked]
        receipts = await self._all(_Receipt, "eth_getTransactionReceipt", params)
        transactions = await self._all(_Transaction, "eth_getTransactionByHash", params)
        return {
            txid: _Mined(transaction, receipt)
            for txid, receipt, transaction in zip(asked, receipts, transactions, strict=True)
            if receipt and transaction and number_of(receipt.block_number) <= at.height
        }

    async def _evidence(
        self, receiver: Receiver, held: Mapping[Asset, int], mined: Mapping[str, _Mined], at: BlockRef
    ) -> Evidence:
        credited = {(each.asset, each.txid, each.position): each for each in receiver.credited}
        arrived: list[Arrived] = []
        left: list[Left] = []
        for one in mined.values():
            for asset, position, units in self._to(receiver.key, one):
                known = (asset, one.transaction.hash, position) in credited
                time = None if known else await self._time(one.height)
                arrived.append(Arrived(asset, one.transaction.hash, position, units, one.height, time))
            left += self._from(receiver.key, one)
        # What came from a contract has no transaction to be looked up: the balance alone says that it is there.
        arrived += [
            Arrived(each.asset, each.txid, each.position, each.units, each.height)
            for each in receiver.credited
            if _from_contract(each.txid)
        ]
        return Evidence(held, tuple(arrived), tuple(left))

    def _to(self, key: str, one: _Mined) -> Iterator[tuple[Asset, int, int]]:
        """Yield (asset, position, units) of what the transaction brought to the key."""
        if one.receipt.status != "0x1":
            return
        value = number_of(one.transaction.value)
        if value and (one.transaction.to or "").lower() == key:
            yield self._native, NATIVE_POSITION, value
        for position, asset, parties, units in self._transfers(one):
            if parties[1] == key and units:
                yield asset, position, units

    def _from(self, key: str, one: _Mined) -> Iterator[Left]:
        """Yield what the transaction took from the key: value and gas, tokens."""
        txid = one.transaction.hash
        if one.transaction.sender.lower() == key:
            moved = number_of(one.transaction.value) if one.receipt.status == "0x1" else 0
            gas = number_of(one.receipt.gas_used) * number_of(one.receipt.effective_gas_price)
            to = (one.transaction.to or "").lower() if moved else None
            yield Left(self._native, txid, NATIVE_POSITION, moved + gas, txid, to)
        for position, asset, parties, units in self._transfers(one):
            if parties[0] == key and units:
                yield Left(asset, txid, position, units, txid, parties[1])

    def _transfers(self, one: _Mined) -> Iterator[tuple[int, Asset, tuple[str, str], int]]:
        """Yield (ordinal of the log, asset, (from, to), units) of the allowed tokens' transfers."""
        for position, log in enumerate(one.receipt.logs):
            asset = self._asset_by_contract.get(log.address.lower())
            if asset is not None and log.topics[:1] == [TRANSFER] and len(log.topics) == 3:
                parties = ("0x" + log.topics[1][26:].lower(), "0x" + log.topics[2][26:].lower())
                yield position, asset, parties, number_of(log.data)

    async def _time(self, height: int) -> datetime:
        stamp = await self._rpc.call(_Stamp, "eth_getBlockByNumber", hex(height), False)
        return datetime.fromtimestamp(number_of(stamp.timestamp), UTC)

    async def _all(self, kind: type[T], method: str, params: Sequence[Sequence[object]]) -> list[T | None]:
        """Ask in batches. Raises RpcRefused for what the node refuses."""
        found: list[T | None] = []
        for start in range(0, len(params), _BATCH):
            for answer in await self._rpc.batch(kind, method, params[start : start + _BATCH]):
                if isinstance(answer, RpcRefused):
                    raise answer
                found.append(answer)
        return found


def _named(receiver: Receiver) -> Iterator[str]:
    """Yield every transaction that our books name of a receiver."""
    yield from (credit.txid for credit in receiver.credited)
    yield from receiver.suspects
    for sweep in receiver.sweeps:
        yield from sweep.names


def _from_contract(txid: str) -> bool:
    """Return whether it names no transaction: the coins came in a call between contracts."""
    return not txid.startswith("0x")


def _adds_up(receiver: Receiver, evidence: Evidence) -> bool:
    """Return whether what came and went explains all that is held."""
    known: Counter[Asset] = Counter()
    for each in evidence.arrived:
        known[each.asset] += each.units
    for coins in evidence.left:
        known[coins.asset] -= coins.units
    return all(receiver.may_hold(asset, known[asset], units) for asset, units in evidence.held.items())
