"""An address of its own for a payment: from the pool, or derived on the spot where the pool is empty."""

from shared.kernel.ids import PaymentId, ShopId
from shared.payments.addresses import AddressPool, TakenAddress
from shared.payments.ports import AccountKeys, PayableChain
from shared.shops.facts import PayoutAccount


async def take_address(
    shop_id: ShopId,
    chain: PayableChain,
    account: PayoutAccount,
    payment_id: PaymentId,
    *,
    pool: AddressPool,
    account_keys: AccountKeys,
) -> TakenAddress:
    """Return an address that is claimed for the payment; nobody may be told before the payment is stored."""
    taken = await pool.claim(account, chain.family, payment_id)
    if taken is not None:
        return taken
    index = await pool.next_index(account, chain.family)
    receive = account_keys.receive(shop_id, chain, account, index)
    taken = TakenAddress(account, chain.family, index, receive)
    await pool.add(taken, payment_id)
    return taken
