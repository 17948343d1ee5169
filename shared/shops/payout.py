"""Values of payout accounts: who holds their keys, and how a shop comes to be paid to another one."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from shared.kernel.clock import rfc3339
from shared.kernel.errors import Conflict, Forbidden, Invalid
from shared.kernel.ids import PayoutChangeId, ShopId
from shared.kernel.money import Frozen
from shared.shops.accounts import AccountKey, Family
from shared.shops.facts import PayoutAccount

CHALLENGE_MINUTES: Final = 15
"""As long may a wallet take to sign: a hardware wallet lies in a safe."""
KEPT: Final = 20
"""Changes that a shop's state keeps when they are over; all of them are in its facts."""


class ProofRefused(Invalid):
    """What was signed does not show that the merchant holds the account's keys."""

    type = "payout-proof"
    title = "The proof of ownership is not accepted"


class AccountTaken(Conflict):
    """Another merchant has proven to hold the keys of this account."""

    type = "payout-account-taken"
    title = "The account is another merchant's"


class ChangeRefused(Conflict):
    """A payout account, or the change of one, is not in a state that allows this."""

    type = "payout-change"
    title = "The payout account can't be changed like this now"


class SecondPersonNeeded(Forbidden):
    """Whoever proposed the change can't be the one who confirms it."""

    type = "second-person"
    title = "Somebody else has to confirm this"


class Purpose(StrEnum):
    """What a signature is asked for. It stands in the message, so that one can't be taken for the other."""

    OWN = "own"
    """The account that signs is to be paid to."""
    CONFIRM = "confirm"
    """The account that signs is to be replaced."""


class Standing(StrEnum):
    """Where a change stands."""

    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    EFFECTIVE = "effective"
    CANCELLED = "cancelled"


OPEN: Final = frozenset({Standing.PROPOSED, Standing.CONFIRMED})


class PayoutChange(Frozen):
    """A change of one account, as the shop's state keeps it."""

    change_id: PayoutChangeId
    family: str
    account: PayoutAccount
    instead_of: str | None = None
    standing: Standing
    proposed_by: str
    proposed_at: datetime
    confirmed_by: str | None = None
    takes_effect_at: datetime | None = None
    ended_by: str | None = None
    ended_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Return whether it may still take effect."""
        return self.standing in OPEN


class FormerAccount(Frozen):
    """An account that the shop was paid to before."""

    family: str
    account: PayoutAccount


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a wallet is asked to sign: good once, for one shop, account and purpose."""

    nonce: str
    shop_id: ShopId
    family: Family
    fingerprint: str
    purpose: str
    """`own`, or `confirm:pyc_…`."""
    address: str
    message: str
    expires_at: datetime


def message(
    domain: str,
    *,
    nonce: str,
    shop_id: ShopId,
    family: Family,
    fingerprint: str,
    address: str,
    change: PayoutChange | None,
    issued_at: datetime,
    expires_at: datetime,
) -> str:
    """Return the text that the account's receive address 0 is to sign. `change`: what the account agrees to."""
    what = (
        "to be replaced by another account. From now on this shop is NOT paid here any more"
        if change
        else "that this account is yours, and to be paid here"
    )
    lines = [
        f"{domain} asks you to confirm {what}.",
        "",
        f"Shop: {shop_id}",
        f"Account: {family} {fingerprint}",
        *([f"New account: {change.account.fingerprint}", f"Change: {change.change_id}"] if change else []),
        f"Address: {address}",
        f"Nonce: {nonce}",
        f"Issued At: {rfc3339(issued_at)}",
        f"Expiration Time: {rfc3339(expires_at)}",
    ]
    return "\n".join(lines)


Nonce = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$", strict=True)]
Signature = Annotated[
    str, StringConstraints(pattern=r"^(0x[0-9a-fA-F]{130}|[A-Za-z0-9+/]{80,400}={0,2})$", strict=True)
]
"""Bitcoin: base64 of a BIP-322 witness or of a BIP-137 signature. EVM: 0x and 65 bytes."""


class RequestPayoutChallenge(Frozen):
    """For which account something is to be signed: without `account_key`, the one that the shop has."""

    family: Family
    account_key: AccountKey | None = Field(default=None, description="The account that is to be proposed")
    change_id: PayoutChangeId | None = Field(
        default=None, description="The change that the shop's present account is to agree to"
    )


class ChallengeView(Frozen):
    """What the wallet of the account is to sign, with the key of its receive address 0."""

    nonce: str
    message: str
    address: str = Field(description="Whose key signs: receive address 0 of the account")
    expires_at: datetime


class ProvePayout(Frozen):
    """Shows that the account which the shop has is the merchant's."""

    nonce: Nonce
    signature: Signature


class ProposePayout(ProvePayout):
    """Another account, with what shows that the merchant holds its keys."""

    family: Family
    account_key: AccountKey


class ConfirmPayout(Frozen):
    """Agreement. Who proposed the change adds what the shop's present account has signed."""

    nonce: Nonce | None = None
    signature: Signature | None = None


class ChangePath(Frozen):
    """Names one change of one shop."""

    shop_id: ShopId
    change_id: PayoutChangeId


class PayoutChangeView(Frozen):
    """A change as the merchant sees it: accounts appear as fingerprints."""

    change_id: PayoutChangeId
    shop_id: ShopId
    family: Family
    fingerprint: str
    instead_of: str | None = None
    standing: Standing
    proposed_by: str
    proposed_at: datetime
    confirmed_by: str | None = None
    takes_effect_at: datetime | None = Field(default=None, description="Until then either of both can cancel it")
    ended_by: str | None = None
    ended_at: datetime | None = None


class AccountView(Frozen):
    """An account that a shop is paid to."""

    family: Family
    fingerprint: str
    proven: bool = Field(description="Otherwise nobody is asked to pay to it: see prove_payout")


class PayoutView(Frozen):
    """The accounts of a shop, and the changes that are open, or over since not long."""

    shop_id: ShopId
    accounts: tuple[AccountView, ...]
    changes: tuple[PayoutChangeView, ...]
