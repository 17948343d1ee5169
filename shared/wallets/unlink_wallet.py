"""unlink_wallet: a wallet is its person's no more."""

from shared.kernel.decision import By
from shared.kernel.ids import WalletId
from shared.kernel.reply import Reply
from shared.wallets.link_wallet import person
from shared.wallets.list_wallets import listed
from shared.wallets.model import WalletList
from shared.wallets.ports import SigningIn


async def unlink_wallet(wallet_id: WalletId, *, by: By, using: SigningIn) -> Reply[WalletList]:
    """Return the wallets that are left. Tokens that the wallet signed in for go on until they end.

    Raises NotFound (also the second time), LastWallet, Forbidden for staff keys, Transient.
    """
    stored = await using.people.unlink(person(by), wallet_id, by=by, now=using.clock.now())
    return Reply(listed(stored.state), version=stored.version, stream=stored.state.user_id)
