"""SES and SNS by moto's server. What was sent is readable at `/moto-api/data.json`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from emulators.component import HOST, ComponentFailed, Process, Running, http_answers, port_for

REGION = "eu-central-1"


@dataclass
class Aws:
    """E-mail and mobile push that go nowhere but can be looked at."""

    name: str = "aws"
    port: int | None = None

    def start(self, workdir: Path) -> Running:
        program = Path(sys.executable).with_name("moto_server")
        if not program.exists():
            raise ComponentFailed("aws: moto_server is not installed: run `make setup`")
        port = port_for(self.name, self.port)
        url = f"http://{HOST}:{port}"
        server = Process(
            self.name,
            [program, "-H", HOST, "-p", str(port)],
            workdir=workdir,
            ready=lambda: http_answers(f"{url}/moto-api/data.json"),
            grace_s=1,
        )
        server.start()
        env = {"AWS_ENDPOINT_URL": url, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
        env |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
        return Running(self.name, f"moto (SES, SNS) on {port}", env, (server,))
