"""What a Bitcoin transaction really does, read from its bytes, without the library that built it.

A second reading beside the builder's: structure by the protocol's serialisation (BIP-144), what a signature covers by
BIP-143, the signatures against the key. Whatever differs from the intent raises UnsafeTransaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple

from coincurve import PublicKey
from embit.hashes import hash160

from shared.payments.chain import Outpoint
from shared.payments.spending import UnsafeTransaction

REPLACEABLE: Final = 0xFFFFFFFD
"""The sequence number that lets a transaction be replaced by a dearer one (BIP-125)."""
SIGHASH_ALL: Final = 1
_HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


class Input(NamedTuple):
    """What is spent, and by which right. `witness` is empty while it is unsigned."""

    outpoint: Outpoint
    script_sig: bytes
    sequence: int
    witness: tuple[bytes, ...]


class Output(NamedTuple):
    """Who gets how much. `script` in hex: a watch key."""

    satoshi: int
    script: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction as its bytes say. `txid` as nodes print it; `weight` by BIP-141."""

    version: int
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    locktime: int
    txid: str
    weight: int

    @property
    def vsize(self) -> int:
        """Return the virtual bytes that fees are counted by."""
        return -(-self.weight // 4)


class _Reader:
    """Bytes read once from front to end."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def take(self, length: int) -> bytes:
        piece = self._raw[self._at : self._at + length]
        if len(piece) != length:
            raise UnsafeTransaction("a transaction that ends too early")
        self._at += length
        return piece

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little")

    def compact(self) -> int:
        first = self.number(1)
        if first < 0xFD:
            return first
        number = self.number({0xFD: 2, 0xFE: 4, 0xFF: 8}[first])
        if number < {0xFD: 0xFD, 0xFE: 1 << 16, 0xFF: 1 << 32}[first]:
            raise UnsafeTransaction("a transaction with a length that is not the shortest")
        return number

    def text(self) -> bytes:
        return self.take(self.compact())

    def peek(self, length: int) -> bytes:
        return self._raw[self._at : self._at + length]

    @property
    def ended(self) -> bool:
        return self._at == len(self._raw)


def read(raw: bytes) -> Transaction:
    """Return the transaction that these bytes are. Raises UnsafeTransaction when they are none, or more than one."""
    reader = _Reader(raw)
    version = reader.number(4)
    segwit = reader.peek(2) == b"\x00\x01"
    if segwit:
        reader.take(2)
    bare = [
        (Outpoint(reader.take(32)[::-1].hex(), reader.number(4)), reader.text(), reader.number(4))
        for _ in range(reader.compact())
    ]
    outputs = tuple(Output(reader.number(8), reader.text().hex()) for _ in range(reader.compact()))
    witnesses = [tuple(reader.text() for _ in range(reader.compact())) if segwit else () for _ in bare]
    locktime = reader.number(4)
    if not reader.ended:
        raise UnsafeTransaction("bytes follow the transaction")
    inputs = tuple(Input(*each, witness) for each, witness in zip(bare, witnesses, strict=True))
    stripped = (
        version.to_bytes(4, "little")
        + _compact(len(inputs))
        + b"".join(_outpoint(each) + _text(each.script_sig) + each.sequence.to_bytes(4, "little") for each in inputs)
        + _compact(len(outputs))
        + _outputs(outputs)
        + locktime.to_bytes(4, "little")
    )
    return Transaction(version, inputs, outputs, locktime, _double(stripped)[::-1].hex(), 3 * len(stripped) + len(raw))


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a transaction of the wallet may do, and nothing else. `home` is the wallet's own script in hex."""

    inputs: Sequence[Outpoint]
    to: str
    units: int
    home: str
    fee: int
    fee_limit: int


def check(transaction: Transaction, purpose: Purpose, satoshi_by_input: Mapping[Outpoint, int]) -> None:
    """Raise UnsafeTransaction unless the transaction does what it is for: its inputs, payment, change and fee.

    `satoshi_by_input` has what each input brings, from the transaction that made it.
    """
    if transaction.version != 2 or transaction.locktime != 0:
        raise UnsafeTransaction("a transaction of another version, or for another time")
    spent = [each.outpoint for each in transaction.inputs]
    if spent != list(purpose.inputs) or len(set(spent)) != len(spent) or not spent:
        raise UnsafeTransaction("it spends other coins than were drafted")
    for each in transaction.inputs:
        if each.sequence != REPLACEABLE or each.script_sig:
            raise UnsafeTransaction("an input that can't be replaced, or is no native segwit")
    if purpose.to == purpose.home or purpose.units <= 0:
        raise UnsafeTransaction("a payment to the wallet itself, or of nothing")
    paid = [each for each in transaction.outputs if each.script != purpose.home]
    change = [each for each in transaction.outputs if each.script == purpose.home]
    if paid != [Output(purpose.units, purpose.to)]:
        raise UnsafeTransaction("its outputs are not the payment that was intended")
    if len(change) > 1:
        raise UnsafeTransaction("it has more than one change output")
    fee = sum(satoshi_by_input[each] for each in spent) - sum(each.satoshi for each in transaction.outputs)
    if fee != purpose.fee or not 0 < fee <= purpose.fee_limit:
        raise UnsafeTransaction(
            f"its fee is {fee} satoshi: {purpose.fee} were drafted, {purpose.fee_limit} are the limit"
        )


def check_signatures(transaction: Transaction, public_key: bytes, satoshi_by_input: Mapping[Outpoint, int]) -> None:
    """Raise UnsafeTransaction unless each input is signed by the key, over all of this transaction (SIGHASH_ALL)."""
    for position, each in enumerate(transaction.inputs):
        if len(each.witness) != 2 or each.witness[1] != public_key:
            raise UnsafeTransaction("an input without a signature of the wallet's key")
        der, kind = each.witness[0][:-1], each.witness[0][-1:]
        digest = signature_hash(transaction, position, public_key, satoshi_by_input[each.outpoint])
        if kind != bytes([SIGHASH_ALL]) or not _low(der) or not _verifies(public_key, der, digest):
            raise UnsafeTransaction("a signature that is not over the whole transaction, or not of the wallet's key")


def signature_hash(transaction: Transaction, position: int, public_key: bytes, satoshi: int) -> bytes:
    """Return the 32 bytes that input `position` (P2WPKH of the key, worth `satoshi`) signs. Source: BIP-143."""
    own = transaction.inputs[position]
    key_hash = bytes(hash160(public_key))
    return _double(
        transaction.version.to_bytes(4, "little")
        + _double(b"".join(_outpoint(each) for each in transaction.inputs))
        + _double(b"".join(each.sequence.to_bytes(4, "little") for each in transaction.inputs))
        + _outpoint(own)
        + _text(b"\x76\xa9\x14" + key_hash + b"\x88\xac")
        + satoshi.to_bytes(8, "little")
        + own.sequence.to_bytes(4, "little")
        + _double(_outputs(transaction.outputs))
        + transaction.locktime.to_bytes(4, "little")
        + SIGHASH_ALL.to_bytes(4, "little")
    )


def _verifies(public_key: bytes, der: bytes, digest: bytes) -> bool:
    try:
        return PublicKey(public_key).verify(der, digest, hasher=None)
    except ValueError:
        return False


def _low(der: bytes) -> bool:
    """Tell whether this is strict DER of at most 71 bytes whose s is low. Source: BIP-66, BIP-146."""
    if not 8 <= len(der) <= 71 or der[0] != 0x30 or der[1] != len(der) - 2 or der[2] != 0x02:
        return False
    r_end = 4 + der[3]
    if r_end + 2 > len(der) or der[r_end] != 0x02 or r_end + 2 + der[r_end + 1] != len(der):
        return False
    numbers = der[4:r_end], der[r_end + 2 :]
    for number in numbers:
        if not number or number[0] & 0x80 or (len(number) > 1 and number[0] == 0 and not number[1] & 0x80):
            return False
    return int.from_bytes(numbers[0], "big") > 0 and 0 < int.from_bytes(numbers[1], "big") <= _HALF_ORDER


def _outpoint(each: Input) -> bytes:
    return bytes.fromhex(each.outpoint.txid)[::-1] + each.outpoint.output.to_bytes(4, "little")


def _outputs(outputs: Sequence[Output]) -> bytes:
    return b"".join(each.satoshi.to_bytes(8, "little") + _text(bytes.fromhex(each.script)) for each in outputs)


def _text(raw: bytes) -> bytes:
    return _compact(len(raw)) + raw


def _compact(number: int) -> bytes:
    if number < 0xFD:
        return bytes([number])
    width = 2 if number < 1 << 16 else 4 if number < 1 << 32 else 8
    return bytes([{2: 0xFD, 4: 0xFE, 8: 0xFF}[width]]) + number.to_bytes(width, "little")


def _double(raw: bytes) -> bytes:
    return sha256(sha256(raw).digest()).digest()
