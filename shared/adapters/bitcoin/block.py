"""Bitcoin's binary blocks and transactions, read for what matters: outputs to watched scripts, spent outpoints.

A block of 2,500 transactions is read in a few milliseconds: one pass over the bytes, and a transaction id is
computed only where something was found. Source: the Bitcoin protocol's serialisation; BIP-144 for witnesses.
"""

from collections.abc import Collection
from hashlib import sha256
from typing import NamedTuple

from shared.payments.chain import NodeUntrusted, Outpoint, Spend, Watch

HEADER_BYTES = 80
_OUTPOINT_BYTES = 36


class Output(NamedTuple):
    """An output to a watched script. `script` in hex, `satoshi` > 0."""

    txid: str
    position: int
    script: str
    satoshi: int
    coinbase: bool


class Found(NamedTuple):
    """What a block or transaction holds for the watchers, in the order of the bytes."""

    outputs: list[Output]
    spends: list[Spend]


class Transaction(NamedTuple):
    """A transaction with all its inputs, and its outputs to watched scripts."""

    txid: str
    inputs: tuple[Outpoint, ...]
    found: Found


def hash_of(header: bytes) -> str:
    """Return the hash of an 80-byte block header, as nodes print it."""
    return _reversed_hash(header)


def read_block(raw: bytes, watched: Watch, inputs: Collection[Outpoint] = ()) -> Found:
    """Return the block's outputs to watched scripts and its spends of these outpoints.

    Raises NodeUntrusted when the bytes are no complete block.
    """
    found = Found([], [])
    spent = {_packed(outpoint): outpoint for outpoint in inputs}
    try:
        count, at = _compact(raw, HEADER_BYTES)
        for position in range(count):
            at = _read_transaction(raw, at, watched, spent, position == 0, found)
    except IndexError as error:
        raise NodeUntrusted("a block ends in the middle of a transaction") from error
    if at != len(raw):
        raise NodeUntrusted(f"a block of {len(raw)} bytes has its last transaction end at {at}")
    return found


def read_transaction(raw: bytes, watched: Watch, inputs: Collection[Outpoint] = ()) -> Transaction:
    """Return a lone transaction. Raises NodeUntrusted when the bytes are no complete transaction."""
    found = Found([], [])
    spent = {_packed(outpoint): outpoint for outpoint in inputs}
    try:
        end = _read_transaction(raw, 0, watched, spent, False, found)
        own = _inputs(raw)
    except IndexError as error:
        raise NodeUntrusted("a transaction ends too early") from error
    if end != len(raw):
        raise NodeUntrusted("bytes follow the end of a transaction")
    return Transaction(_lone_txid(raw), own, found)


def _read_transaction(
    raw: bytes, start: int, watched: Watch, spent: dict[bytes, Outpoint], coinbase: bool, found: Found
) -> int:
    """Read the transaction at `start`, add to `found`, and return where it ends.

    Short numbers are read in place rather than by `_compact`: this loop is where a block's time goes.
    """
    body = at = start + 4
    segwit = raw[at] == 0
    if segwit:
        body = at = at + 2
    hits: list[tuple[int, str, int]] = []
    hit_inputs: list[Outpoint] = []
    input_count = raw[at]
    at += 1
    if input_count >= 0xFD:
        input_count, at = _compact(raw, at - 1)
    for _ in range(input_count):
        if spent and (outpoint := spent.get(raw[at : at + _OUTPOINT_BYTES])):
            hit_inputs.append(outpoint)
        length = raw[at + _OUTPOINT_BYTES]
        if length < 0xFD:
            at += length + 41
        else:
            length, at = _compact(raw, at + _OUTPOINT_BYTES)
            at += length + 4
    output_count = raw[at]
    at += 1
    if output_count >= 0xFD:
        output_count, at = _compact(raw, at - 1)
    for index in range(output_count):
        script_at = at + 9
        length = raw[at + 8]
        if length >= 0xFD:
            length, script_at = _compact(raw, at + 8)
        end = script_at + length
        script = raw[script_at:end].hex()
        if script in watched:
            hits.append((index, script, int.from_bytes(raw[at : at + 8], "little")))
        at = end
    body_end = at
    if segwit:
        at = _skip_witness(raw, at, input_count)
    at += 4
    if hits or hit_inputs:
        txid = _reversed_hash(raw[start : start + 4] + raw[body:body_end] + raw[at - 4 : at])
        found.outputs.extend(Output(txid, *hit, coinbase) for hit in hits if hit[2] > 0)
        found.spends.extend(Spend(outpoint, txid) for outpoint in hit_inputs)
    return at


def _skip_witness(raw: bytes, at: int, input_count: int) -> int:
    for _ in range(input_count):
        items = raw[at]
        at += 1
        if items >= 0xFD:
            items, at = _compact(raw, at - 1)
        for _ in range(items):
            length = raw[at]
            if length < 0xFD:
                at += length + 1
            else:
                length, at = _compact(raw, at)
                at += length
    return at


def _inputs(raw: bytes) -> tuple[Outpoint, ...]:
    at = 6 if raw[4] == 0 else 4
    count, at = _compact(raw, at)
    inputs = []
    for _ in range(count):
        txid = raw[at : at + 32][::-1].hex()
        inputs.append(Outpoint(txid, int.from_bytes(raw[at + 32 : at + 36], "little")))
        length, at = _compact(raw, at + _OUTPOINT_BYTES)
        at += length + 4
    return tuple(inputs)


def _lone_txid(raw: bytes) -> str:
    if raw[4] != 0:
        return _reversed_hash(raw)
    at = 6
    count, at = _compact(raw, at)
    for _ in range(count):
        length, at = _compact(raw, at + _OUTPOINT_BYTES)
        at += length + 4
    outputs, at = _compact(raw, at)
    for _ in range(outputs):
        length, at = _compact(raw, at + 8)
        at += length
    return _reversed_hash(raw[:4] + raw[6:at] + raw[-4:])


def _compact(raw: bytes, at: int) -> tuple[int, int]:
    """Return the compact-size number at `at`, and where the next field begins."""
    first = raw[at]
    if first < 0xFD:
        return first, at + 1
    width = {0xFD: 2, 0xFE: 4, 0xFF: 8}[first]
    return int.from_bytes(raw[at + 1 : at + 1 + width], "little"), at + 1 + width


def _packed(outpoint: Outpoint) -> bytes:
    return bytes.fromhex(outpoint.txid)[::-1] + outpoint.output.to_bytes(4, "little")


def _reversed_hash(raw: bytes) -> str:
    return sha256(sha256(raw).digest()).digest()[::-1].hex()
