"""fill_address_pool: addresses are derived before they are needed, and those that were never shown are given back."""

from dataclasses import dataclass

from shared.payments.addresses import STALE, AddressPool, Thirsty
from shared.payments.chain import ReceiveAddress
from shared.payments.ports import AccountKeys, PayableChain

AT_ONCE = 200
"""Accounts of one turn; the next one has the others."""


@dataclass(frozen=True, slots=True)
class Filling:
    """Everything that filling is given. `size`: addresses that an account in use has free after a turn."""

    pool: AddressPool
    account_keys: AccountKeys
    chains: tuple[PayableChain, ...]
    size: int


async def fill_address_pool(*, using: Filling) -> int:
    """Fill up every account in use that has less than half; return how many addresses were derived.

    Only accounts that have been asked for an address before are in use: the first is derived on the spot.
    """
    await using.pool.recycle(older_than=STALE)
    chain_by_family = {chain.family: chain for chain in reversed(using.chains)}
    derived = 0
    for thirsty in await using.pool.thirsty(below=-(-using.size // 2), limit=AT_ONCE):
        chain = chain_by_family.get(thirsty.family)
        if chain is not None:
            derived += await _filled(thirsty, chain, using)
    return derived


async def _filled(thirsty: Thirsty, chain: PayableChain, using: Filling) -> int:
    def derive(first: int, count: int) -> list[ReceiveAddress]:
        keys, indexes = using.account_keys, range(first, first + count)
        return [keys.receive(thirsty.shop_id, chain, thirsty.account, index) for index in indexes]

    return await using.pool.fill(thirsty.account, thirsty.family, derive, up_to=using.size)
