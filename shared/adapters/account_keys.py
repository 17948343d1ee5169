"""Account keys (xpubs) of shops: checked when they arrive, sealed before they enter a fact, opened to derive addresses.

Whoever has an account key sees every address of the shop; with one private child key, every private key of it.
"""

from base64 import b64decode, b64encode
from hashlib import new, sha256
from typing import Final

from shared.adapters.bitcoin.address import NETWORK_BY_NAME, BitcoinAddresses
from shared.adapters.bitcoin.extended_key import receive_branch
from shared.adapters.bitcoin.signed_message import signed_by
from shared.adapters.evm.address import EvmAddresses
from shared.adapters.evm.personal_sign import PersonalSignatures
from shared.adapters.sealing import Sealer
from shared.kernel.errors import Invalid
from shared.kernel.ids import ShopId
from shared.payments.chain import Addresses
from shared.shops.accounts import Family
from shared.shops.facts import PayoutAccount

_EVM_PREFIXES: Final = frozenset({"xpub"})
_FINGERPRINT_BYTES: Final = 8
"""Of the HASH160 of the receive branch's key: the same for one key however it is written, and in every shop."""


class SealedAccountKeys:
    """Seals and opens the account keys of shops; a sealed key opens for its own shop and family of chains alone."""

    def __init__(self, sealer: Sealer, *, bitcoin_network: str) -> None:
        """`bitcoin_network` is what the node calls it: on regtest account keys begin with tpub or vpub."""
        self._sealer = sealer
        self._prefixes = {
            Family.BITCOIN: NETWORK_BY_NAME[bitcoin_network].account_prefixes,
            Family.EVM: _EVM_PREFIXES,
        }
        self._addresses: dict[Family, Addresses] = {
            Family.BITCOIN: BitcoinAddresses(bitcoin_network),
            Family.EVM: EvmAddresses(),
        }

    def seal(self, shop_id: ShopId, family: Family, account_key: str) -> PayoutAccount:
        """Return the key as a fact carries it. Raises Invalid for anything but a public account key of the family."""
        try:
            branch = receive_branch(account_key, self._prefixes[family])
        except Invalid as wrong:
            raise Invalid(f"payout.{family}: {wrong.detail}", pointer=f"/payout/{family}") from None
        sealed = self._sealer.seal(account_key, context=_context(shop_id, family))
        digest = new("ripemd160", sha256(branch.public_key).digest()).digest()
        return PayoutAccount(sealed_xpub=b64encode(sealed).decode(), fingerprint=digest[:_FINGERPRINT_BYTES].hex())

    def open(self, shop_id: ShopId, family: Family, account: PayoutAccount) -> str:
        """Return the account key. Raises Bug when it was sealed for another shop or family, or with another key."""
        return self._sealer.open(b64decode(account.sealed_xpub), context=_context(shop_id, family))

    def first_address(self, family: Family, account_key: str) -> str:
        """Return receive address 0 of the account: the one that signs for it. Raises Invalid."""
        return self._addresses[family].receive(account_key, 0).address


class SignedMessages:
    """Checks what the wallets of accounts have signed. Fulfils `shared.shops.ports.Ownership`."""

    def __init__(self, *, bitcoin_network: str) -> None:
        self._bitcoin = BitcoinAddresses(bitcoin_network)
        self._evm = PersonalSignatures()

    def signed(self, family: Family, address: str, message: str, signature: str) -> bool:
        """Return whether the key of the address has signed the message."""
        if family is Family.EVM:
            return self._evm.signer(message, signature) == address
        return signed_by(bytes.fromhex(self._bitcoin.parse(address).key), message, signature)


def _context(shop_id: ShopId, family: Family) -> str:
    return f"payout:{shop_id}:{family}"
