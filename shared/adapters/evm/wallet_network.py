"""One EVM chain as people's wallets use it: what an address holds, what a signed transaction is before it is sent."""

from collections.abc import Collection
from typing import Final, Literal

import msgspec

from shared.adapters.evm.chain import EvmChain, Token
from shared.adapters.evm.dynamic_fee import read_signed, slot_of, txid_of
from shared.adapters.evm.node import TRANSFER, number_of
from shared.adapters.evm.spending_node import EvmSpendingNode
from shared.adapters.json_rpc import JsonRpc, RpcRefused
from shared.adapters.resilience import Limits
from shared.kernel.errors import Invalid, Transient
from shared.kernel.money import Asset, Money
from shared.payments.chain import ChainMoved
from shared.payments.spending import UnsafeTransaction
from shared.wallets.chain_model import Signed, TokenTransfer
from shared.wallets.chain_ports import Held, History, TransactionRefused

MOST_FEE: Final = 10**17
"""Wei: a transaction that may cost more than a tenth of a coin is a mistake."""
MOST_PER_GAS: Final = 1_000 * 10**9
"""Wei: nobody was ever asked for more for long."""
WINDOW: Final = 2_000
"""Blocks that are searched for transfers at a time."""
MOST_TRANSFERS: Final = 1_000
LIMITS: Final = Limits(timeout_s=15, attempts=2, concurrent=4)
_TRIES: Final = 2


class _Log(msgspec.Struct, rename="camel"):
    """A log of a Transfer. Numbers in hex."""

    address: str
    topics: list[str]
    data: str
    block_number: str
    transaction_hash: str
    log_index: str


class EvmHoldings:
    """Fulfils `shared.wallets.chain_ports.Holdings`."""

    def __init__(self, chain: EvmChain, url: str, tokens: Collection[Token]) -> None:
        self._chain = chain
        self._tokens = sorted(token.asset for token in tokens)
        self._asset_by_contract = {token.contract.lower(): token.asset for token in tokens}
        self._rpc = JsonRpc(f"{chain.name} histories", url, LIMITS)

    @property
    def name(self) -> str:
        """Return the chain's name."""
        return self._chain.name

    async def held(self, address: str) -> Held:
        """Return what the address holds at the tip; once more where that block was lost meanwhile."""
        for _ in range(_TRIES):
            at = await self._chain.tip()
            try:
                units = {self._chain.native: (await self._chain.balances([address], at))[address]}
                for asset in self._tokens:
                    units[asset] = (await self._chain.token_balances(asset, [address], at))[address]
            except ChainMoved:
                continue
            return Held(at.height, at.hash, units)
        raise Transient("The chain is being reorganised.")

    async def transfers(self, address: str, until: int | None) -> History:
        """Return the address's token transfers of some blocks, of fewer where there are very many."""
        tip = (await self._chain.tip()).height
        last = tip if until is None else min(until, tip)
        blocks = WINDOW
        while True:
            first = max(0, last - blocks + 1)
            logs = await self._logs(address, first, last)
            if len(logs) <= MOST_TRANSFERS or blocks == 1:
                break
            blocks = max(1, blocks // 4)
        ordered = sorted(logs.values(), key=lambda log: (number_of(log.block_number), number_of(log.log_index)))
        return History(first, last, [self._told(log, address) for log in reversed(ordered)])

    async def _logs(self, address: str, first: int, last: int) -> dict[tuple[str, str], _Log]:
        """Return the logs of these blocks that name the address, by block and index."""
        word = "0x" + address[2:].rjust(64, "0")
        span = {"fromBlock": hex(first), "toBlock": hex(last), "address": list(self._asset_by_contract)}
        found: dict[tuple[str, str], _Log] = {}
        for topics in ([TRANSFER, word], [TRANSFER, None, word]) if self._asset_by_contract else ():
            for log in await self._rpc.call(list[_Log], "eth_getLogs", {**span, "topics": topics}):
                if len(log.topics) == 3 and log.address.lower() in self._asset_by_contract:
                    found[log.block_number, log.log_index] = log
        return found

    def _told(self, log: _Log, address: str) -> TokenTransfer:
        sender, receiver = ("0x" + topic[26:].lower() for topic in log.topics[1:])
        direction: Literal["in", "out", "self"] = "in" if receiver == address else "out"
        asset = self._asset_by_contract[log.address.lower()]
        return TokenTransfer(
            txid=log.transaction_hash,
            log_index=number_of(log.log_index),
            height=number_of(log.block_number),
            direction="self" if sender == receiver else direction,
            amount=Money(asset=asset, units=number_of(log.data)),
            counterparty=sender if direction == "in" else receiver,
        )


class EvmNetwork:
    """Fulfils `shared.wallets.chain_ports.Network`."""

    def __init__(self, url: str, *, chain_id: int, native: Asset) -> None:
        self._chain_id = chain_id
        self._native = native
        self._node = EvmSpendingNode(url, target=f"evm:{chain_id} broadcasts")

    async def read(self, raw: str) -> Signed:
        """Return what the bytes are: an EIP-1559 transaction of this chain, signed, whose fee makes sense."""
        try:
            transaction, sender = read_signed(bytes.fromhex(raw))
        except UnsafeTransaction as wrong:
            raise Invalid(f"This is no signed EIP-1559 transaction: {wrong}.", pointer="/signed") from wrong
        if transaction.chain_id != self._chain_id:
            raise Invalid(f"It is for chain {transaction.chain_id}, not for {self._chain_id}.", pointer="/signed")
        if transaction.fee > MOST_FEE or transaction.max_fee > MOST_PER_GAS or transaction.tip > transaction.max_fee:
            raise TransactionRefused("Its fee is out of all proportion. Sign it anew with a lower one.")
        return Signed(
            chain=f"evm:{self._chain_id}",
            txid=txid_of(bytes.fromhex(raw)),
            raw=raw,
            size=len(raw) // 2,
            fee=transaction.fee,
            asset=self._native,
            sender=sender,
            slots=(slot_of(sender, transaction.nonce),),
        )

    async def known(self, txid: str) -> bool:
        """Return whether the network has it: in a block, or waiting for one."""
        return await self._node.waits(txid) or await self._node.receipt(txid) is not None

    async def send(self, signed: Signed) -> None:
        """Give it to the network; known already is no error."""
        try:
            await self._node.send(signed.raw)
        except RpcRefused as refused:
            if not await self.known(signed.txid):
                raise TransactionRefused(f"The network refuses it: {refused.message[:200]}") from refused
