"""Addresses that refunds may go to: well formed on their chain, and nobody's contract that would swallow them."""

from collections.abc import Iterable

from shared.adapters.bitcoin.address import BitcoinAddresses
from shared.adapters.evm.address import EvmAddresses
from shared.kernel.errors import Invalid
from shared.payments.chain import Addresses, ReceiveAddress
from shared.settings import ChainSettings

_RESERVED = 1 << 16
"""Below it lie the precompiled contracts of EVM chains: what is sent there is lost."""


class ParsedDestinations:
    """Fulfils `shared.payments.refund_ports.Destinations`."""

    def __init__(self, chains: Iterable[ChainSettings]) -> None:
        listed = list(chains)
        self._addresses: dict[str, Addresses] = {
            chain.name: BitcoinAddresses(chain.network) if chain.kind == "bitcoin" else EvmAddresses()
            for chain in listed
        }
        self._home = {
            chain.name: self._addresses[chain.name].parse(chain.hot_wallet).key for chain in listed if chain.hot_wallet
        }
        self._contracts = {chain.name: {token.contract.lower() for token in chain.tokens} for chain in listed}

    def parse(self, chain: str, text: str) -> ReceiveAddress:
        """Return the address somebody typed. Raises Invalid: mistyped, of another chain, or a contract of ours."""
        if chain not in self._addresses:
            raise Invalid(f"{chain} is not among the chains here any more")
        to = self._addresses[chain].parse(text)
        if to.key in self._contracts[chain]:
            raise Invalid("this is the contract of a token: what is sent there is lost")
        if to.key == self._home.get(chain):
            raise Invalid("this is where refunds come from")
        if to.key.startswith("0x") and int(to.key, 16) < _RESERVED:
            raise Invalid("this address belongs to the chain itself: what is sent there is lost")
        return to
