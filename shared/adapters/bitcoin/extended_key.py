"""BIP-32 extended public keys: parsed strictly, and derived without any private key.

An account key hangs three levels below the master key (purpose' / coin' / account'); receive addresses are
its children `0/index`. Source: BIP-32, SLIP-132 for the prefixes.
"""

import hashlib
import hmac
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from coincurve import PublicKey
from embit import base58

from shared.kernel.errors import Bug, Invalid

ACCOUNT_DEPTH = 3
_HARDENED = 1 << 31
_LENGTH = 78
_PREFIX_BY_VERSION = {
    bytes.fromhex("0488b21e"): "xpub",
    bytes.fromhex("04b24746"): "zpub",
    bytes.fromhex("043587cf"): "tpub",
    bytes.fromhex("045f1cf6"): "vpub",
}


@dataclass(frozen=True, slots=True)
class ExtendedPublicKey:
    """A compressed secp256k1 public key (33 bytes) and its chain code (32 bytes)."""

    public_key: bytes
    chain_code: bytes

    def child(self, index: int) -> "ExtendedPublicKey":
        """Return the non-hardened child. Raises Invalid outside 0 ≤ index < 2³¹."""
        if not 0 <= index < _HARDENED:
            raise Invalid(f"a derivation index lies between 0 and {_HARDENED - 1}, not at {index}")
        digest = hmac.digest(self.chain_code, self.public_key + index.to_bytes(4, "big"), hashlib.sha512)
        try:
            child = PublicKey(self.public_key).add(digest[:32])
        except ValueError as error:  # one index in 2¹²⁷ has no child; BIP-32 says to take the next
            raise Bug(f"index {index} has no child key") from error
        return ExtendedPublicKey(child.format(), digest[32:])


@lru_cache(maxsize=256)
def receive_branch(text: str, prefixes: Collection[str]) -> ExtendedPublicKey:
    """Parse an account's extended public key and return its branch for receive addresses (`0`).

    `prefixes` are those of the network: `frozenset({"xpub", "zpub"})`. Raises Invalid.
    """
    return _account(text, prefixes).child(0)


def _account(text: str, prefixes: Collection[str]) -> ExtendedPublicKey:
    wanted = " or ".join(sorted(prefixes))
    if text[1:4] == "prv":
        raise Invalid(f"this is a private key: keep it to yourself and give the account's {wanted}")
    try:
        raw = base58.decode_check(text) if len(text) <= 120 else b""
    except ValueError as error:
        raise Invalid(f"not an extended public key: mistyped or cut off; expected an {wanted}") from error
    if len(raw) != _LENGTH:
        raise Invalid(f"not an extended public key: expected an {wanted}")
    prefix = _PREFIX_BY_VERSION.get(raw[:4])
    if prefix not in prefixes:
        raise Invalid(f"an extended key of another kind or network: expected an {wanted}")
    if raw[4] != ACCOUNT_DEPTH:
        raise Invalid(f"this key is at depth {raw[4]}: an account key is at depth {ACCOUNT_DEPTH}")
    try:
        PublicKey(raw[45:])
    except ValueError as error:
        raise Invalid("the extended key holds no point of the curve") from error
    return ExtendedPublicKey(raw[45:], raw[13:45])
