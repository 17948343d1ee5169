"""The workers as programs: what they say when something is missing, how they end, and the redrive command."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping

import pytest

from emulators.component import HOST, Running, free_port
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.parking import Parking
from shared.settings import PostgresSettings

BARE = {"PATH": os.environ["PATH"], "PYTHONPATH": os.getcwd()}
NOWHERE = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "GOOGLE_CLOUD_PROJECT": "cortado-test",
    "FUNCTION_URL_TEMPLATE": "http://127.0.0.1:1/{function}",
}


def start(module: str, env: Mapping[str, str], *arguments: str) -> subprocess.Popen[str]:
    """Start a worker with these variables alone."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env={**BARE, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("module", "missing"),
    [
        ("triggers.relay", "DATABASE_URL"),
        ("triggers.dispatcher", "FUNCTION_URL_TEMPLATE"),
        ("triggers.ticker", "FUNCTION_URL_TEMPLATE"),
        ("triggers.redrive", "DATABASE_URL"),
    ],
)
def test_a_missing_setting_is_one_line_that_names_it(module: str, missing: str) -> None:
    said, complaint = (worker := start(module, {})).communicate(timeout=60)
    assert worker.returncode == 2
    assert said == ""
    assert complaint.count("\n") == 1
    assert complaint.startswith(missing)


@pytest.mark.parametrize("module", ["triggers.relay", "triggers.dispatcher"])
def test_a_worker_without_its_broker_waits_says_so_and_ends_when_asked(module: str, database: str) -> None:
    port = free_port()
    worker = start(module, {**NOWHERE, "DATABASE_URL": database, "METRICS_PORT": str(port)})
    assert worker.stdout is not None
    lines: list[str] = []
    while not any("Kafka" in line or "topics" in line for line in lines):
        line = worker.stdout.readline()
        assert line, f"it ended: {worker.communicate()[1]}"
        lines.append(line)
    assert {"severity", "time", "message"} <= json.loads(lines[-1]).keys()
    with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=5) as metrics:
        assert b"outbox_relay_failures_total" in metrics.read() or module != "triggers.relay"
    worker.send_signal(signal.SIGTERM)
    _, complaint = worker.communicate(timeout=30)
    assert (worker.returncode, complaint) == (0, "")


def test_a_relay_gives_its_leases_back_when_it_ends(database: str, kafka: Running, pubsub: Running) -> None:
    env = {**NOWHERE, **kafka.env, **pubsub.env, "DATABASE_URL": database, "CORTADO_REGION": "here"}
    del env["PUBSUB_EMULATOR_HOST"]  # no subscriptions are wanted, and nothing is published
    for _ in range(2):
        worker = start("triggers.relay", env)
        assert worker.stdout is not None
        acquired = 0
        while acquired < 2:
            acquired += "lease acquired" in worker.stdout.readline()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0


async def test_redrive_says_what_is_parked_and_gives_up_what_it_is_told_to(database: str) -> None:
    db = Database(PostgresSettings(database))
    parking = Parking(db)
    for key in ("ord_1", "ord_2"):
        await parking.park("confirm_order", key, f"evt_{key}", "payment-events", b"{}", "422 invalid")
    env = {"DATABASE_URL": database}
    assert start("triggers.redrive", env).communicate(timeout=60)[0] == "confirm_order: 2 facts of 2 keys\n"
    drop = ("confirm_order", "--drop", "evt_ord_1")
    assert start("triggers.redrive", env, *drop).communicate(timeout=60)[0] == "evt_ord_1: given up\n"
    again = start("triggers.redrive", env, *drop)
    assert again.communicate(timeout=60)[0] == "evt_ord_1: is not parked\n"
    assert again.returncode == 1
    assert await parking.keys("confirm_order") == {"ord_2"}
    db.close()
