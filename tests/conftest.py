"""The engines as fixtures: each starts at its first use, once a session, from the launcher that `make run` uses.

Every test gets places of its own: a database cloned from a migrated template (`database`), a Valkey database
(`redis_url`), a Kafka topic (`topic`). `PROFILE=light` runs everything on the embedded fallbacks.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from emulators.component import Running
from emulators.feeds import Control
from emulators.platform import Platform, steps
from emulators.postgres import create_database, drop_database
from emulators.stack import Stack, engines
from emulators.valkey import DATABASES

_TEMPLATE = "cortado_template"
_ON_THE_PLATFORM = "tests/integration/test_platform.py"
_numbers = itertools.count(1)


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # theirs has no types
    """A file's tests on one worker, for its fixtures and its order; all journeys on one, for their one platform."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "platform" if path.startswith("tests/journeys/") or path == _ON_THE_PLATFORM else path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """Return how tests are shared out where several workers run them."""
    return ByFile(config, log)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """All engines, none started yet: `stack.start("valkey")` returns it running."""
    light = os.environ.get("PROFILE") == "light"
    stack = Stack(engines(light=light, in_memory=True), tmp_path_factory.mktemp("engines"))
    yield stack
    stack.stop(grace_s=0)


@pytest.fixture(scope="session")
def postgres(stack: Stack) -> Running:
    return stack.start("postgres")


@pytest.fixture(scope="session")
def valkey(stack: Stack) -> Running:
    return stack.start("valkey")


@pytest.fixture(scope="session")
def kafka(stack: Stack) -> Running:
    return stack.start("kafka")


@pytest.fixture(scope="session")
def pubsub(stack: Stack) -> Running:
    return stack.start("pubsub")


@pytest.fixture(scope="session")
def firestore(stack: Stack) -> Running:
    return stack.start("firestore")


@pytest.fixture(scope="session")
def aws(stack: Stack) -> Running:
    return stack.start("aws")


@pytest.fixture(scope="session")
def bitcoin(stack: Stack) -> Running:
    return stack.start("bitcoin")


@pytest.fixture(scope="session")
def ethereum(stack: Stack) -> Running:
    return stack.start("ethereum")


@pytest.fixture(scope="session")
def feeds_server(stack: Stack) -> Running:
    return stack.start("feeds")


@pytest.fixture
def feeds(feeds_server: Running) -> Iterator[Control]:
    """Disturb the price feeds; afterwards they answer again as before."""
    control = Control(feeds_server.env["FEEDS_CONTROL_URL"])
    yield control
    control.reset()


@pytest.fixture(scope="session")
def database_template(postgres: Running) -> str:
    """The name of a database with the present schema and no rows, to be cloned."""
    from shared.adapters.postgres.migrate import migrate
    from shared.settings import PostgresSettings

    url = create_database(postgres.env["DATABASE_URL"], _TEMPLATE)
    migrate(PostgresSettings(url))
    return _TEMPLATE


@pytest.fixture
def database(postgres: Running, database_template: str) -> Iterator[str]:
    """The URL of an empty database with the present schema, this test's own."""
    server = postgres.env["DATABASE_URL"]
    name = f"t_{next(_numbers)}"
    yield create_database(server, name, template=database_template)
    drop_database(server, name)


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The whole platform on engines of its own: functions, relay, dispatcher, ticker, demo data. For journeys.

    What it says lies in `said.log` beside the logs of engines and programs.
    """
    workdir = tmp_path_factory.mktemp("platform")
    light = os.environ.get("PROFILE") == "light"
    with (workdir / "said.log").open("w", buffering=1) as said:
        platform = Platform(
            Stack(engines(light=light, in_memory=True), workdir),
            lambda line: print(line, file=said),
            keep_engines=False,
        )
        try:
            platform.start(steps())
            yield platform
        finally:
            platform.stop(grace_s=0)


@pytest.fixture
def redis_url(valkey: Running) -> str:
    """The URL of an empty Valkey database, this test's own until 63 later tests have had theirs."""
    import redis

    parts = urlsplit(valkey.env["REDIS_URL"])
    url = urlunsplit(parts._replace(path=f"/{1 + next(_numbers) % (DATABASES - 1)}"))
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def topic(kafka: Running) -> str:
    """The name of an empty Kafka topic, this test's own."""
    from shared.adapters.kafka.topics import ensure_topics
    from shared.settings import KafkaSettings

    name = f"test-{next(_numbers)}"
    ensure_topics(KafkaSettings.from_env(kafka.env), [name])
    return name
