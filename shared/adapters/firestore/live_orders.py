"""The live document of an order, `orders/<order id>`: one writer, and a guard against overtaking.

Source of the guard: generation and version only grow, so a document that is not newer than what stands is dropped. The
compare and the write are one Firestore transaction.
"""

import asyncio
from typing import Any, Final

from google.api_core.exceptions import Aborted, GoogleAPICallError, RetryError
from google.cloud.firestore import AsyncClient, AsyncTransaction, async_transactional

from shared.adapters.resilience import Guard, Limits
from shared.orders.model import LiveOrder
from shared.settings import GoogleSettings

COLLECTION: Final = "orders"
LIMITS: Final = Limits(timeout_s=5.0, attempts=3, concurrent=32)


class FirestoreLiveOrders:
    """Live documents in Firestore. FIRESTORE_EMULATOR_HOST leads the client to the emulator."""

    def __init__(self, settings: GoogleSettings) -> None:
        self._settings = settings
        self._guard = Guard("firestore", LIMITS, outages=(GoogleAPICallError, RetryError, OSError))
        self._client: AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def put(self, document: LiveOrder) -> None:
        """Write the document unless a newer one, by (generation, version), stands there. Raises Outage."""
        client = self._connected()
        reference = client.collection(COLLECTION).document(document.order_id)
        content = document.model_dump(mode="json", exclude_none=True)
        stamp = (document.generation, document.version)

        async def write() -> None:
            try:
                await _newer(client.transaction(), reference, content, stamp)
            except ValueError as lost:
                # So the client ends when others won the document too often, and when the deadline struck while no
                # transaction stood: it fails to roll back what there is not, and hides why.
                raise Aborted("the transaction was given up") from lost  # type: ignore[no-untyped-call]  # theirs

        await self._guard.call(write)

    def _connected(self) -> AsyncClient:
        """Return this event loop's client, connected at the first use."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._client, self._loop = AsyncClient(project=self._settings.project), loop
        return self._client


@async_transactional
async def _newer(
    transaction: AsyncTransaction, reference: Any, content: dict[str, Any], stamp: tuple[int, int]
) -> None:
    found = await reference.get(field_paths=("generation", "version"), transaction=transaction)
    if found.exists and (found.get("generation"), found.get("version")) >= stamp:
        return
    transaction.set(reference, content)
