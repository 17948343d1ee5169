"""Google's Pub/Sub emulator, or the small server of `pubsub_server.py` where the SDK or Java is missing.

Both keep topics and messages in memory: the runner creates topics and subscriptions at every start.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from emulators.component import HOST, ROOT, Process, Running, port_for, port_open
from emulators.google_sdk import emulator_jar

PROJECT = "cortado-local"


@dataclass
class PubSub:
    """Push and pull with ordering keys, redelivery and dead letters. `light`: the embedded server in any case."""

    name: str = "pubsub"
    light: bool = False
    port: int | None = None

    def start(self, workdir: Path) -> Running:
        port = port_for(self.name, self.port)
        jar = None if self.light else emulator_jar("pubsub-emulator")
        if jar:
            about = "Google's emulator"
            argv = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-jar", str(jar), f"--host={HOST}", f"--port={port}"]
        else:
            about = "embedded server"
            argv = [sys.executable, "-m", "emulators.pubsub_server", str(port)]
        server = Process(
            self.name, argv, workdir=workdir, ready=lambda: port_open(port), cwd=ROOT, grace_s=2, deadline_s=60
        )
        server.start()
        env = {"PUBSUB_EMULATOR_HOST": f"{HOST}:{port}", "GOOGLE_CLOUD_PROJECT": PROJECT}
        return Running(self.name, f"{about} on {port}", env, (server,))
