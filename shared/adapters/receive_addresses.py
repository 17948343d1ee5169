"""Receive addresses of payments: the shop's sealed account key, opened only here, and the chain's own way to derive."""

from collections.abc import Iterable

from shared.adapters.account_keys import SealedAccountKeys
from shared.adapters.bitcoin.address import BitcoinAddresses
from shared.adapters.evm.address import EvmAddresses
from shared.kernel.ids import ShopId
from shared.payments.chain import Addresses, ReceiveAddress
from shared.payments.ports import PayableChain
from shared.settings import ChainSettings
from shared.shops.facts import PayoutAccount
from shared.shops.model import Family


class DerivedAddresses:
    """Fulfils `shared.payments.ports.AccountKeys`."""

    def __init__(self, account_keys: SealedAccountKeys, chains: Iterable[ChainSettings]) -> None:
        self._account_keys = account_keys
        self._addresses: dict[str, Addresses] = {
            chain.name: BitcoinAddresses(chain.network) if chain.kind == "bitcoin" else EvmAddresses()
            for chain in chains
        }

    def receive(self, shop_id: ShopId, chain: PayableChain, account: PayoutAccount, index: int) -> ReceiveAddress:
        """Return receive address `index` of the account on the chain."""
        account_key = self._account_keys.open(shop_id, Family(chain.family), account)
        return self._addresses[chain.name].receive(account_key, index)
