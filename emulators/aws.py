"""SES and SNS by moto's server, the sender verified and a push application per platform there.

What was sent is readable at `/moto-api/data.json`.
"""

from __future__ import annotations

import json
import sys
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from emulators.component import HOST, ComponentFailed, Process, Running, http_answers, port_for

REGION = "eu-central-1"
SENDER = "hello@cortado.example"
PLATFORMS = {"fcm": "GCM", "apns": "APNS"}
_ACCOUNT = "123456789012"


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
        _call(url, "ses", Action="VerifyEmailIdentity", EmailAddress=SENDER)
        for platform in PLATFORMS.values():
            credential = {"Attributes.entry.1.key": "PlatformCredential", "Attributes.entry.1.value": "none"}
            _call(url, "sns", Action="CreatePlatformApplication", Name="cortado", Platform=platform, **credential)
        applications = {
            name: f"arn:aws:sns:{REGION}:{_ACCOUNT}:app/{platform}/cortado" for name, platform in PLATFORMS.items()
        }
        env |= {"EMAIL_FROM": SENDER, "PUSH_APPLICATIONS": json.dumps(applications)}
        return Running(self.name, f"moto (SES, SNS) on {port}", env, (server,))


def _call(url: str, service: str, **form: str) -> None:
    """Call an operation of AWS's query protocol. moto takes the service from the signature and checks no more of it."""
    scope = f"Credential=local/20260101/{REGION}/{service}/aws4_request"
    headers = {"authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none"}
    request = urllib.request.Request(url, data=urllib.parse.urlencode(form).encode(), headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()
