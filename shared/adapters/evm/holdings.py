"""What an EVM chain has at addresses at one block, for reconciliation: not read on the watcher's way.

Balances come from the state itself, a thousand addresses in one call, tokens as their contract tells them. Only where
they are not what was credited are transactions looked for, and each of them is read with its receipt.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from shared.adapters.evm.chain import Token
from shared.adapters.evm.node import LIMITS, TRANSFER, Log, number_of
from shared.adapters.json_rpc import JsonRpc, RpcRefused
from shared.kernel.money import Asset
from shared.payments.chain import NATIVE_POSITION, BlockRef, ChainMoved, NodeUntrusted
from shared.payments.reconcile_payments import Reading
from shared.payments.reconciliation import Arrived, Evidence, Left, Receiver, as_credited

_AT_ONCE: Final = 1000
"""Addresses whose balances are read in one call."""
_BATCH: Final = 100
_BLOCKS_AT_ONCE: Final = 25
WINDOW: Final = 5_000
"""As many blocks below the compared one are searched at most for transactions that nobody knows of."""
_PLACE: Final = "0x00000000000000000000000000000000000c0de0"
# for (i = 0; i < calldatasize; i += 32) memory[i] = balance(calldata[i]); return memory
_NATIVE_CODE: Final = "0x60005b803690101560165780353181526020016002565b366000f3"
# token = calldata[0]; memory[0] = selector of balanceOf(address)
# for (i = 32; i < calldatasize; i += 32) { memory[4] = calldata[i]; memory[64 + i] = staticcall(token, memory[0..36]) }
# return memory[96..]; a call that fails, or answers less than a word, makes all of it fail
_TOKEN_CODE: Final = (
    "0x6370a0823160e01b600052602060"  # mstore(0, selector); i = 32
    "00505b8036111560435780356004526020816040016024600060003"  # loop
)


class _Transaction(msgspec.Struct, rename="camel"):
    """A transaction as it lies in a block. `from_` and `to` in hex, `value` in wei, hex."""

    hash: str
    value: str
    from_: str = msgspec.field(name="from")
    to: str | None = None


class _Block(msgspec.Struct):
    """A block's place, and what was asked for of its transactions."""

    number: str
    hash: str


class _FullBlock(_Block):
    """A block with its transactions."""

    transactions: list[_Transaction]


class _Receipt(msgspec.Struct, rename="camel"):
    """What became of a transaction. `effective_gas_price` in wei, hex."""

    transaction_hash: str
    block_hash: str
    block_number: str
    status: str
    gas_used: str
    logs: list[Log]
    effective_gas_price: str = "0x0"


@dataclass(frozen=True, slots=True)
class _Mined:
    transaction: _Transaction
    receipt: _Receipt
