"""secp256k1 signatures as chains want them: s in the lower half, the recovery id known, DER for Bitcoin.

Sources: SEC 1 v2, 4.1.6 (recovery); BIP-62 and BIP-146 (low s); BIP-66 (strict DER); EIP-2.
"""

from typing import Final

from coincurve import PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from shared.kernel.errors import Bug

ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
HALF_ORDER: Final = ORDER // 2
DIGEST_BYTES: Final = 32


class SignerUntrusted(Bug):
    """What the signer answered is no signature of its key over what it was asked to sign. It must not be used."""


def with_recovery(digest: bytes, r: int, s: int, public_key: bytes) -> tuple[int, int, int]:
    """Return (r, low s, recovery id 0 or 1) of a signature of this compressed key over 32 bytes.

    Raises SignerUntrusted when it is none. (Recovery ids 2 and 3 stand for an r beyond the order of the curve: one
    signature in 2¹²⁷, and no chain takes them.)
    """
    if not (0 < r < ORDER and 0 < s < ORDER):
        raise SignerUntrusted("a signature whose numbers lie outside of the curve's order")
    s = min(s, ORDER - s)
    for recovery in (0, 1):
        if recovered(digest, r, s, recovery) == public_key:
            return r, s, recovery
    raise SignerUntrusted("a signature that is not of the signer's key over the digest that was sent")


def recovered(digest: bytes, r: int, s: int, recovery: int) -> bytes | None:
    """Return the compressed public key that made the signature, None when there is no such key."""
    try:
        raw = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([recovery])
        return PublicKey.from_signature_and_message(raw, digest, hasher=None).format()
    except (ValueError, OverflowError):  # coincurve's own exceptions of a bad signature are ValueErrors
        return None


def from_der(signature: bytes) -> tuple[int, int]:
    """Return (r, s) of a DER signature. Raises SignerUntrusted for anything that is not strictly one."""
    try:
        r, s = decode_dss_signature(signature)
    except ValueError as error:
        raise SignerUntrusted("a signature that is not DER") from error
    if encode_dss_signature(r, s) != signature:
        raise SignerUntrusted("a signature whose DER is not the shortest")
    return r, s


def to_der(r: int, s: int) -> bytes:
    """Return the strict DER of a signature: at most 71 bytes where s is low."""
    return encode_dss_signature(r, s)


def checked_digest(digest: bytes) -> bytes:
    """Return it. Raises ValueError for what is not 32 bytes: signers sign digests, never messages."""
    if len(digest) != DIGEST_BYTES:
        raise ValueError(f"a digest is {DIGEST_BYTES} bytes long, not {len(digest)}")
    return digest
