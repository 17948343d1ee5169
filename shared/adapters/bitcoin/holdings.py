"""What Bitcoin has at addresses at one block, for reconciliation: not read on the watcher's way.

Every credited coin is asked for in the node's set of unspent ones; a spent one is looked for in the blocks above the
compared one, where it would still count as held. Coins that nobody knows of are found by going through the whole set
with all scripts at once: that takes a node of the main network minutes, and is done once a day.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from shared.adapters.bitcoin.block import read_block
from shared.adapters.json_rpc import JsonRpc, RpcRefused
from shared.adapters.resilience import Limits
from shared.kernel.money import Asset
from shared.payments.chain import BlockRef, ChainMoved, Outpoint
from shared.payments.reconcile_payments import Reading
from shared.payments.reconciliation_chain import Arrived, Credited, Evidence, Left, Receiver
from shared.payments.reconciliation_wallet import Wallet

T = TypeVar("T")

LIMITS: Final = Limits(timeout_s=600, attempts=2, concurrent=4)
"""Going through all unspent coins is one call that takes minutes."""
_SATOSHI: Final = 100_000_000
_BATCH: Final = 500
_SCRIPTS: Final = 200_000
"""As many scripts are looked for at once: a request of some 20 MB."""
_OUT_OF_RANGE: Final = -8
_NOT_FOUND: Final = -5


class _Script(msgspec.Struct):
    hex: str


class _Coin(msgspec.Struct, rename="camel"):
    """An unspent output, as `gettxout` tells it: as of the tip."""

    bestblock: str = msgspec.field(name="bestblock")
    confirmations: int
    value: Decimal
    script_pub_key: _Script


class _Output(msgspec.Struct, rename="camel"):
    value: Decimal
    n: int
    script_pub_key: _Script


class _Transaction(msgspec.Struct):
    vout: list[_Output]


class _Unspent(msgspec.Struct, rename="camel"):
    """An unspent output, as `scantxoutset` tells it."""

    txid: str
    vout: int
    script_pub_key: str
    amount: Decimal
    height: int


class _Scan(msgspec.Struct):
    success: bool
    unspents: list[_Unspent]


class _Address(msgspec.Struct, rename="camel"):
    script_pub_key: str


class _Prevout(msgspec.Struct, rename="camel"):
    height: int
    value: Decimal
    script_pub_key: _Script


class _Input(msgspec.Struct):
    """An input with the coin that it spends; a coinbase has none."""

    prevout: _Prevout | None = None


class _Inputs(msgspec.Struct):
    vin: list[_Input]


class _Spending(msgspec.Struct):
    tx: list[_Inputs]


class _Head(msgspec.Struct):
    height: int
    time: int


class BitcoinHoldings:
    """Fulfils `shared.payments.reconcile_payments.Holdings`. `always_whole`: a node whose set is small."""

    def __init__(
        self,
        url: str,
        *,
        name: str = "bitcoin",
        hot_wallet: str = "",
        always_whole: bool = False,
        limits: Limits = LIMITS,
    ) -> None:
        self.name = name
        self._hot_wallet = hot_wallet
        self._rpc = JsonRpc(f"{name} reconciled", url, limits)
        self._always_whole = always_whole

    async def close(self) -> None:
        """Close the connections to the node."""
        await self._rpc.close()

    async def hash_at(self, height: int) -> str | None:
        """Return the hash of the best chain's block at the height."""
        try:
            return await self._rpc.call(str, "getblockhash", height)
        except RpcRefused as refused:
            if refused.code == _OUT_OF_RANGE:
                return None
            raise

    async def read(self, receivers: Sequence[Receiver], at: BlockRef, *, since: int, whole: bool) -> Reading:
        """Return what lies at these addresses at this block."""
        whole = whole or self._always_whole
        credited = {Outpoint(each.txid, each.position): each for one in receivers for each in one.credited}
        there = await self._unspent(list(credited))
        gone = [coin for coin in credited if coin not in there]
        later = await self._spent_above(gone, at)
        created = await self._created([credited[coin] for coin in gone])
        strange = await self._strangers([each.key for each in receivers], credited, at) if whole else {}
        held = 0
        evidence: dict[str, Evidence] = {}
        for receiver in receivers:
            of_key = _Ledger(receiver, there, later, created)
            arrived = [*of_key.arrived(), *strange.get(receiver.key, ())]
            left = of_key.left()
            units = sum(each.units for each in arrived) - sum(coins.units for coins in left)
            held += units
            if left or [(a.txid, a.position, a.units) for a in arrived] != [
                (c.txid, c.position, c.units) for c in receiver.credited
            ]:
                evidence[receiver.key] = Evidence({Asset.BTC: units}, tuple(arrived), left)
        return Reading(Counter({Asset.BTC: held}), evidence, whole)

    async def wallet(self, at: BlockRef, *, whole: bool) -> Wallet | None:
        """Return what the hot wallet holds at this block; None where there is none, or the run is not a whole one.

        The node tells what is unspent at its tip: what blocks above the compared one took away is put back.
        """
        if not (self._hot_wallet and (whole or self._always_whole)):
            return None
        told = await self._rpc.call(_Address, "validateaddress", self._hot_wallet)
        unspent = (await self._scanned([told.script_pub_key])).unspents
        units = sum(_satoshi(coin.amount) for coin in unspent if coin.height <= at.height)
        for height in range(at.height + 1, await self._rpc.call(int, "getblockcount") + 1):
            block = await self._rpc.call(_Spending, "getblock", await self.hash_at(height), 3)
            coins = [spent.prevout for one in block.tx for spent in one.vin if spent.prevout]
            units += sum(
                _satoshi(coin.value)
                for coin in coins
                if coin.script_pub_key.hex == told.script_pub_key and coin.height <= at.height
            )
        return Wallet(self._hot_wallet, {Asset.BTC: units})

    async def _unspent(self, coins: Sequence[Outpoint]) -> dict[Outpoint, _Coin]:
        """Return those of the coins that are unspent at the tip."""
        found: dict[Outpoint, _Coin] = {}
        params = [(coin.txid, coin.output, False) for coin in coins]
        for coin, answer in zip(coins, await self._all(_Coin, "gettxout", params), strict=True):
            if answer is not None:
                found[coin] = answer
        return found

    async def _spent_above(self, coins: Sequence[Outpoint], at: BlockRef) -> frozenset[Outpoint]:
        """Return those of the coins that a block above the compared one spends: at that block they are there."""
        if not coins:
            return frozenset()
        asked = frozenset(coins)
        found: set[Outpoint] = set()
        for height in range(at.height + 1, await self._rpc.call(int, "getblockcount") + 1):
            raw = await self._rpc.get(f"/rest/block/{await self.hash_at(height)}.bin")
            if raw is None:
                raise ChainMoved(f"the node does not have block {height} (any more)")
            found |= {spend.outpoint for spend in read_block(raw, frozenset(), asked).spends}
        return frozenset(found)

    async def _created(self, credited: Sequence[Credited]) -> dict[Outpoint, _Output]:
        """Return the spent coins as the blocks have them that they were credited from."""
        params = [(each.txid, True, each.block_hash) for each in credited]
        found: dict[Outpoint, _Output] = {}
        answers = await self._all(_Transaction, "getrawtransaction", params, missing=_NOT_FOUND)
        for each, answer in zip(credited, answers, strict=True):
            if answer is not None and await self.hash_at(each.height) == each.block_hash:
                found |= {Outpoint(each.txid, output.n): output for output in answer.vout if output.n == each.position}
        return found

    async def _strangers(
        self, scripts: Sequence[str], credited: Mapping[Outpoint, Credited], at: BlockRef
    ) -> dict[str, list[Arrived]]:
        """Return the unspent coins of these scripts that nobody was credited with, by script."""
        found: dict[str, list[Arrived]] = {}
        for start in range(0, len(scripts), _SCRIPTS):
            for coin in (await self._scanned(scripts[start : start + _SCRIPTS])).unspents:
                if Outpoint(coin.txid, coin.vout) not in credited and coin.height <= at.height:
                    time = await self._time(coin.height)
                    arrived = Arrived(Asset.BTC, coin.txid, coin.vout, _satoshi(coin.amount), coin.height, time)
                    found.setdefault(coin.script_pub_key, []).append(arrived)
        return found

    async def _scanned(self, scripts: Sequence[str]) -> _Scan:
        """Return all unspent coins of these scripts, as of the tip."""
        scan = await self._rpc.call(_Scan, "scantxoutset", "start", [f"raw({script})" for script in scripts])
        if not scan.success:
            raise ChainMoved("the node was stopped while it went through all unspent coins")
        return scan

    async def _time(self, height: int) -> datetime:
        head = await self._rpc.call(_Head, "getblockheader", await self.hash_at(height))
        return datetime.fromtimestamp(head.time, UTC)

    async def _all(
        self, kind: type[T], method: str, params: Sequence[Sequence[object]], *, missing: int | None = None
    ) -> list[T | None]:
        """Ask in batches; a refusal with the code `missing` counts as nothing."""
        found: list[T | None] = []
        for start in range(0, len(params), _BATCH):
            for answer in await self._rpc.batch(kind, method, params[start : start + _BATCH]):
                if isinstance(answer, RpcRefused):
                    if answer.code != missing:
                        raise answer
                    found.append(None)
                else:
                    found.append(answer)
        return found


