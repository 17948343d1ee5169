"""Topics and push subscriptions of the local platform; in the cloud Terraform makes the same ones.

One push subscription per topic, named like it. What a function refuses or fails to do comes again after a growing
pause, and after `ATTEMPTS` tries goes to the topic `<topic>.dead`, where a pull subscription keeps it.

In the cloud Pub/Sub signs an OIDC token and sends it as a bearer. The emulator signs nothing, so here the endpoint's
query carries a token signed with the local key, `?token=…`, which the function verifies by the very same rules.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

from google.api_core.exceptions import AlreadyExists
from google.api_core.retry import Retry
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.cloud.pubsub_v1.types import DeadLetterPolicy, PushConfig, RetryPolicy

ATTEMPTS: Final = 10
DEAD_LETTERS: Final = ".dead"
_ACK_DEADLINE_S: Final = 30
_TIMEOUT_S: Final = 10.0
_RETRY: Final = Retry(timeout=_TIMEOUT_S)


@dataclass(frozen=True, slots=True)
class PushRoute:
    """A topic of work and the URL of the function it is pushed to."""

    topic: str
    url: str


@dataclass(frozen=True, slots=True)
class Patience:
    """The pause before work is pushed again: grows from the first to the second bound."""

    shortest: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(seconds=60)
    attempts: int = ATTEMPTS
    """Pushes before a message is a dead letter; Pub/Sub allows 5 to 100."""


def ensure_topics(
    project: str, routes: Iterable[PushRoute], token: Callable[[], str], patience: Patience = Patience()
) -> list[str]:
    """Create every topic and subscription that is missing, renew the tokens of the others, return all topics.

    Raises GoogleAPIError when Pub/Sub does not answer.
    """
    topics = []
    with PublisherClient() as publisher, SubscriberClient() as subscriber:
        for route in routes:
            dead = _topic(publisher, project, route.topic + DEAD_LETTERS)
            _subscription(subscriber, project, route.topic + DEAD_LETTERS, {"topic": dead})
            topic = _topic(publisher, project, route.topic)
            push = PushConfig(push_endpoint=f"{route.url}?{urlencode({'token': token()})}")
            wanted = {
                "topic": topic,
                "push_config": push,
                "ack_deadline_seconds": _ACK_DEADLINE_S,
                "dead_letter_policy": DeadLetterPolicy(dead_letter_topic=dead, max_delivery_attempts=patience.attempts),
                "retry_policy": RetryPolicy(minimum_backoff=patience.shortest, maximum_backoff=patience.longest),
            }
            if not _subscription(subscriber, project, route.topic, wanted):
                subscriber.modify_push_config(
                    request={"subscription": subscriber.subscription_path(project, route.topic), "push_config": push},
                    timeout=_TIMEOUT_S,
                )
            topics.append(route.topic)
    return topics


def _topic(publisher: PublisherClient, project: str, name: str) -> str:
    path: str = publisher.topic_path(project, name)
    try:
        publisher.create_topic(request={"name": path}, timeout=_TIMEOUT_S, retry=_RETRY)
    except AlreadyExists:
        return path
    return path


def _subscription(subscriber: SubscriberClient, project: str, name: str, wanted: dict[str, object]) -> bool:
    """Create a subscription; return False when it was there."""
    path = subscriber.subscription_path(project, name)
    try:
        subscriber.create_subscription(request={"name": path, **wanted}, timeout=_TIMEOUT_S, retry=_RETRY)
    except AlreadyExists:
        return False
    return True
