"""The engines that the launcher starts are the real ones, keep what they must, and die with whoever started them."""

from __future__ import annotations

import redis
from pg8000.native import Connection

from emulators.component import Running


def connect(url: str) -> Connection:
    from urllib.parse import urlsplit

    at = urlsplit(url)
    return Connection(at.username, at.hostname, at.path[1:], at.port, at.password)


def test_every_test_gets_a_migrated_database_of_its_own(database: str) -> None:
    connection = connect(database)
    tables = {row[0] for row in connection.run("select table_name from information_schema.tables")}
    connection.close()
    assert {"events", "outbox", "inbox", "idempotency", "leases"} <= tables


def test_commits_are_synchronous(database: str) -> None:
    connection = connect(database)
    assert connection.run("show synchronous_commit") == [["on"]]
    connection.close()


def test_valkey_answers(redis_url: str, valkey: Running) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.set("a", "b")
        assert client.get("a") == b"b"
