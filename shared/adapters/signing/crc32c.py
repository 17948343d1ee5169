"""CRC-32C (Castagnoli), with which Cloud KMS and its callers prove to each other that nothing was garbled."""

from typing import Final

_POLYNOMIAL: Final = 0x82F63B78


def _step(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
    return value


_TABLE: Final = tuple(_step(byte) for byte in range(256))


def crc32c(message: bytes) -> int:
    """Return the checksum, 0 ≤ it < 2³². Source: RFC 3720, B.4."""
    crc = 0xFFFFFFFF
    for byte in message:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
