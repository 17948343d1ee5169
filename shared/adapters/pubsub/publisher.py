"""Publishing work: each row of the outbox becomes one message. The rows of a topic go in one call, and wait for it.

The library's own batching publishes from threads that go on trying after the caller has given up; the relay needs to
know, so the plain call underneath is used.
"""

import time
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final

from google.api_core.exceptions import GoogleAPIError
from google.api_core.retry import Retry
from google.cloud.pubsub_v1 import PublisherClient as CloudPublisher
from google.pubsub_v1 import PublisherClient
from google.pubsub_v1.types import PubsubMessage

from shared.adapters.delivery import Undelivered
from shared.adapters.postgres.outbox import Outgoing
from shared.kernel.envelope import routed
from shared.settings import GoogleSettings

_CALL: Final = 200
"""Messages in one call: far below Pub/Sub's 1,000 messages and 10 MB."""


class WorkSink:
    """Work for Pub/Sub. The order of messages means nothing; type, id and key are attributes."""

    def __init__(self, settings: GoogleSettings, prepare: Callable[[], None] = lambda: None) -> None:
        """`prepare` makes topics and subscriptions where nobody else does: with an emulator, which forgets them."""
        self._project = settings.project
        self._prepare = prepare
        self._client: CloudPublisher | None = None

    def deliver(self, rows: Sequence[Outgoing], *, deadline_s: float) -> None:
        """Return when Pub/Sub has stored every row. Blocks. Raises Undelivered."""
        end = time.monotonic() + deadline_s
        self._client = self._client or CloudPublisher()
        try:
            for topic, of_topic in groupby(sorted(rows, key=_topic), key=_topic):
                self._publish(self._client, topic, list(of_topic), end)
        except GoogleAPIError as error:
            self.close()  # its channel may be waiting a minute before it connects again
            raise Undelivered(f"{type(error).__name__}: {error}") from error

    def _publish(self, client: PublisherClient, topic: str, rows: Sequence[Outgoing], end: float) -> None:
        path = client.topic_path(self._project, topic)
        for start in range(0, len(rows), _CALL):
            left_s = max(0.05, end - time.monotonic())
            request = {"topic": path, "messages": [_message(row) for row in rows[start : start + _CALL]]}
            PublisherClient.publish(client, request=request, retry=Retry(timeout=left_s), timeout=left_s)

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


def _topic(row: Outgoing) -> str:
    return row.work_topic


def _message(row: Outgoing) -> PubsubMessage:
    attributes = {"type": routed(row.body).type, "id": row.event_id, "key": row.key}
    if row.traceparent:
        attributes["traceparent"] = row.traceparent
    return PubsubMessage(data=row.body, attributes=attributes)
