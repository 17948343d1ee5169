"""Who signed a text with `personal_sign` (EIP-191, version 0x45)."""

import re
from typing import Final

from coincurve import PublicKey

from shared.adapters.evm.address import EvmAddresses
from shared.adapters.evm.keccak import keccak256

_SIGNATURE: Final = re.compile(r"0x[0-9a-fA-F]{130}")
_HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
"""Half the order of secp256k1: of s and its negative, which both verify, only the lower is taken (EIP-2)."""


class PersonalSignatures:
    """Recovers addresses from signatures. Fulfils `shared.wallets.ports.Signatures`."""

    def signer(self, message: str, signature: str) -> str | None:
        """Return the EIP-55 address that signed `message`, or None when the signature is none."""
        if not _SIGNATURE.fullmatch(signature):
            return None
        raw = bytes.fromhex(signature[2:])
        recovery = raw[64] - 27
        if recovery not in (0, 1) or int.from_bytes(raw[32:64]) > _HALF_ORDER:
            return None
        text = message.encode()
        digest = keccak256(b"\x19Ethereum Signed Message:\n%d" % len(text) + text)
        try:
            key = PublicKey.from_signature_and_message(raw[:64] + bytes([recovery]), digest, hasher=None)
        except ValueError:
            return None
        return EvmAddresses().text("0x" + keccak256(key.format(compressed=False)[1:])[12:].hex())
