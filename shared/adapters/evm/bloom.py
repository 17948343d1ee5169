"""The bloom filter of a block's logs: it proves that something is not there. Source: Ethereum yellow paper, 4.3.1."""

from shared.adapters.evm.keccak import keccak256


def mask(*members: str) -> int:
    """Return the filter of a block that has all these members: contracts and topics, in hex with 0x."""
    bits = 0
    for member in members:
        digest = keccak256(bytes.fromhex(member[2:]))
        for at in (0, 2, 4):
            bits |= 1 << (int.from_bytes(digest[at : at + 2], "big") & 2047)
    return bits


def may_hold(logs_bloom: str, members: int) -> bool:
    """Tell whether a block with this filter can hold the members of the mask: False is certain, True is not."""
    return int(logs_bloom, 16) & members == members
