"""What spending asks of an EVM node: balances, fees, what a transfer would do, what became of a transaction."""

from collections.abc import Sequence
from typing import Final

import msgspec

from shared.adapters.evm.node import TRANSFER, Log, number_of
from shared.adapters.json_rpc import JsonRpc, RpcRefused
from shared.adapters.resilience import Limits
from shared.kernel.errors import Invalid
from shared.payments.chain import NodeUntrusted

LIMITS: Final = Limits(timeout_s=15, attempts=3, concurrent=4)
_BALANCE_OF: Final = "0x70a08231"
_PROBE_CODE: Final = "0x" + "".join(
    (
        "6370a0823160e01b600052602060206004376020608060246000600035" + "5afa50",  # m[80] = token.balanceOf(to)
        "63a9059cbb60e01b6000526040602060043760" + "20" + "60c06044600060006000355af1",  # m[c0] = token.transfer(to, n)
        "610100523d60e052",  # m[100] = it did not revert, m[e0] = how many bytes it returned
        "6370a0823160e01b600052602060206004376020" + "60a0602460006000355afa50",  # m[a0] = token.balanceOf(to)
        "60a06080f3",  # return m[80:120]
    )
)
"""Code that stands in for the wallet's own account in an `eth_call`: it transfers, and looks at what arrived."""


class _Block(msgspec.Struct, rename="camel"):
    base_fee_per_gas: str


class _Found(msgspec.Struct, rename="camel"):
    hash: str
    block_hash: str | None = None


class Receipt(msgspec.Struct, rename="camel"):
    """What became of a transaction, and what it cost. Numbers in hex."""

    block_hash: str
    block_number: str
    status: str
    gas_used: str
    effective_gas_price: str
    logs: list[Log]
    l1_fee: str = "0x0"
    """What a rollup takes besides for the chain below it."""

    @property
    def fee(self) -> int:
        """Return the wei that it cost."""
        return number_of(self.gas_used) * number_of(self.effective_gas_price) + number_of(self.l1_fee)

    def transferred(self, contract: str, sender: str, receiver: str) -> int:
        """Return the units of a token that its logs say went from the sender to the receiver."""
        topics = [TRANSFER, *("0x" + key[2:].rjust(64, "0") for key in (sender, receiver))]
        return sum(
            number_of(log.data)
            for log in self.logs
            if log.address.lower() == contract and [topic.lower() for topic in log.topics] == topics
        )


class Trial(msgspec.Struct, frozen=True):
    """What a token did with a transfer that was only tried."""

    succeeded: bool
    arrived: int


class EvmSpendingNode:
    """One node."""

    def __init__(self, url: str, *, target: str, limits: Limits = LIMITS) -> None:
        self._rpc = JsonRpc(target, url, limits)

    async def close(self) -> None:
        """Close the connections."""
        await self._rpc.close()

    async def transaction_count(self, address: str) -> int:
        """Return how many transactions of the address are mined: its next nonce."""
        return number_of(await self._rpc.call(str, "eth_getTransactionCount", address, "latest"))

    async def balance(self, address: str, *, waiting: bool = True) -> int:
        """Return the wei that are there to spend; with `waiting` only what transactions in the mempool will leave."""
        asked = [(address, "latest"), (address, "pending")] if waiting else [(address, "latest")]
        return min(_numbers(await self._rpc.batch(str, "eth_getBalance", asked)))

    async def token_balance(self, contract: str, address: str) -> int:
        """Return the token units that are there, and that transactions in the mempool will leave."""
        call = {"to": contract, "data": _BALANCE_OF + address[2:].rjust(64, "0")}
        return min(_numbers(await self._rpc.batch(str, "eth_call", [(call, "latest"), (call, "pending")])))

    async def fees(self) -> tuple[int, int]:
        """Return (base fee of the latest block, tip that the node advises), in wei per gas."""
        block = await self._rpc.call(_Block, "eth_getBlockByNumber", "latest", False)
        tip = await self._rpc.call(str, "eth_maxPriorityFeePerGas")
        return number_of(block.base_fee_per_gas), number_of(tip)

    async def gas(self, sender: str, to: str, value: int, call_data: bytes) -> int:
        """Return the gas that the transaction needs now. Raises Invalid when it would revert."""
        call = {"from": sender, "to": to, "value": hex(value), "data": "0x" + call_data.hex()}
        try:
            return number_of(await self._rpc.call(str, "eth_estimateGas", call))
        except RpcRefused as refused:
            if "revert" in refused.message.lower():
                raise Invalid(f"the receiver, or the token, refuses this payment: {refused.message}") from refused
            raise

    async def try_transfer(self, contract: str, sender: str, receiver: str, units: int) -> Trial:
        """Return what the token would do now with a transfer from the sender."""
        words = [contract[2:].rjust(64, "0"), receiver[2:].rjust(64, "0"), f"{units:064x}"]
        call = {"to": sender, "data": "0x" + "".join(words)}
        answer = await self._rpc.call(str, "eth_call", call, "latest", {sender: {"code": _PROBE_CODE}})
        if len(answer) != 2 + 5 * 64:
            raise NodeUntrusted("the node did not run the trial of a transfer")
        before, after, word, returned, ran = (int(answer[2 + 64 * at : 66 + 64 * at], 16) for at in range(5))
        # USDT returns nothing; other tokens return true, and false where they refuse without reverting.
        succeeded = ran == 1 and (returned == 0 or (returned >= 32 and word == 1))
        return Trial(succeeded, after - before if succeeded else 0)

    async def send(self, raw: str) -> str:
        """Give the network a transaction, and return its hash. Raises RpcRefused."""
        return await self._rpc.call(str, "eth_sendRawTransaction", f"0x{raw}")

    async def receipt(self, txid: str) -> Receipt | None:
        """Return the receipt of a transaction, None while it is in no block."""
        return await self._rpc.ask(Receipt, "eth_getTransactionReceipt", txid)

    async def waits(self, txid: str) -> bool:
        """Tell whether the node has the transaction, in no block yet."""
        found = await self._rpc.ask(_Found, "eth_getTransactionByHash", txid)
        return found is not None and found.block_hash is None


def _numbers(answers: Sequence[str | RpcRefused | None]) -> list[int]:
    for answer in answers:
        if isinstance(answer, RpcRefused):
            raise answer
    return [number_of(answer) for answer in answers if isinstance(answer, str)]
