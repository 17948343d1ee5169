"""Values of a person's data: what is exported, what erasing says."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import Field, JsonValue

from shared.kernel.ids import MerchantId, UserId
from shared.kernel.money import Frozen
from shared.wallets.model import WalletView

Rows = tuple[Mapping[str, JsonValue], ...]
MOST_ROWS = 5_000
"""As many of a kind are exported, the newest first."""


class PersonalData(Frozen):
    """Everything that the platform holds about a person, as JSON that machines read."""

    exported_at: datetime
    user_id: UserId
    merchant_id: MerchantId
    registered_at: datetime
    wallets: tuple[WalletView, ...]
    preferences: Rows = Field(description="None or one, with the e-mail address in clear")
    devices: Rows
    sign_ins: Rows
    orders: Rows
    payments: Rows = Field(description="With every transfer and refund")
    claims: Rows
    ratings: Rows
    notifications: Rows
    staff_keys: Rows
    shops: Rows
    cut_off: tuple[str, ...] = Field(
        default=(), description=f"Of these there are more: the newest {MOST_ROWS} are there"
    )


class EraseMe(Frozen):
    """That it is meant: `erase usr_…` with one's own id."""

    confirm: str = Field(min_length=1, max_length=64, strict=True, examples=["erase usr_0192f0c1…"])


class ErasedView(Frozen):
    """A person who was forgotten. What stays tells of orders and coins, and of nobody."""

    user_id: UserId
    erased_at: datetime
