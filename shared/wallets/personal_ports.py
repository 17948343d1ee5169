"""What exporting and erasing a person's data need from outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.kernel.ids import UserId
from shared.kernel.store import Store
from shared.wallets.model import User
from shared.wallets.ports import People


class Records(Protocol):
    """Reads what the platform's tables hold about a person."""

    async def of(self, user_id: UserId) -> Mapping[str, str]:
        """Return by kind a JSON list of rows, newest first, one more than MOST_ROWS where there are more."""
        ...

    async def still_open(self, user_id: UserId) -> Sequence[str]:
        """Return what keeps the person from being erased: orders and refunds under way, shops, staff keys."""
        ...


@dataclass(frozen=True, slots=True)
class Personal:
    """Everything that exporting and erasing are given. `erasing` destroys the key in the commit of the fact."""

    people: People
    records: Records
    erasing: Store[User]
