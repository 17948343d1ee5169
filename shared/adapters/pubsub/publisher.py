"""Publishing work: each row of the outbox becomes one message; the batch has arrived when every future says so."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Final

from google.api_core.exceptions import GoogleAPIError
from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.types import BatchSettings, PublisherOptions

from shared.adapters.delivery import Undelivered
from shared.adapters.postgres.outbox import Outgoing
from shared.kernel.envelope import routed
from shared.settings import GoogleSettings

_BATCHES: Final = BatchSettings(max_messages=100, max_bytes=1_000_000, max_latency=0.005)


class WorkSink:
    """Work for Pub/Sub. The order of messages means nothing; type, id and key are attributes."""

    def __init__(self, settings: GoogleSettings, prepare: Callable[[], None] = lambda: None) -> None:
        """`prepare` makes topics and subscriptions where nobody else does: with an emulator, which forgets them."""
        self._project = settings.project
        self._prepare = prepare
        self._client: pubsub_v1.PublisherClient | None = None

    def deliver(self, rows: Sequence[Outgoing], *, deadline_s: float) -> None:
        """Return when Pub/Sub has stored every row. Blocks. Raises Undelivered."""
        end = time.monotonic() + deadline_s
        client = self._client or pubsub_v1.PublisherClient(
            batch_settings=_BATCHES, publisher_options=PublisherOptions(timeout=deadline_s)
        )
        self._client = client
        try:
            sent = [
                client.publish(
                    client.topic_path(self._project, row.work_topic), row.body, timeout=deadline_s, **_attributes(row)
                )
                for row in rows
            ]
            for message in sent:
                message.result(timeout=max(0.0, end - time.monotonic()))
        except (GoogleAPIError, FutureTimeout) as error:
            self.close()  # its channel may be waiting a minute before it connects again
            raise Undelivered(f"{type(error).__name__}: {error}") from error

    def recover(self) -> None:
        """Make what is missing. Raises Undelivered when Pub/Sub does not answer."""
        try:
            self._prepare()
        except GoogleAPIError as error:
            raise Undelivered(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Give up the connection; what was not acknowledged goes out again from the outbox."""
        if self._client is not None:
            self._client.transport.close()
            self._client = None


def _attributes(row: Outgoing) -> dict[str, str]:
    attributes = {"type": routed(row.body).type, "id": row.event_id, "key": row.key}
    if row.traceparent:
        attributes["traceparent"] = row.traceparent
    return attributes
