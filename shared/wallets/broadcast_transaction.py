"""broadcast_transaction: give the network what a wallet signed, after a look at what it is."""

from shared.kernel.errors import Invalid
from shared.kernel.money import Asset, Money
from shared.kernel.reply import Reply
from shared.wallets.chain_model import BroadcastTransaction, BroadcastView
from shared.wallets.chain_ports import Chains, TransactionRefused


async def broadcast_transaction(command: BroadcastTransaction, *, using: Chains) -> Reply[BroadcastView]:
    """Return the transaction, which the network has by now; sent again it is told the same.

    Raises Invalid for what is no signed transaction of the chain, TransactionRefused for one that the network does not
    take, whose fee makes no sense, or that spends what the platform keeps; Transient, and then nobody knows: repeat it.
    """
    network = using.networks.get(command.chain)
    if network is None:
        raise Invalid("No such chain is known here.", chains=sorted(using.networks), pointer="/chain")
    signed = await network.read(command.signed.removeprefix("0x").lower())
    if await using.books.is_ours(signed):
        raise TransactionRefused("It spends coins that the platform keeps for shops. Those are moved by sweeps.")
    known = await network.known(signed.txid)
    if not known:
        await network.send(signed)
    fee = Money(asset=Asset(signed.asset), units=signed.fee)
    return Reply(BroadcastView(chain=signed.chain, txid=signed.txid, size=signed.size, fee=fee, known=known))
