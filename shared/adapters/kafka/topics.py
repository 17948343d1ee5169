"""Which topics there are, and making those that are missing where the platform may do so itself."""

from collections.abc import Iterable
from concurrent.futures import Future
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from shared.kernel.envelope import SERVICE_OF_PREFIX
from shared.kernel.facts import topic_of
from shared.settings import KafkaSettings

DEAD_LETTERS: Final = ".dlq"
"""What the name of a topic's dead-letter topic ends with."""
FACT_TOPICS: Final = tuple(sorted(topic_of(prefix) for prefix in SERVICE_OF_PREFIX))
ALL_TOPICS: Final = tuple(name + suffix for name in FACT_TOPICS for suffix in ("", DEAD_LETTERS))


class TopicsMissing(Exception):
    """The broker does not answer, or refuses to create a topic; the message says which and why."""


def ensure_topics(settings: KafkaSettings, names: Iterable[str] = ALL_TOPICS, *, timeout_s: float = 5.0) -> list[str]:
    """Create the topics that do not exist and return their names. Safe to run from many places at once.

    In the cloud Terraform has made them, and nothing is left to do. Raises TopicsMissing.
    """
    admin = AdminClient({"bootstrap.servers": settings.bootstrap, "log_level": 0})
    try:
        missing = sorted(set(names) - set(admin.list_topics(timeout=timeout_s).topics))
        if not missing:
            return []
        wanted = [NewTopic(name, settings.partitions, settings.replication) for name in missing]
        for name, made in admin.create_topics(wanted, operation_timeout=timeout_s).items():
            _await(name, made, timeout_s)
    except KafkaException as error:
        raise TopicsMissing(f"the topics can't be listed: {error.args[0].str()}") from error
    return missing


def _await(name: str, made: Future[None], timeout_s: float) -> None:
    try:
        made.result(timeout=timeout_s)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise TopicsMissing(f"{name} can't be created: {error.args[0].str()}") from error
