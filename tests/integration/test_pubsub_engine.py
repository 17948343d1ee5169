"""One contract for both Pub/Subs of the launcher: Google's emulator and the embedded server."""

from __future__ import annotations

import base64
import itertools
import json
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import pytest
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.cloud.pubsub_v1.types import PublisherOptions
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from emulators.pubsub import PROJECT, PubSub

DEADLINE_S = 20
_numbers = itertools.count(1)


@dataclass
class Clients:
    """Both clients of one engine, and names that no other test uses."""

    publisher: PublisherClient
    subscriber: SubscriberClient

    def topic(self) -> str:
        path: str = self.publisher.topic_path(PROJECT, f"topic-{next(_numbers)}")
        self.publisher.create_topic(request={"name": path})
        return path

    def subscription(self, topic: str, **settings: object) -> str:
        path: str = self.subscriber.subscription_path(PROJECT, f"subscription-{next(_numbers)}")
        self.subscriber.create_subscription(request={"name": path, "topic": topic, **settings})
        return path

    def publish(self, topic: str, data: bytes, **attributes: str) -> None:
        self.publisher.publish(topic, data, **attributes).result(timeout=DEADLINE_S)

    def pull(self, subscription: str) -> list[Any]:
        """Return the next messages; asks again until there are some."""
        for _ in range(DEADLINE_S):
            answer = self.subscriber.pull(
                request={"subscription": subscription, "max_messages": 10}, timeout=DEADLINE_S, retry=None
            )
            if answer.received_messages:
                return list(answer.received_messages)
        raise AssertionError(f"nothing arrived at {subscription}")

    def give_back(self, subscription: str, ack_id: str) -> None:
        self.subscriber.modify_ack_deadline(
            request={"subscription": subscription, "ack_ids": [ack_id], "ack_deadline_seconds": 0}
        )


@pytest.fixture(scope="module", params=["google", "embedded"])
def clients(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    engine = PubSub(light=request.param == "embedded").start(tmp_path_factory.mktemp("pubsub"))
    channel = grpc.insecure_channel(engine.env["PUBSUB_EMULATOR_HOST"])
    yield Clients(
        PublisherClient(
            transport=PublisherGrpcTransport(channel=channel),
            publisher_options=PublisherOptions(enable_message_ordering=True),
        ),
        SubscriberClient(transport=SubscriberGrpcTransport(channel=channel)),
    )
    channel.close()
    engine.stop(grace_s=0)


@dataclass
class Receiver:
    """An HTTP server that keeps what is pushed to it and answers as it is told, in turn, and 204 afterwards."""

    answers: list[int] = field(default_factory=list)
    bodies: queue.Queue[dict[str, Any]] = field(default_factory=queue.Queue)
    url: str = ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.bodies.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}/push"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield receiver
        server.shutdown()
        thread.join()


def test_a_message_reaches_every_subscription_of_its_topic(clients: Clients) -> None:
    topic = clients.topic()
    subscriptions = [clients.subscription(topic), clients.subscription(topic)]
    clients.publish(topic, b"espresso", kind="drink")
    for subscription in subscriptions:
        [received] = clients.pull(subscription)
        assert received.message.data == b"espresso"
        assert received.message.attributes["kind"] == "drink"
        clients.subscriber.acknowledge(request={"subscription": subscription, "ack_ids": [received.ack_id]})


def test_a_message_given_back_comes_again(clients: Clients) -> None:
    topic = clients.topic()
    subscription = clients.subscription(topic)
    clients.publish(topic, b"again")
    [first] = clients.pull(subscription)
    clients.give_back(subscription, first.ack_id)
    [second] = clients.pull(subscription)
    assert second.message.message_id == first.message.message_id


def test_messages_of_one_ordering_key_come_in_order(clients: Clients) -> None:
    topic = clients.topic()
    subscription = clients.subscription(topic, enable_message_ordering=True)
    for number in range(5):
        clients.publisher.publish(topic, str(number).encode(), ordering_key="ord_1").result(timeout=DEADLINE_S)
    seen: list[bytes] = []
    while len(seen) < 5:
        received = clients.pull(subscription)
        seen += [one.message.data for one in received]
        clients.subscriber.acknowledge(
            request={"subscription": subscription, "ack_ids": [one.ack_id for one in received]}
        )
    assert seen == [b"0", b"1", b"2", b"3", b"4"]


def test_a_streaming_pull_receives_and_acknowledges(clients: Clients) -> None:
    topic = clients.topic()
    subscription = clients.subscription(topic)
    seen: queue.Queue[bytes] = queue.Queue()

    def take(message: Any) -> None:
        seen.put(message.data)
        message.ack()

    listening = clients.subscriber.subscribe(subscription, take)
    for number in range(20):
        clients.publish(topic, str(number).encode())
    received = {seen.get(timeout=DEADLINE_S) for _ in range(20)}
    listening.cancel()
    listening.result(timeout=DEADLINE_S)
    assert received == {str(number).encode() for number in range(20)}


def test_a_push_carries_the_message_in_its_wrapper(clients: Clients, receiver: Receiver) -> None:
    topic = clients.topic()
    subscription = clients.subscription(topic, push_config={"push_endpoint": receiver.url})
    clients.publish(topic, b'{"hello":1}', kind="work")
    body = receiver.bodies.get(timeout=DEADLINE_S)
    assert body["subscription"] == subscription
    assert base64.b64decode(body["message"]["data"]) == b'{"hello":1}'
    assert body["message"]["attributes"] == {"kind": "work"}
    assert body["message"]["messageId"]
    assert body["message"]["publishTime"].endswith("Z")


def test_a_refused_push_comes_again_until_it_is_taken(clients: Clients, receiver: Receiver) -> None:
    receiver.answers = [500, 429]
    topic = clients.topic()
    clients.subscription(
        topic,
        push_config={"push_endpoint": receiver.url},
        retry_policy={"minimum_backoff": {"seconds": 1}, "maximum_backoff": {"seconds": 1}},
    )
    clients.publish(topic, b"thrice")
    numbers = [receiver.bodies.get(timeout=DEADLINE_S)["message"]["messageId"] for _ in range(3)]
    assert len(set(numbers)) == 1


def test_what_is_refused_too_often_becomes_a_dead_letter(clients: Clients, receiver: Receiver) -> None:
    receiver.answers = [500] * 20
    topic, dead = clients.topic(), clients.topic()
    graveyard = clients.subscription(dead)
    clients.subscription(
        topic,
        push_config={"push_endpoint": receiver.url},
        retry_policy={"minimum_backoff": {"seconds": 0, "nanos": 100_000_000}, "maximum_backoff": {"seconds": 1}},
        dead_letter_policy={"dead_letter_topic": dead, "max_delivery_attempts": 5},
    )
    clients.publish(topic, b"poison")
    [buried] = clients.pull(graveyard)
    assert buried.message.data == b"poison"
    assert receiver.bodies.qsize() == 5


def test_what_exists_is_not_made_twice(clients: Clients) -> None:
    from google.api_core.exceptions import AlreadyExists, NotFound

    topic = clients.topic()
    with pytest.raises(AlreadyExists):
        clients.publisher.create_topic(request={"name": topic})
    with pytest.raises(NotFound):
        clients.publisher.get_topic(request={"topic": clients.publisher.topic_path(PROJECT, "nowhere")})
