"""Bitcoin wallets that people link: whose address has signed a text, on one network."""

from shared.adapters.bitcoin.address import BitcoinAddresses
from shared.adapters.bitcoin.signed_message import signed_by
from shared.kernel.errors import Invalid
from shared.wallets.siwe import BITCOIN_CHAINS


class LinkedBitcoinWallets:
    """Fulfils `shared.wallets.ports.BitcoinWallets`."""

    def __init__(self, network: str) -> None:
        self._addresses = BitcoinAddresses(network)
        self._chain = BITCOIN_CHAINS[network]

    @property
    def chain(self) -> str:
        """Return the network as messages name it."""
        return self._chain

    def written(self, address: str) -> str:
        """Return the address in lower case. Raises Invalid for none, and for one that is not native segwit."""
        parsed = self._addresses.parse(address)
        if not parsed.key.startswith("0014"):
            raise Invalid("Only native segwit addresses (P2WPKH) can be linked: what they sign can be checked.")
        return parsed.address

    def signed(self, address: str, message: str, signature: str) -> bool:
        """Return whether the key of the address signed the message, by BIP-322 or BIP-137."""
        return signed_by(bytes.fromhex(self._addresses.parse(address).key), message, signature)
