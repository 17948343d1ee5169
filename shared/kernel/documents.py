"""Documents that many people read: encoded once, kept in caches under the version of the state they show."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from shared.kernel.reply import Encoded, Reply

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Document(Generic[V]):
    """The encoded JSON of a `V`, sent as it is."""

    version: int
    """The version of the state that it shows."""
    etag: str
    """What tells this representation from every other: it begins with the version."""
    body: Encoded[V]
    until: datetime
    """When it stops being true, even if the state does not change: a shop closes, a price is too old."""

    @property
    def reply(self) -> Reply[Encoded[V]]:
        """Return it as an answer."""
        return Reply(self.body, headers={"etag": f'"{self.etag}"'})


class Documents(Protocol[V]):
    """Documents of one kind by id, from the nearest place that has them."""

    async def of(self, id: str) -> Document[V]:
        """Return the document, at most some seconds out of date. Raises what building it raises."""
        ...

    async def invalidate(self, id: str, version: int) -> None:
        """Drop what is older than `version` in this region, and keep it from coming back."""
        ...
