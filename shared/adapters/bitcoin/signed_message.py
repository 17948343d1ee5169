"""Whether a native segwit address (P2WPKH) has signed a text, in the two ways that wallets do.

BIP-322 "simple": base64 of the witness that would spend a coin of the address; the virtual transactions are below.
BIP-137: base64 of 65 bytes, a header with the recovery id and the compact signature over "Bitcoin Signed Message".
Both are checked against the key's hash in the address's script. Source: BIP-137, BIP-143, BIP-322.
"""

import hashlib
import struct
from base64 import b64decode
from binascii import Error as NotBase64
from typing import Final

from coincurve import PublicKey
from coincurve.ecdsa import cdata_to_der, der_to_cdata, signature_normalize
from embit import hashes
from embit.compact import to_bytes as compact_size

_HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_SIGHASH_ALL: Final = 1
_COMPACT: Final = 65
_LOWEST_HEADER, _HIGHEST_HEADER = 27, 42
_MOST: Final = 200


def signed_by(script: bytes, message: str, signature: str) -> bool:
    """Return whether the key behind the script (0x0014 and 20 bytes) signed the message."""
    if len(script) != 22 or script[:2] != b"\x00\x14" or len(signature) > 2 * _MOST:
        return False
    try:
        raw = b64decode(signature, validate=True)
    except (NotBase64, ValueError):
        return False
    key = _recovered(raw, message) if len(raw) == _COMPACT else _witnessed(raw, script, message)
    return key is not None and bytes(hashes.hash160(key)) == script[2:]


def bip137_digest(message: str) -> bytes:
    """Return the 32 bytes that BIP-137 signs."""
    text = message.encode()
    return _twice(b"\x18Bitcoin Signed Message:\n" + compact_size(len(text)) + text)


def bip322_digest(script: bytes, message: str) -> bytes:
    """Return the 32 bytes (BIP-143, all inputs and outputs) that BIP-322 signs for a P2WPKH script."""
    tagged = hashlib.sha256(b"BIP0322-signed-message").digest()
    said = hashlib.sha256(tagged + tagged + message.encode()).digest()
    to_spend = _twice(
        struct.pack("<i", 0)
        + b"\x01"
        + bytes(32)
        + b"\xff\xff\xff\xff"
        + b"\x22\x00\x20"
        + said
        + bytes(4)
        + b"\x01"
        + bytes(8)
        + bytes([len(script)])
        + script
        + bytes(4)
    )
    outpoint, sequence = to_spend + bytes(4), bytes(4)
    output = bytes(8) + b"\x01\x6a"
    code = b"\x19\x76\xa9\x14" + script[2:] + b"\x88\xac"
    return _twice(
        struct.pack("<i", 0)
        + _twice(outpoint)
        + _twice(sequence)
        + outpoint
        + code
        + bytes(8)
        + sequence
        + _twice(output)
        + bytes(4)
        + struct.pack("<I", _SIGHASH_ALL)
    )


def _recovered(raw: bytes, message: str) -> bytes | None:
    """Return the compressed key behind a BIP-137 signature, or None."""
    if not _LOWEST_HEADER <= raw[0] <= _HIGHEST_HEADER or int.from_bytes(raw[33:]) > _HALF_ORDER:
        return None
    recovery = (raw[0] - _LOWEST_HEADER) & 3
    try:
        key = PublicKey.from_signature_and_message(raw[1:] + bytes([recovery]), bip137_digest(message), hasher=None)
    except ValueError:
        return None
    return key.format()


def _witnessed(raw: bytes, script: bytes, message: str) -> bytes | None:
    """Return the compressed key of a BIP-322 witness whose signature is good, or None."""
    items = _items(raw)
    if items is None or len(items) != 2 or len(items[1]) != 33 or not 9 <= len(items[0]) <= 72:
        return None
    der, kind = items[0][:-1], items[0][-1]
    if kind != _SIGHASH_ALL:
        return None
    try:
        parsed = der_to_cdata(der)
        high, low = signature_normalize(parsed)
        if high or cdata_to_der(low) != der:
            return None
        good = PublicKey(items[1]).verify(der, bip322_digest(script, message), hasher=None)
    except ValueError:
        return None
    return items[1] if good else None


def _items(raw: bytes) -> list[bytes] | None:
    """Return a witness's items, each shorter than 253 bytes; None where the bytes are no such witness."""
    if not raw or len(raw) > _MOST:
        return None
    count, rest, items = raw[0], raw[1:], []
    for _ in range(count):
        if not rest or rest[0] > len(rest) - 1:
            return None
        items.append(rest[1 : 1 + rest[0]])
        rest = rest[1 + rest[0] :]
    return items if not rest else None


def _twice(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()
