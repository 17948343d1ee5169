"""list_wallet_transfers: what came to a linked wallet and left it, as far as a chain's node can tell."""

from shared.kernel.decision import By
from shared.kernel.errors import Invalid, NotFound
from shared.kernel.ids import UserId
from shared.kernel.reply import Reply
from shared.wallets.chain_model import ListTransfers, TransferPage
from shared.wallets.chain_ports import Chains, NotServed
from shared.wallets.get_wallet_balances import is_on


async def list_wallet_transfers(asked: ListTransfers, *, by: By, using: Chains) -> Reply[TransferPage]:
    """Return the transfers of some thousand blocks, newest first, and from where to go on: tokens that are taken here.

    A chain's own coin moves without a log, and Bitcoin nodes keep no index of addresses: neither is told. Raises
    NotFound, Invalid for a chain that the wallet is not on, Transient.
    """
    stored = await using.people.person(UserId(by.actor))
    wallets = stored.state.wallets if stored else ()
    wallet = next((each for each in wallets if each.wallet_id == asked.wallet_id), None)
    if wallet is None:
        raise NotFound("There is no such wallet of yours.")
    chains = sorted(name for name in using.holdings if is_on(wallet, name))
    chain = asked.chain or next(iter(chains), "")
    if chain not in chains:
        raise Invalid("The wallet is not on this chain.", chains=chains, pointer="/chain")
    try:
        found = await using.holdings[chain].transfers(wallet.address, asked.until)
    except NotServed:
        return Reply(TransferPage(chain=chain, unavailable="The node of this chain keeps no index of addresses."))
    after = found.first - 1 if found.first > 0 else None
    return Reply(
        TransferPage(
            chain=chain, from_height=found.first, to_height=found.last, transfers=tuple(found.transfers), next=after
        )
    )