@dataclass(frozen=True, slots=True)
class _Ledger:
    """A receiver's credited coins, each as the node has it."""

    receiver: Receiver
    there: Mapping[Outpoint, _Coin]
    later: frozenset[Outpoint]
    created: Mapping[Outpoint, _Output]

    def _units(self, coin: Outpoint) -> int | None:
        """Return the satoshi that the coin brought to the receiver's script, None where it never did."""
        found = self.there.get(coin) or self.created.get(coin)
        return _satoshi(found.value) if found and found.script_pub_key.hex == self.receiver.key else None

    def arrived(self) -> list[Arrived]:
        """Return the credited coins that the chain has, or had until they were spent."""
        return [
            Arrived(Asset.BTC, each.txid, each.position, units, each.height)
            for each in self.receiver.credited
            if (units := self._units(Outpoint(each.txid, each.position))) is not None
        ]

    def left(self) -> tuple[Left, ...]:
        """Return the coins that were spent up to the compared block."""
        return tuple(
            Left(Asset.BTC, coin.txid, coin.output, units, f"{coin.txid}:{coin.output}")
            for coin in (Outpoint(each.txid, each.position) for each in self.receiver.credited)
            if coin not in self.there and coin not in self.later and (units := self._units(coin)) is not None
        )


def _satoshi(amount: Decimal) -> int:
    """Return the node's amount in BTC as satoshi, exactly."""
    return int(amount * _SATOSHI)
