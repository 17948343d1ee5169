"""list_wallets: the wallets that a person has proven to be theirs."""

from shared.kernel.decision import By
from shared.kernel.errors import NotFound
from shared.kernel.ids import UserId
from shared.kernel.reply import Reply
from shared.wallets.model import User, WalletList, WalletView
from shared.wallets.ports import People


async def list_wallets(*, by: By, using: People) -> Reply[WalletList]:
    """Return the caller's wallets. Raises NotFound for a staff key."""
    stored = await using.person(UserId(by.actor))
    if stored is None:
        raise NotFound("There is no such account.")
    return Reply(listed(stored.state), version=stored.version, stream=stored.state.user_id)


def listed(user: User) -> WalletList:
    """Return what is shown of a person's wallets."""
    return WalletList(
        wallets=tuple(
            WalletView(
                wallet_id=wallet.wallet_id,
                kind=wallet.kind,
                chain=wallet.chain,
                address=wallet.address,
                signs_in=wallet.signs_in,
                linked_at=wallet.linked_at,
            )
            for wallet in user.wallets
        )
    )
