"""What spending asks of a Bitcoin node: the wallet's own coins, fees, whether a transaction would be taken.

The coins come from a watch-only descriptor wallet on the node, without any key: the node keeps it up to date with each
block, knows both the coins and what spent them, and has their transactions without `-txindex`. (`scantxoutset` reads
the whole set of coins each time: minutes on the main network, and no transaction in the mempool.)
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from shared.adapters.bitcoin.coins import Coin
from shared.adapters.bitcoin.node import State
from shared.adapters.json_rpc import JsonRpc, RpcRefused
from shared.adapters.resilience import Limits
from shared.kernel.errors import Transient
from shared.payments.chain import NodeUntrusted, Outpoint

T = TypeVar("T")

LIMITS: Final = Limits(timeout_s=15, attempts=3, concurrent=4)
SATOSHI: Final = 100_000_000
_NOT_LOADED: Final = -18
_WALLET_ERROR: Final = -4
_LOADED_ALREADY: Final = -35
_NOT_FOUND: Final = -5


class _Unspent(msgspec.Struct):
    txid: str
    vout: int
    amount: Decimal
    confirmations: int


class _Descriptors(msgspec.Struct):
    descriptors: list[dict[str, msgspec.Raw]]


class _DescriptorInfo(msgspec.Struct):
    descriptor: str


class _WalletInfo(msgspec.Struct):
    scanning: bool | dict[str, float] = False


class _Imported(msgspec.Struct):
    success: bool


class _Estimate(msgspec.Struct):
    feerate: Decimal | None = None


class _Mempool(msgspec.Struct):
    mempoolminfee: Decimal
    minrelaytxfee: Decimal


class Known(msgspec.Struct):
    """A transaction of the wallet as its node knows it. `confirmations` < 0: another one took its coins."""

    hex: str
    confirmations: int
    blockhash: str | None = None
    blockheight: int | None = None


class Verdict(msgspec.Struct, rename={"reject_reason": "reject-reason"}):
    """What the node would do with a transaction that it is given."""

    allowed: bool = False
    reject_reason: str = ""


class SpendingNode:
    """One node, and its watch-only wallet of one address, named `hot-<address>`."""

    def __init__(self, url: str, *, target: str, born: int = 0, limits: Limits = LIMITS) -> None:
        """`born` is when the address can first have been paid, in seconds since 1970: blocks before are not read."""
        self._url = url.rstrip("/")
        self._target = target
        self._limits = limits
        self._rpc = JsonRpc(target, url, limits)
        self._wallet: JsonRpc | None = None
        self._born = born
        self._watching = False

    async def close(self) -> None:
        """Close the connections."""
        await self._rpc.close()
        if self._wallet is not None:
            await self._wallet.close()

    async def state(self) -> State:
        """Return the tip of the best chain, and which network it is."""
        return await self._rpc.call(State, "getblockchaininfo")

    async def coins(self, address: str) -> list[Coin]:
        """Return the wallet's confirmed coins that nothing in the mempool spends."""
        found = await self._of_wallet(list[_Unspent], address, "listunspent", 1, 9_999_999, [address], False)
        return [Coin(Outpoint(each.txid, each.vout), satoshi_of(each.amount), each.confirmations) for each in found]

    async def known(self, address: str, txid: str) -> Known | None:
        """Return a transaction that pays or spends from the address, None if the wallet never saw it."""
        try:
            return await self._of_wallet(Known, address, "gettransaction", txid)
        except RpcRefused as refused:
            if refused.code == _NOT_FOUND:
                return None
            raise

    async def in_mempool(self, txid: str) -> bool:
        """Tell whether the transaction waits to be mined."""
        try:
            await self._rpc.call(dict[str, msgspec.Raw], "getmempoolentry", txid)
        except RpcRefused as refused:
            if refused.code == _NOT_FOUND:
                return False
            raise
        return True

    async def fee_rates(self, blocks: int) -> tuple[int | None, int]:
        """Return (rate to be mined within so many blocks or None, least rate taken), in satoshi per 1,000 vbytes."""
        estimate = await self._rpc.call(_Estimate, "estimatesmartfee", blocks, "economical")
        mempool = await self._rpc.call(_Mempool, "getmempoolinfo")
        least = satoshi_of(max(mempool.mempoolminfee, mempool.minrelaytxfee))
        return (None if estimate.feerate is None else satoshi_of(estimate.feerate)), least

    async def verdict(self, raw: str) -> Verdict:
        """Return whether the node would take the transaction now."""
        verdicts = await self._rpc.call(list[Verdict], "testmempoolaccept", [raw])
        if len(verdicts) != 1:
            raise NodeUntrusted("the node judged another number of transactions than it was given")
        return verdicts[0]

    async def send(self, raw: str) -> str:
        """Give the network a transaction, and return its txid. Raises RpcRefused."""
        return await self._rpc.call(str, "sendrawtransaction", raw)

    async def _of_wallet(self, kind: type[T], address: str, method: str, *params: object) -> T:
        """Ask the watch-only wallet, which is made or loaded first where the node has not got it."""
        name = f"hot-{address}"
        if self._wallet is None:
            self._wallet = JsonRpc(self._target, f"{self._url}/wallet/{name}", self._limits)
        for first in (True, False):
            if not self._watching:
                await self._watch(self._wallet, name, address)
                self._watching = True
            try:
                return await self._wallet.call(kind, method, *params)
            except RpcRefused as refused:
                self._watching = refused.code != _NOT_LOADED
                if self._watching or not first:
                    raise
        raise AssertionError("unreachable")

    async def _watch(self, wallet: JsonRpc, name: str, address: str) -> None:
        if name not in await self._loaded():
            await self._make_or_load(name)
        info = await wallet.call(_WalletInfo, "getwalletinfo")
        if info.scanning is not False:
            raise Transient("The node is still reading old blocks for the hot wallet's coins.", retry_after_s=60)
        if (await wallet.call(_Descriptors, "listdescriptors")).descriptors:
            return
        told = await self._rpc.call(_DescriptorInfo, "getdescriptorinfo", f"addr({address})")
        request = [{"desc": told.descriptor, "timestamp": self._born}]
        [imported] = await wallet.call(list[_Imported], "importdescriptors", request)
        if not imported.success:
            raise Transient(f"The node does not watch the hot wallet {address}: see its log.")

    async def _make_or_load(self, name: str) -> None:
        try:
            # no private keys, blank, no passphrase, reuse allowed, descriptors, loaded whenever the node starts
            await self._rpc.call(dict[str, msgspec.Raw], "createwallet", name, True, True, "", False, True, True)
        except RpcRefused as refused:
            if refused.code != _WALLET_ERROR:  # it lies there already: another process made it, or it is not loaded
                raise
            await self._load(name)

    async def _load(self, name: str) -> None:
        try:
            await self._rpc.call(dict[str, msgspec.Raw], "loadwallet", name, True)
        except RpcRefused as refused:
            if refused.code != _LOADED_ALREADY and name not in await self._loaded():
                raise

    async def _loaded(self) -> Sequence[str]:
        return await self._rpc.call(list[str], "listwallets")


def satoshi_of(btc: Decimal) -> int:
    """Return an amount of the wire in satoshi. Raises NodeUntrusted for a fraction of one."""
    satoshi = btc * SATOSHI
    if satoshi != int(satoshi) or satoshi < 0:
        raise NodeUntrusted(f"{btc} BTC is no amount")
    return int(satoshi)
