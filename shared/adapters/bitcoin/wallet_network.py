"""Bitcoin as people's wallets use it: what an address holds, and what a signed transaction is before it is sent."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from shared.adapters.bitcoin.address import BitcoinAddresses
from shared.adapters.bitcoin.coins import slot_of
from shared.adapters.bitcoin.inspection import Transaction, read
from shared.adapters.bitcoin.spending_node import satoshi_of
from shared.adapters.json_rpc import JsonRpc, RpcRefused
from shared.adapters.resilience import Limits
from shared.kernel.errors import Invalid, Transient
from shared.kernel.money import Asset
from shared.payments.chain import Outpoint
from shared.payments.spending import UnsafeTransaction
from shared.wallets.chain_model import Signed
from shared.wallets.chain_ports import Held, History, NotServed, TransactionRefused

LIMITS: Final = Limits(timeout_s=15, attempts=2, concurrent=2)
MOST_FEE: Final = 1_000_000
"""Satoshi: a hundredth of a coin is a mistake."""
MOST_PER_VBYTE: Final = 2_000
MOST_INPUTS: Final = 200
_KNOWN: Final = -27
_NOT_FOUND: Final = -5
_SCAN_UNDER_WAY: Final = -8


class _Scan(msgspec.Struct):
    success: bool
    height: int
    bestblock: str
    total_amount: Decimal


class _Script(msgspec.Struct):
    hex: str


class _Coin(msgspec.Struct, rename="camel"):
    value: Decimal
    script_pub_key: _Script


class _Fees(msgspec.Struct):
    base: Decimal


class _Verdict(msgspec.Struct, rename={"reject_reason": "reject-reason"}):
    allowed: bool = False
    reject_reason: str = ""
    fees: _Fees | None = None


class BitcoinWalletNode:
    """Fulfils `shared.wallets.chain_ports.Holdings` and `Network`."""

    def __init__(self, url: str, *, name: str, network: str, searches: bool) -> None:
        """`searches`: whether people may have the node go through all unspent coins: minutes on the main network."""
        self._name = name
        self._addresses = BitcoinAddresses(network)
        self._searches = searches
        self._rpc = JsonRpc(f"{name} wallets", url, LIMITS)

    @property
    def name(self) -> str:
        """Return the chain's name."""
        return self._name

    async def held(self, address: str) -> Held:
        """Return the address's unspent coins as of the tip. Raises NotServed where the node is not to search them."""
        if not self._searches:
            raise NotServed
        script = self._addresses.parse(address).key
        try:
            scan = await self._rpc.call(_Scan, "scantxoutset", "start", [f"raw({script})"])
        except RpcRefused as refused:
            if refused.code == _SCAN_UNDER_WAY:
                raise Transient("The node is searching for somebody else.", retry_after_s=2) from refused
            raise
        if not scan.success:
            raise Transient("The node was stopped while it searched.")
        return Held(scan.height, scan.bestblock, {Asset.BTC: satoshi_of(scan.total_amount)})

    async def transfers(self, address: str, until: int | None) -> History:
        """Raise NotServed: nodes keep no index of addresses."""
        raise NotServed

    async def read(self, raw: str) -> Signed:
        """Return what the bytes are: a transaction whose coins are there, that the node would take, at a sane fee."""
        try:
            transaction = read(bytes.fromhex(raw))
        except (UnsafeTransaction, ValueError) as wrong:
            raise Invalid("This is no Bitcoin transaction in hex.", pointer="/signed") from wrong
        inputs = [each.outpoint for each in transaction.inputs]
        if not inputs or not transaction.outputs or len(inputs) > MOST_INPUTS:
            raise Invalid(f"It spends no coins, or more than {MOST_INPUTS}, or pays nobody.", pointer="/signed")
        known = await self.known(transaction.txid)
        scripts, fee = await self._coins(inputs), 0
        if not known:
            fee = await self._judged(raw, transaction)
        return Signed(
            chain=self._name,
            txid=transaction.txid,
            raw=raw,
            size=transaction.vsize,
            fee=fee,
            asset=Asset.BTC,
            slots=tuple(slot_of(each) for each in inputs),
            scripts=scripts,
        )

    async def known(self, txid: str) -> bool:
        """Return whether it waits for a block, or has unspent outputs in one."""
        try:
            await self._rpc.call(dict[str, msgspec.Raw], "getmempoolentry", txid)
        except RpcRefused as refused:
            if refused.code != _NOT_FOUND:
                raise
            return await self._rpc.ask(_Coin, "gettxout", txid, 0) is not None
        return True

    async def send(self, signed: Signed) -> None:
        """Give it to the network; known already is no error."""
        try:
            await self._rpc.call(str, "sendrawtransaction", signed.raw)
        except RpcRefused as refused:
            if refused.code != _KNOWN and not await self.known(signed.txid):
                raise TransactionRefused(f"The network refuses it: {refused.message[:200]}") from refused

    async def _judged(self, raw: str, transaction: Transaction) -> int:
        """Return the fee in satoshi of a transaction that the node would take."""
        (verdict,) = await self._rpc.call(list[_Verdict], "testmempoolaccept", [raw])
        if not verdict.allowed or verdict.fees is None:
            raise TransactionRefused(f"The network refuses it: {verdict.reject_reason[:200]}")
        fee = satoshi_of(verdict.fees.base)
        if fee > MOST_FEE or fee > MOST_PER_VBYTE * transaction.vsize:
            raise TransactionRefused("Its fee is out of all proportion. Sign it anew with a lower one.")
        return fee

    async def _coins(self, inputs: Sequence[Outpoint]) -> tuple[str, ...]:
        """Return the scripts of those coins that are unspent in a block, or in the mempool."""
        answers = await self._rpc.batch(_Coin, "gettxout", [(each.txid, each.output, True) for each in inputs])
        return tuple(each.script_pub_key.hex for each in answers if isinstance(each, _Coin))
