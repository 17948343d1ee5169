"""What the platform needs of Pub/Sub, from Google's emulator and from the embedded server alike."""

import json
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from google.api_core.exceptions import DeadlineExceeded
from google.cloud.pubsub_v1 import SubscriberClient

from emulators.component import HOST, Running
from emulators.google_sdk import emulator_jar
from emulators.pubsub import PubSub
from shared.adapters.delivery import Undelivered
from shared.adapters.postgres.outbox import Outgoing
from shared.adapters.pubsub.publisher import WorkSink
from shared.adapters.pubsub.subscriptions import DEAD_LETTERS, Patience, PushRoute, ensure_topics
from shared.kernel.ids import EventId
from shared.settings import GoogleSettings
from tests.integration.test_relay import wait_until

PROJECT = "cortado-test"
SOON = Patience(shortest=timedelta(seconds=1), longest=timedelta(seconds=1), attempts=5)
ENGINES = ["google", "embedded"] if emulator_jar("pubsub-emulator") else ["embedded"]


@dataclass
class Receiver:
    """A function that is pushed to."""

    port: int = 0
    refuse: bool = False
    pushed: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    """Token, attributes and content of every push, whatever it was answered."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["content-length"])))["message"]
            token = parse_qs(urlsplit(self.path).query)["token"][0]
            receiver.pushed.append((token, message.get("attributes", {}), b64decode(message["data"])))
            self.send_response(503 if receiver.refuse else 204)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer((HOST, 0), Handler)
    receiver.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield receiver
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module", params=ENGINES)
def pubsub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = PubSub(light=request.param == "embedded").start(tmp_path_factory.mktemp("pubsub"))
    yield running
    running.stop(grace_s=0)


@pytest.fixture
def receiver(pubsub: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub.env["PUBSUB_EMULATOR_HOST"])
    with receiving() as receiver:
        yield receiver


def row(topic: str, number: int) -> Outgoing:
    body = {"id": EventId.new(), "type": f"work.{topic}", "subject": f"ntf_{number}", "time": "2026-01-01T00:00:00Z"}
    encoded = json.dumps({**body, "data": {"number": number}}).encode()
    return Outgoing(number, body["id"], f"work:{topic}", body["subject"], encoded, "00-1-2-01")


def subscribed(topic: str, receiver: Receiver, token: str = "a.token") -> None:
    route = PushRoute(topic, f"http://{HOST}:{receiver.port}/send")
    assert ensure_topics(PROJECT, [route], lambda: token, SOON) == [topic]


def test_work_is_pushed_with_its_token_and_attributes(receiver: Receiver) -> None:
    subscribed("plain", receiver)
    rows = [row("plain", number) for number in range(30)]
    sink = WorkSink(GoogleSettings(PROJECT))
    sink.deliver(rows, deadline_s=10)
    sink.close()
    wait_until(lambda: len(receiver.pushed) >= 30, "everything is pushed")
    assert {content for _, _, content in receiver.pushed} == {one.body for one in rows}
    token, attributes, content = receiver.pushed[0]
    assert token == "a.token"
    assert attributes["type"] == "work.plain"
    assert attributes["id"] == json.loads(content)["id"]
    assert attributes["traceparent"] == "00-1-2-01"


def test_making_topics_again_renews_the_token(receiver: Receiver) -> None:
    subscribed("renewed", receiver, "old")
    subscribed("renewed", receiver, "new")
    sink = WorkSink(GoogleSettings(PROJECT))
    sink.deliver([row("renewed", 1)], deadline_s=10)
    sink.close()
    wait_until(lambda: bool(receiver.pushed), "it is pushed")
    assert receiver.pushed[0][0] == "new"


def test_what_is_refused_comes_again(receiver: Receiver) -> None:
    subscribed("again", receiver)
    receiver.refuse = True
    sink = WorkSink(GoogleSettings(PROJECT))
    sink.deliver([row("again", 1)], deadline_s=10)
    sink.close()
    wait_until(lambda: len(receiver.pushed) >= 2, "it is pushed again")
    receiver.refuse = False
    before = len(receiver.pushed)
    wait_until(lambda: len(receiver.pushed) > before, "it is pushed until it is taken")


def test_what_is_refused_too_often_becomes_a_dead_letter(receiver: Receiver) -> None:
    subscribed("doomed", receiver)
    receiver.refuse = True
    sink, doomed = WorkSink(GoogleSettings(PROJECT)), row("doomed", 1)
    sink.deliver([doomed], deadline_s=10)
    sink.close()
    with SubscriberClient() as subscriber:
        path = subscriber.subscription_path(PROJECT, "doomed" + DEAD_LETTERS)
        letters: list[bytes] = []

        def arrived() -> bool:
            try:
                pulled = subscriber.pull(request={"subscription": path, "max_messages": 1}, timeout=2, retry=None)
            except DeadlineExceeded:
                return False
            letters.extend(message.message.data for message in pulled.received_messages)
            return bool(letters)

        wait_until(arrived, "the dead letter is there", deadline_s=40)
    assert letters[0] == doomed.body
    assert len(receiver.pushed) >= SOON.attempts


def test_a_topic_that_is_not_there_is_undelivered_not_lost(receiver: Receiver) -> None:
    sink = WorkSink(GoogleSettings(PROJECT), lambda: subscribed("late", receiver))
    started = time.monotonic()
    with pytest.raises(Undelivered):
        sink.deliver([row("late", 1)], deadline_s=3)
    assert time.monotonic() - started < 10
    sink.recover()
    sink.deliver([row("late", 1)], deadline_s=10)
    sink.close()
    wait_until(lambda: len(receiver.pushed) == 1, "it is pushed")


def test_a_pubsub_that_comes_back_empty_is_prepared_and_served(receiver: Receiver, pubsub: Running) -> None:
    sink = WorkSink(GoogleSettings(PROJECT), lambda: subscribed("restarted", receiver))
    sink.recover()
    sink.deliver([row("restarted", 1)], deadline_s=10)
    wait_until(lambda: len(receiver.pushed) == 1, "it is pushed")  # an emulator forgets what it has not pushed yet
    pubsub.kill()
    with pytest.raises(Undelivered):
        sink.deliver([row("restarted", 2)], deadline_s=1)
    with pytest.raises(Undelivered):
        sink.recover()
    pubsub.restart()
    sink.recover()
    sink.deliver([row("restarted", 2)], deadline_s=10)
    sink.close()
    wait_until(lambda: len(receiver.pushed) >= 2, "the other is pushed")
