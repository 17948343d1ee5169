"""The engines that the launcher starts are the real ones, keep what they must, and die with whoever started them."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
import redis
from confluent_kafka import Consumer, Producer
from google.cloud import firestore as google_firestore
from google.cloud.firestore_v1.base_query import FieldFilter
from pg8000.native import Connection

from emulators.component import ROOT, ComponentFailed, Process, Running, free_port, port_open, wait_until
from emulators.feeds import FEEDS, Control
from emulators.firestore import Firestore
from emulators.kafka import Kafka
from emulators.postgres import Postgres
from emulators.stack import Stack, engines
from shared.adapters.kafka.topics import ensure_topics
from shared.settings import KafkaSettings

DEADLINE_S = 30
_numbers = itertools.count(1)


def connect(url: str) -> Connection:
    at = urlsplit(url)
    return Connection(at.username, at.hostname, at.path[1:], at.port, at.password)


def get(url: str) -> tuple[int, object]:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)


def alive(pid: int) -> bool:
    """Tell whether the process runs; one that has ended and waits to be reaped does not."""
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


# Processes


def sleeper(workdir: Path, script: str, **settings: object) -> Process:
    return Process("sleeper", [sys.executable, "-c", script], workdir=workdir, ready=lambda: True, **settings)  # type: ignore[arg-type]  # settings are Process's own


def test_a_stopped_process_takes_its_children_with_it(tmp_path: Path) -> None:
    script = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
open(sys.argv[1] if len(sys.argv) > 1 else "child", "w").write(str(child.pid))
time.sleep(600)
"""
    process = sleeper(tmp_path, script, cwd=tmp_path, grace_s=5.0)
    process.start()
    wait_until(
        lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text() != "",
        deadline_s=DEADLINE_S,
        what="the child's number",
    )
    child = int((tmp_path / "child").read_text())
    process.stop()
    assert not alive(process.pid)
    assert not alive(child)


def test_a_process_that_ignores_the_signal_is_killed_after_its_grace(tmp_path: Path) -> None:
    script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('deaf', 'w'); time.sleep(600)"
    process = sleeper(tmp_path, script, cwd=tmp_path, grace_s=0.2)
    process.start()
    wait_until((tmp_path / "deaf").exists, deadline_s=DEADLINE_S, what="a process that does not listen")
    process.stop()
    assert process.exit_code() == 128 + signal.SIGKILL


def test_engines_end_when_their_launcher_is_killed(tmp_path: Path) -> None:
    script = f"""
import sys, time
from pathlib import Path
from emulators.valkey import Valkey
running = Valkey().start(Path({str(tmp_path)!r}))
print(running.pids[0], flush=True)
time.sleep(600)
"""
    launcher = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=ROOT, text=True)
    assert launcher.stdout is not None
    engine = int(launcher.stdout.readline())
    assert alive(engine)
    launcher.kill()
    launcher.wait()
    launcher.stdout.close()
    wait_until(lambda: not alive(engine), deadline_s=DEADLINE_S, what="the engine's end")


def test_a_component_that_dies_at_start_says_why_in_one_line(tmp_path: Path) -> None:
    process = Process(
        "moody", [sys.executable, "-c", "raise SystemExit('no coffee')"], workdir=tmp_path, ready=lambda: False
    )
    with pytest.raises(ComponentFailed, match=r"^moody ended with code 1 while starting: no coffee\. Log: \S+$"):
        process.start()


def test_a_taken_port_is_named(tmp_path: Path, valkey: Running) -> None:
    taken = urlsplit(valkey.env["REDIS_URL"]).port
    with pytest.raises(ComponentFailed, match=rf"postgres: port {taken} is taken: "):
        Postgres(in_memory=True, port=taken).start(tmp_path)


def test_free_ports_are_given_once() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    assert not any(port_open(port) for port in ports)


# Postgres


def test_every_test_gets_a_migrated_database_of_its_own(database: str) -> None:
    connection = connect(database)
    tables = {row[0] for row in connection.run("select table_name from information_schema.tables")}
    connection.close()
    assert {"events", "outbox", "inbox", "idempotency", "leases"} <= tables


def test_commits_are_synchronous(database: str) -> None:
    connection = connect(database)
    assert connection.run("show synchronous_commit") == [["on"]]
    connection.close()


