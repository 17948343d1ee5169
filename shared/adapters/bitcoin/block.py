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


class Head(NamedTuple):
    """A block's header: hashes as nodes print them, `time` in seconds since 1970."""

    hash: str
    parent_hash: str
    time: int


def read_head(raw: bytes) -> Head:
    """Return the header that a block begins with."""
    header = raw[:HEADER_BYTES]
    return Head(_reversed_hash(header), header[4:36][::-1].hex(), int.from_bytes(header[68:72], "little"))


def read_block(raw: bytes, watched: Watch, inputs: Collection[Outpoint] = ()) -> Found:
    """Return the block's outputs to watched scripts and its spends of these outpoints.

    Raises NodeUntrusted when the bytes are no complete block.
    """
    try:
        count, at = _compact(raw, HEADER_BYTES)
        found, end = _walk(raw, at, count, watched, inputs, coinbase_at=at)
    except IndexError as error:
        raise NodeUntrusted("a block ends in the middle of a transaction") from error
    if end != len(raw):
        raise NodeUntrusted(f"a block of {len(raw)} bytes has its last transaction end at {end}")
    return found


def read_transaction(raw: bytes, watched: Watch, inputs: Collection[Outpoint] = ()) -> Transaction:
    """Return a lone transaction. Raises NodeUntrusted when the bytes are no complete transaction."""
    try:
        found, end = _walk(raw, 0, 1, watched, inputs)
        own = _inputs(raw)
        txid = _lone_txid(raw)
    except IndexError as error:
        raise NodeUntrusted("a transaction ends too early") from error
    if end != len(raw):
        raise NodeUntrusted(f"a transaction of {len(raw)} bytes ends at {end}")
    return Transaction(txid, own, found)


def _walk(
    raw: bytes, at: int, count: int, watched: Watch, inputs: Collection[Outpoint], *, coinbase_at: int = -1
) -> tuple[Found, int]:
    """Read `count` transactions from `at` on; return what they hold, and where the last one ends.

    One long loop that reads short numbers in place: a block's time goes here, much of it into calls.
    """
    found = Found([], [])
    spent = {_packed(outpoint): outpoint for outpoint in inputs}
    for _ in range(count):
        start = at
        segwit = raw[at + 4] == 0
        at += 6 if segwit else 4
        body = at
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
        for position in range(output_count):
            script_at = at + 9
            length = raw[at + 8]
            if length >= 0xFD:
                length, script_at = _compact(raw, at + 8)
            end = script_at + length
            if (script := raw[script_at:end].hex()) in watched:
                hits.append((position, script, int.from_bytes(raw[at : at + 8], "little")))
            at = end
        body_end = at
        if segwit:
            at = _skip_witness(raw, at, input_count)
        at += 4
        if hits or hit_inputs:
            txid = _reversed_hash(raw[start : start + 4] + raw[body:body_end] + raw[at - 4 : at])
            found.outputs.extend(Output(txid, *hit, start == coinbase_at) for hit in hits if hit[2] > 0)
            found.spends.extend(Spend(outpoint, txid) for outpoint in hit_inputs)
    return found, at


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
