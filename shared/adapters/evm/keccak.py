"""Keccak-256, Ethereum's hash."""

from Crypto.Hash import keccak


def keccak256(message: bytes) -> bytes:
    """Return Keccak-256 (not SHA3-256: the padding differs) of the message, 32 bytes."""
    return bytes(keccak.new(digest_bits=256, data=message).digest())
