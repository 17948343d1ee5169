"""Pick-up codes: derived from a secret key and the claim, so that none is ever stored. Pure.

A claim has one code at a time; its serial number grows when the code is replaced, and the one before is good for
nothing. A code is 10 characters of Crockford's base 32 (50 bits, no I, L, O or U), shown in two groups. What is stored
is a second keyed digest, of shop and code together: a code is worth nothing in another shop, and a copy of the table
tells no codes.
"""

import hmac
from hashlib import sha256
from typing import Final

from shared.kernel.ids import ClaimId, ShopId

LENGTH: Final = 10
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS: Final = str.maketrans({"O": "0", "I": "1", "L": "1", "-": "", " ": ""})


class Codes:
    """Makes codes and their digests from one 32-byte key."""

    def __init__(self, key: bytes) -> None:
        self._code_key = hmac.digest(key, b"claim code", sha256)
        self._hash_key = hmac.digest(key, b"claim code hash", sha256)

    def code(self, claim_id: ClaimId, serial: int = 0) -> str:
        """Return the code of a claim that has this serial number, always the same one."""
        named = f"{claim_id}\n{serial}" if serial else claim_id
        number = int.from_bytes(hmac.digest(self._code_key, named.encode(), sha256))
        return "".join(_ALPHABET[number >> 5 * place & 31] for place in range(LENGTH))

    def hash(self, shop_id: ShopId, code: str) -> str:
        """Return the digest that is stored, as 64 hexadecimal digits."""
        return hmac.digest(self._hash_key, f"{shop_id}\n{code}".encode(), sha256).hex()

    def hash_of(self, claim_id: ClaimId, shop_id: ShopId, serial: int) -> str:
        """Return the digest of the code with this serial number."""
        return self.hash(shop_id, self.code(claim_id, serial))

    def shows(self, claim_hash: str, shop_id: ShopId, code: str) -> bool:
        """Return whether `code` is the one behind `claim_hash`, in constant time."""
        return hmac.compare_digest(claim_hash, self.hash(shop_id, code))


def grouped(code: str) -> str:
    """Return a code as people read it: '7K3FQ-XM9TA'."""
    return f"{code[: LENGTH // 2]}-{code[LENGTH // 2 :]}"


def normalised(typed: str) -> str:
    """Return what was typed or scanned as a code is written: upper case, no hyphens, O for 0 and I or L for 1 mended.

    What can't be a code comes back as it is; no code is like it.
    """
    return typed.strip().upper().translate(_READ_AS)