def test_postgres_keeps_its_data_between_starts(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("kept")
    first = Postgres().start(folder)
    connection = connect(first.env["DATABASE_URL"])
    connection.run("create table kept (x int)")
    connection.close()
    first.kill()
    second = Postgres().start(folder)
    connection = connect(second.env["DATABASE_URL"])
    assert connection.run("select count(*) from kept") == [[0]]
    connection.close()
    second.stop()


# Valkey


def test_valkey_answers(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.set("a", "b")
        assert client.get("a") == b"b"


# Kafka, both


@pytest.fixture(scope="module", params=["apache", "embedded"])
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Kafka(light=request.param == "embedded").start(tmp_path_factory.mktemp("kafka"))
    yield running
    running.stop(grace_s=0)


def consumer(broker: Running, topic: str, group: str) -> Consumer:
    settings = {
        "bootstrap.servers": broker.env["KAFKA_BOOTSTRAP_SERVERS"],
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "heartbeat.interval.ms": 1000,
        "session.timeout.ms": 6000,
        "fetch.wait.max.ms": 10,
    }
    reading = Consumer(settings)
    reading.subscribe([topic])
    return reading


def next_value(reading: Consumer) -> bytes:
    message = reading.poll(DEADLINE_S)
    assert message is not None
    assert message.error() is None
    reading.commit(message=message, asynchronous=False)
    return message.value() or b""


def produce(broker: Running, topic: str, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": broker.env["KAFKA_BOOTSTRAP_SERVERS"], "enable.idempotence": True})
    for value in values:
        producer.produce(topic, value, key=b"ord_1")
    assert producer.flush(DEADLINE_S) == 0


def test_records_of_one_key_come_in_order_and_a_group_goes_on_where_it_was(broker: Running) -> None:
    topic = f"topic-{next(_numbers)}"
    ensure_topics(KafkaSettings.from_env(broker.env), [topic])
    produce(broker, topic, b"1", b"2", b"3")
    reading = consumer(broker, topic, f"group-{topic}")
    assert [next_value(reading), next_value(reading)] == [b"1", b"2"]
    reading.close()
    again = consumer(broker, topic, f"group-{topic}")
    assert next_value(again) == b"3"
    again.close()


def test_apache_kafka_keeps_records_when_it_is_killed(tmp_path: Path) -> None:
    kafka = Kafka().start(tmp_path)
    ensure_topics(KafkaSettings.from_env(kafka.env), ["kept"])
    produce(kafka, "kept", b"before")
    kafka.kill()
    kafka.restart()
    ensure_topics(KafkaSettings.from_env(kafka.env), ["kept"])  # the embedded broker keeps nothing
    produce(kafka, "kept", b"after")
    reading = consumer(kafka, "kept", "group")
    expected = [b"before", b"after"] if kafka.about.startswith("Apache") else [b"after"]
    assert [next_value(reading) for _ in expected] == expected
    reading.close()
    kafka.stop(grace_s=0)


# Firestore, both


@pytest.fixture(scope="module", params=["google", "embedded"])
def documents(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[google_firestore.Client]:
    running = Firestore(light=request.param == "embedded").start(tmp_path_factory.mktemp("firestore"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRESTORE_EMULATOR_HOST", running.env["FIRESTORE_EMULATOR_HOST"])
        client = google_firestore.Client(project=running.env["GOOGLE_CLOUD_PROJECT"])
        yield client
        client.close()  # type: ignore[no-untyped-call]  # the library leaves it out
    running.stop(grace_s=0)


def test_a_document_is_written_read_and_found(documents: google_firestore.Client) -> None:
    orders = documents.collection("orders")
    orders.document("ord_1").set({"state": "placed", "version": 1})
    orders.document("ord_1").set({"state": "paid", "version": 2})
    assert orders.document("ord_1").get().to_dict() == {"state": "paid", "version": 2}
    assert [one.id for one in orders.where(filter=FieldFilter("state", "==", "paid")).stream()] == ["ord_1"]


# moto


def send_mail(aws: Running, text: str) -> None:
    ses = boto3.client(
        "ses",
        endpoint_url=aws.env["AWS_ENDPOINT_URL"],
        region_name=aws.env["AWS_REGION"],
        aws_access_key_id=aws.env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=aws.env["AWS_SECRET_ACCESS_KEY"],
    )
    ses.send_email(
        Source=aws.env["EMAIL_FROM"],
        Destination={"ToAddresses": ["guest@example.com"]},
        Message={"Subject": {"Data": "Ready"}, "Body": {"Text": {"Data": text}}},
    )


def test_sent_mail_can_be_looked_at(aws: Running) -> None:
    send_mail(aws, "Your coffee is ready.")
    _, seen = get(f"{aws.env['AWS_ENDPOINT_URL']}/moto-api/data.json")
    assert "Your coffee is ready." in json.dumps(seen)


def test_a_mail_server_that_was_killed_comes_back_fit_to_send(aws: Running) -> None:
    aws.kill()
    aws.restart()
    send_mail(aws, "Your tea is ready.")
    _, seen = get(f"{aws.env['AWS_ENDPOINT_URL']}/moto-api/data.json")
    assert "Your tea is ready." in json.dumps(seen)


# Price feeds


BITFINEX = {"USDC": "UDC", "USDT": "UST"}
COINGECKO = {"BTC": "bitcoin", "ETH": "ethereum", "USDC": "usd-coin", "USDT": "tether"}
PATHS: dict[str, Callable[[str, str], str]] = {
    "coinbase": lambda asset, fiat: f"/v2/prices/{asset}-{fiat}/spot",
    "kraken": lambda asset, fiat: f"/0/public/Ticker?pair={asset.replace('BTC', 'XBT')}{fiat}",
    "binance": lambda asset, fiat: f"/api/v3/ticker/price?symbol={asset}{fiat}",
    "bitstamp": lambda asset, fiat: f"/api/v2/ticker/{asset.lower()}{fiat.lower()}/",
    "okx": lambda asset, fiat: f"/api/v5/market/ticker?instId={asset}-{fiat}",
    "bitfinex": lambda asset, fiat: f"/v2/tickers?symbols=t{BITFINEX.get(asset, asset)}{fiat}",
    "gemini": lambda asset, fiat: f"/v1/pubticker/{asset.lower()}{fiat.lower()}",
    "coingecko": lambda asset, fiat: f"/api/v3/simple/price?ids={COINGECKO.get(asset)}&vs_currencies={fiat.lower()}",
}


def price_in(feed: str, answer: object) -> Decimal:
    if feed == "bitfinex":
        assert isinstance(answer, list)
        return Decimal(str(answer[0][7]))
    assert isinstance(answer, dict)
    match feed:
        case "okx":
            return Decimal(answer["data"][0]["last"])
        case "coingecko":
            [coin] = answer.values()
            return Decimal(str(coin.get("eur", coin.get("usd"))))
        case "coinbase":
            return Decimal(answer["data"]["amount"])
        case "kraken":
            [pair] = answer["result"].values()
            return Decimal(pair["c"][0])
        case "binance":
            return Decimal(answer["price"])
        case _:
            return Decimal(answer["last"])


@pytest.mark.parametrize("asset", ["BTC", "ETH", "USDC", "USDT"])
@pytest.mark.parametrize("fiat", ["EUR", "USD"])
def test_feeds_agree_nearly_but_not_wholly(feeds: Control, asset: str, fiat: str) -> None:
    prices = [price_in(feed, get(f"{feeds.url}/{feed}{PATHS[feed](asset, fiat)}")[1]) for feed in FEEDS]
    assert len(set(prices)) > 1
    assert max(prices) / min(prices) < Decimal("1.002")


def test_a_feed_can_be_set_silenced_and_broken(feeds: Control) -> None:
    feeds.price("coinbase", "BTC", "EUR", Decimal("1.5"))
    feeds.fail("kraken", 503)
    feeds.silence("bitstamp")
    assert price_in("coinbase", get(f"{feeds.url}/coinbase{PATHS['coinbase']('BTC', 'EUR')}")[1]) == Decimal("1.5")
    assert get(f"{feeds.url}/kraken{PATHS['kraken']('BTC', 'EUR')}")[0] == 503
    with pytest.raises(OSError, match="closed connection"):
        get(f"{feeds.url}/bitstamp{PATHS['bitstamp']('BTC', 'EUR')}")


UNKNOWN = [("coinbase", 404), ("kraken", 200), ("binance", 400), ("bitstamp", 404), ("okx", 200), ("bitfinex", 200)]


@pytest.mark.parametrize(("feed", "status"), [*UNKNOWN, ("gemini", 400), ("coingecko", 200)])
def test_an_unknown_pair_is_answered_as_the_exchange_does(feeds: Control, feed: str, status: int) -> None:
    assert get(f"{feeds.url}/{feed}{PATHS[feed]('DOGE', 'EUR')}")[0] == status


# All of them


def listening(pid: int) -> set[str]:
    """Return the addresses a process listens on, as the kernel writes them: hexadecimal, in network order a word."""
    inodes = {os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and f"socket:[{rest[5]}]" in inodes:
                found.add(local.partition(":")[0])
    return found


def test_every_server_listens_on_loopback_only(stack: Stack) -> None:
    for component in engines():
        stack.start(component.name)
    for running in stack.running:
        for pid in running.pids:
            addresses = listening(pid)
            assert addresses, f"{running.name} listens nowhere"
            assert addresses <= {"0100007F", "0000000000000000FFFF00000100007F"}, running.name


def test_the_environment_names_both_chains(stack: Stack) -> None:
    stack.start("bitcoin")
    stack.start("ethereum")
    chains = json.loads(stack.env["CHAINS"])
    assert chains["bitcoin"]["network"] == "regtest"
    assert set(chains["evm:31337"]["tokens"]) == {"USDC", "USDT"}
