"""Cloud KMS and the metadata server as far as signing needs them, on a loopback port, with a real secp256k1 key.

It answers in KMS's format by an implementation of its own: `cryptography` signs, and the checksum is computed bit by
bit. `faults` say what goes wrong with the next answers.
"""

import json
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

NAME = "projects/p/locations/europe-west3/keyRings/coins/cryptoKeys/bitcoin/cryptoKeyVersions/1"
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
Answer = dict[str, object]
Fault = Callable[[Answer], Answer | int | None]
"""Gets the right answer; returns another one, a status to fail with, or None to never answer."""


def checksum(message: bytes) -> str:
    crc = 0xFFFFFFFF
    for byte in message:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 * (crc & 1))
    return str(crc ^ 0xFFFFFFFF)


@dataclass
class Kms:
    """The server's state. `high_s` says which of the two valid signatures it gives."""

    url: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256K1()))
    faults: list[Fault] = field(default_factory=list)
    high_s: bool | None = None
    tokens: int = 0
    signed: int = 0
    revoked: set[str] = field(default_factory=set)
    ended: threading.Event = field(default_factory=threading.Event)

    def public_key(self) -> Answer:
        pem = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        answer = {"pem": pem, "algorithm": "EC_SIGN_SECP256K1_SHA256", "pemCrc32c": checksum(pem.encode())}
        return {**answer, "name": NAME, "protectionLevel": "HSM"}

    def sign(self, body: dict[str, Any]) -> Answer:
        digest = b64decode(body["digest"]["sha256"])
        verified = body.get("digestCrc32c") == checksum(digest)
        r, s = decode_dss_signature(self.key.sign(digest, ec.ECDSA(Prehashed(SHA256()))))
        if self.high_s is not None and (s > ORDER // 2) is not self.high_s:
            s = ORDER - s
        self.signed += 1
        return {**signature_of(encode_dss_signature(r, s)), "verifiedDigestCrc32c": verified, "name": NAME}


def signature_of(der: bytes) -> Answer:
    return {"signature": b64encode(der).decode(), "signatureCrc32c": checksum(der)}


class _Handler(BaseHTTPRequestHandler):
    kms: Kms
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.startswith("/computeMetadata/"):
            assert self.headers["Metadata-Flavor"] == "Google"
            self.kms.tokens += 1
            self._say(200, {"access_token": f"token-{self.kms.tokens}", "expires_in": 3600, "token_type": "Bearer"})
        elif self.path == f"/v1/{NAME}/publicKey":
            self._judged(self.kms.public_key)
        else:
            self._say(404, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == f"/v1/{NAME}:asymmetricSign":
            self._judged(lambda: self.kms.sign(body))
        else:
            self._say(404, {})

    def _judged(self, answer: Callable[[], Answer]) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token.startswith("token-") or token in self.kms.revoked:
            self._say(401, {"error": {"code": 401, "status": "UNAUTHENTICATED"}})
            return
        right = answer()
        said = self.kms.faults.pop(0)(right) if self.kms.faults else right
        if said is None:
            self.kms.ended.wait(20)
            self.close_connection = True
        elif isinstance(said, int):
            self._say(said, {"error": {"code": said}})
        else:
            self._say(200, said)

    def _say(self, status: int, answer: Answer) -> None:
        raw = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def kms_server() -> Iterator[Kms]:
    """Run a server for the length of a block."""
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    kms = Kms(f"http://127.0.0.1:{server.server_address[1]}")
    handler.kms = kms  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield kms
    finally:
        kms.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
