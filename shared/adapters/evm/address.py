"""EVM addresses: receive addresses from an account key, EIP-55 text, validation.

The watch key of an address is its lower-case `0x…` text, as nodes write it. Source: BIP-44, EIP-55.
"""

import re

from coincurve import PublicKey

from shared.adapters.bitcoin.extended_key import receive_branch
from shared.adapters.evm.keccak import keccak256
from shared.kernel.errors import Invalid
from shared.payments.chain import ReceiveAddress

_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{40}")
_ACCOUNT_PREFIXES = frozenset({"xpub"})


class EvmAddresses:
    """The addresses of every EVM chain. Fulfils `shared.payments.chain.Addresses`."""

    def receive(self, account_key: str, index: int) -> ReceiveAddress:
        """Return receive address `index` of the BIP-44 account m/44'/60'/0': path `0/index`."""
        key = receive_branch(account_key, _ACCOUNT_PREFIXES).child(index).public_key
        point = PublicKey(key).format(compressed=False)[1:]
        return self._written("0x" + keccak256(point)[12:].hex())

    def parse(self, text: str) -> ReceiveAddress:
        """Return the address with its EIP-55 checksum. Raises Invalid: mistyped, or the zero address."""
        if not _ADDRESS.fullmatch(text):
            raise Invalid("not an Ethereum address: 0x and 40 hexadecimal digits")
        digits = text[2:]
        written = self._written("0x" + digits.lower())
        if int(digits, 16) == 0:
            raise Invalid("the zero address belongs to nobody: what is sent there is lost")
        mixed = digits not in (digits.lower(), digits.upper())
        if mixed and written.address[2:] != digits:
            raise Invalid("the address is mistyped: its upper and lower case do not fit (EIP-55)")
        return written

    def text(self, key: str) -> str:
        """Return the EIP-55 text of a watch key."""
        return self._written(key).address

    def _written(self, key: str) -> ReceiveAddress:
        nibbles = keccak256(key[2:].encode()).hex()
        cased = (
            digit.upper() if int(nibble, 16) >= 8 else digit for digit, nibble in zip(key[2:], nibbles, strict=False)
        )
        return ReceiveAddress("0x" + "".join(cased), key)
