"""SES, SNS and S3 by moto's server: the sender verified, a push application per platform, a bucket for pictures there.

What was sent is readable at `/moto-api/data.json`. `python -m emulators.aws PORT` is the server: it keeps everything in
memory, so it prepares itself, and one that was killed comes back fit to send.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from emulators.component import HOST, ROOT, ComponentFailed, Process, Running, http_answers, port_for

REGION = "eu-central-1"
SENDER = "hello@cortado.example"
PLATFORMS = {"fcm": "GCM", "apns": "APNS"}
IMAGES = "cortado-images"
"""The bucket of pictures of menus."""
_ACCOUNT = "123456789012"
_READ_BY_ALL = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{IMAGES}/*"}
    ],
}


@dataclass
class Aws:
    """E-mail and mobile push that go nowhere but can be looked at."""

    name: str = "aws"
    port: int | None = None

    def start(self, workdir: Path) -> Running:
        if importlib.util.find_spec("moto") is None:
            raise ComponentFailed("aws: moto is not installed: run `make setup`")
        port = port_for(self.name, self.port)
        url = f"http://{HOST}:{port}"
        server = Process(
            self.name,
            [sys.executable, "-m", "emulators.aws", str(port)],
            workdir=workdir,
            ready=lambda: http_answers(f"{url}/moto-api/data.json"),
            cwd=ROOT,
            grace_s=1,
        )
        server.start()
        env = {"AWS_ENDPOINT_URL": url, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
        env |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
        applications = {
            name: f"arn:aws:sns:{REGION}:{_ACCOUNT}:app/{platform}/cortado" for name, platform in PLATFORMS.items()
        }
        env |= {"IMAGE_BUCKET": IMAGES, "IMAGE_URL": f"{url}/{IMAGES}"}
        env |= {"EMAIL_FROM": SENDER, "PUSH_APPLICATIONS": json.dumps(applications)}
        return Running(self.name, f"moto (SES, SNS, S3) on {port}", env, (server,))


def main(port: str) -> None:
    """Serve until asked to stop."""
    from moto.s3.models import s3_backends
    from moto.server import main as serve
    from moto.ses.models import ses_backends
    from moto.sns.models import sns_backends

    ses_backends[_ACCOUNT][REGION].verify_email_identity(SENDER)
    for platform in PLATFORMS.values():
        sns_backends[_ACCOUNT][REGION].create_platform_application("cortado", platform, {"PlatformCredential": "none"})
    s3_backends[_ACCOUNT]["aws"].create_bucket(IMAGES, REGION)
    s3_backends[_ACCOUNT]["aws"].put_bucket_policy(IMAGES, json.dumps(_READ_BY_ALL).encode())
    serve(["-H", HOST, "-p", port])


if __name__ == "__main__":
    main(sys.argv[1])
