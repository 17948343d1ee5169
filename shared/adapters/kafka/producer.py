"""Producing: a batch is delivered as a whole and in order, or reported undelivered and safe to repeat."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from shared.adapters.delivery import Undelivered
from shared.settings import KafkaSettings

_CONFIG: Final = {
    "enable.idempotence": True,  # also acks=all, and order kept over retries
    "acks": "all",
    "linger.ms": 5,
    "compression.type": "lz4",
    "message.timeout.ms": 120_000,  # far beyond any deadline of `deliver`: a batch ends by purge, never piecewise
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 500,
    "retry.backoff.ms": 50,
    "topic.metadata.propagation.max.ms": 2_000,
    "socket.nagle.disable": True,
    "log_level": 0,  # what matters comes back as an error of the batch
}


@dataclass(frozen=True, slots=True)
class Record:
    """What goes into a topic."""

    topic: str
    key: str
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(slots=True)
class _Failures:
    """What delivery reports told about one batch."""

    first: str | None = None
    count: int = 0

    def report(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self.count += 1
            self.first = self.first or error.str()


@dataclass
class KafkaProducer:
    """An idempotent producer, replaced by a fresh one whenever a batch was not delivered.

    Nothing of a failed batch may reach the broker later, or its repetition could be overtaken by itself: the queue is
    purged and the producer thrown away.
    """

    settings: KafkaSettings
    _producer: Producer | None = field(default=None, init=False)

    def deliver(self, records: Iterable[Record], *, deadline_s: float) -> None:
        """Return when every record is stored by the broker. Blocks. Raises Undelivered after `deadline_s` seconds."""
        producer = self._producer or Producer({"bootstrap.servers": self.settings.bootstrap, **_CONFIG})
        self._producer = producer
        failures = _Failures()
        try:
            for record in records:
                producer.produce(
                    record.topic,
                    value=record.value,
                    key=record.key,
                    headers=list(record.headers),
                    on_delivery=failures.report,
                )
            left = producer.flush(deadline_s)
        except (KafkaException, BufferError) as error:
            self._discard(producer)
            raise Undelivered(str(error)) from error
        except BaseException:
            self._discard(producer)
            raise
        if left or failures.count:
            reason = failures.first or f"{left} records without an answer after {deadline_s:g} s"
            self._discard(producer)  # which reports the rest as purged
            raise Undelivered(reason)

    def close(self) -> None:
        """Give up the connection; nothing is ever left to send."""
        if self._producer is not None:
            self._discard(self._producer)

    def _discard(self, producer: Producer) -> None:
        self._producer = None
        producer.purge(in_queue=True, in_flight=True)
        producer.flush(0.1)
