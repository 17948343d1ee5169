"""The one POST, against servers that misbehave in every way, and names that lead inside."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.adapters.webhooks.addresses import Address
from shared.adapters.webhooks.sending import MOST_BYTES, WebhookEndpoints
from shared.notifications.webhook_ports import Answered, Unanswered
from shared.settings import WebhookSettings
from tests.integration.endpoints import endpoint

LOCAL = WebhookSettings(allow_loopback=True)
LOOPBACK = ipaddress.ip_address("127.0.0.1")
PUBLIC = ipaddress.ip_address("93.184.216.34")


async def test_every_kind_of_answer_is_told_apart_in_bounded_time() -> None:
    sender = WebhookEndpoints(LOCAL, total_s=0.3)
    async with endpoint() as there:
        expected: dict[str, Answered | Unanswered] = {
            "ok": Answered(204, 0),
            "broken": Answered(500, 0),
            "busy": Answered(503, 0, asked_s=90),
            "gone": Answered(410, 0),
            "redirect": Answered(302, 0),
            "endless": Answered(200, 0),
            "garbage": Unanswered("no-http", 0),
            "hang-up": Unanswered("no-http", 0),
            "hang": Unanswered("timeout", 0),
            "drip": Unanswered("timeout", 0),
        }
        began = time.monotonic()
        told = await asyncio.gather(*(sender.post(there.url(path), {"x": "y"}, b"{}") for path in expected))
        assert time.monotonic() - began < 5
        for (path, wanted), got in zip(expected.items(), told, strict=True):
            assert replace(got, ms=0) == wanted, path
        assert len(there.of("ok")) == 1, "a redirect is not followed"
        assert there.of("ok")[0].headers["x"] == "y"
    assert MOST_BYTES < 65_536
    assert _without_time(await sender.post(there.url("ok"), {}, b"{}"))[0] == "refused"


def _without_time(told: Answered | Unanswered) -> tuple[object, ...]:
    return (told.status, 0, told.asked_s) if isinstance(told, Answered) else (told.reason, 0)


class Names:
    """A name server that answers in turn as told, and counts."""

    def __init__(self, *answers: Sequence[Address]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


class Network(httpcore.AsyncNetworkBackend):
    """A network that connects nowhere, and notes where to it was asked to."""

    def __init__(self) -> None:
        self.to: list[str] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  as httpcore calls it
        local_address: str | None = None,
        socket_options: Iterable[object] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.to.append(host)
        raise httpcore.ConnectError


@pytest.mark.parametrize(
    "inside",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "::1", "::ffff:10.0.0.1", "fd00:ec2::254", "fe80::1"],
)
async def test_a_name_that_leads_inside_is_never_connected_to(inside: str) -> None:
    network = Network()
    for addresses in ([inside], [str(PUBLIC), inside], [inside, str(PUBLIC)]):
        names = Names([ipaddress.ip_address(address) for address in addresses])
        sender = WebhookEndpoints(WebhookSettings(), lookup=names, network=network)
        told = await sender.post("https://hooks.example/in", {}, b"{}")
        assert isinstance(told, Unanswered)
        assert told.reason == "internal-address"
    assert network.to == []


async def test_a_name_that_changes_its_answer_is_asked_once_and_connected_to_as_it_was() -> None:
    """DNS rebinding: public when it is looked at, internal a moment later."""
    names, network = Names([PUBLIC], [LOOPBACK]), Network()
    sender = WebhookEndpoints(WebhookSettings(), lookup=names, network=network)
    told = await sender.post("https://hooks.example/in", {}, b"{}")
    assert (_without_time(told), names.asked, network.to) == (("refused", 0), 1, [str(PUBLIC)])
    assert _without_time(await sender.post("https://hooks.example/in", {}, b"{}")) == ("internal-address", 0)


async def test_a_host_is_reached_at_the_next_of_its_addresses_that_answers() -> None:
    others = [ipaddress.ip_address(address) for address in ("2606:2800:220:1::1", "93.184.216.35", "93.184.216.36")]
    network = Network()
    sender = WebhookEndpoints(WebhookSettings(), lookup=Names([PUBLIC, *others]), network=network)
    assert _without_time(await sender.post("https://hooks.example/in", {}, b"{}")) == ("refused", 0)
    assert network.to == [str(PUBLIC), *map(str, others[:2])]
    async with endpoint() as there:
        both = Names([ipaddress.ip_address("::1"), LOOPBACK])
        local = WebhookEndpoints(LOCAL, lookup=both)
        told = await local.post(f"http://localhost:{there.port}/ok", {}, b"{}")
        assert _without_time(told) == (204, 0, None)


async def test_an_address_that_was_let_in_otherwise_is_refused_when_it_is_called() -> None:
    network = Network()
    sender = WebhookEndpoints(WebhookSettings(), network=network)
    for url in ("http://127.0.0.1:1/", "https://127.0.0.1:1/", "http://example.com/", "https://[::ffff:127.0.0.1]/"):
        assert _without_time(await sender.post(url, {}, b"{}")) == ("internal-address", 0)
    local = WebhookEndpoints(LOCAL, lookup=Names([ipaddress.ip_address("10.0.0.1")]), network=network)
    assert _without_time(await local.post("http://localhost/", {}, b"{}")) == ("internal-address", 0)
    assert network.to == []


async def test_a_name_that_leads_nowhere_is_told() -> None:
    told = await WebhookEndpoints(WebhookSettings()).post("https://nowhere.invalid/", {}, b"{}")
    assert _without_time(told) == ("dns", 0)
    empty = WebhookEndpoints(WebhookSettings(), lookup=Names([]))
    assert _without_time(await empty.post("https://nowhere.example/", {}, b"{}")) == ("dns", 0)


def _certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Return a self-signed certificate for a name, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return certificate, private


async def test_the_certificate_is_the_names_though_the_connection_goes_to_an_address(tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path, "hooks.example")
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate, key)
    trusted = ssl.create_default_context(cafile=str(certificate))
    names = Names([LOOPBACK])
    async with endpoint(served) as there:
        sender = WebhookEndpoints(LOCAL, lookup=names, tls=trusted)
        told = await sender.post(f"https://hooks.example:{there.port}/ok", {}, b'{"a": 1}')
        assert _without_time(told) == (204, 0, None)
        assert there.calls[0].headers["host"] == f"hooks.example:{there.port}"
        assert there.calls[0].body == b'{"a": 1}'
        other = await sender.post(f"https://other.example:{there.port}/ok", {}, b"{}")
        assert _without_time(other) == ("tls", 0)
        untrusted = WebhookEndpoints(LOCAL, lookup=names)
        told = await untrusted.post(f"https://hooks.example:{there.port}/ok", {}, b"{}")
        assert _without_time(told) == ("tls", 0)
        assert len(there.calls) == 1
