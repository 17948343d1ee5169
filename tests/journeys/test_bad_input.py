"""Bad input of every kind on every HTTP route: refused with a problem, at once, and nothing is stored.

Each operation is sent its own good request, spoiled, by somebody who may call it; at the end the good one itself, which
shows that nothing but the spoiling was refused.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

import pytest

from emulators.platform import Platform
from tests.journeys.cast import Cast
from tests.journeys.samples import Sample, operations, sample
from tests.journeys.spoiling import BOMB, changed, spoiled_bytes, spoiled_members
from tests.journeys.wire import Answered, Wire
from tests.journeys.wrong_values import EVERYWHERE, KEYS, QUERIES, SEGMENTS, VERSIONS, WRONG, spoiled_ids
from triggers.registry import load

BODIES: Final = sorted(WRONG)
READS: Final = [entry.operation for entry in load().http() if entry.method == "GET"]
NOT_LIKE_THAT: Final = {400, 404, 413, 415}
GOOD: Final = {
    "acknowledge_difference": 404,
    "broadcast_transaction": 400,
    "erase_my_data": 400,
    "cancel_order": 409,
    "confirm_email": 409,
    "confirm_payout": 400,
    "generate_payment_address": 200,
    "modify_order": 409,
    "plan_sweep": 409,
    "rate_shop": 409,
    "redeem_claim": 409,
    "requote_payment": 409,
    "submit_sweep": 400,
}
"""What the good request is answered where the order is too far, or not far enough, for it to do anything."""
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
MEGABYTES_10: Final = 10_000_000


@pytest.fixture(scope="module")
def wire(platform: Platform) -> Iterator[Wire]:
    address = urlsplit(platform.url)
    wire = Wire(address.hostname or "", address.port or 0)
    yield wire
    wire.close()


def headers_of(good: Sample, cast: Cast, **changes: str | bytes) -> dict[str, str | bytes]:
    """Return the headers of a good request; a change to an empty text leaves a header out."""
    headers: dict[str, str | bytes] = {"content-type": "application/json", "idempotency-key": uuid.uuid4().hex}
    if good.part:
        headers["authorization"] = f"Bearer {cast.tokens[good.part]}"
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in headers.items() if value != ""}


def target_of(good: Sample) -> str:
    """Return the path and query of a good request."""
    return f"{good.path}?{urlencode(good.query)}" if good.query else good.path


def refused(answer: Answered, what: object, statuses: set[int] = NOT_LIKE_THAT) -> None:
    """Check that it was refused as it should be."""
    assert answer.status in statuses, (what, answer.status, answer.body[:500])
    assert answer.problem


def test_every_operation_with_a_body_has_wrong_values(cast: Cast) -> None:
    assert {operation for operation in operations() if sample(operation, cast).body is not None} == set(BODIES)


@pytest.mark.parametrize("operation", BODIES)
def test_a_spoiled_body_is_refused_and_nothing_is_stored(wire: Wire, cast: Cast, operation: str) -> None:
    good, before = sample(operation, cast), cast.done()
    assert good.body is not None
    whole = json.dumps(good.body).encode()
    for what, body in (*spoiled_bytes(whole, good.entry.body_limit), *spoiled_members(good.body)):
        refused(wire.quickly(good.method, good.path, headers_of(good, cast), body), what)
    for pointer, values in WRONG[operation].items():
        path = tuple(int(step) if step.isdigit() else step for step in pointer[1:].split("/"))
        for value in values:
            body = changed(good.body, path, value)
            refused(wire.quickly(good.method, good.path, headers_of(good, cast), body), (pointer, value))
    assert cast.done() == before
    answer = wire.send(good.method, good.path, headers_of(good, cast), whole)
    assert answer.status == GOOD.get(operation, good.entry.status), answer.body


@pytest.mark.parametrize("operation", BODIES)
def test_a_body_of_another_kind_is_refused_unopened(wire: Wire, cast: Cast, operation: str) -> None:
    good, before = sample(operation, cast), cast.done()
    whole = json.dumps(good.body).encode()
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json"):
        headers = headers_of(good, cast, content_type=content_type)
        refused(wire.quickly(good.method, good.path, headers, whole), content_type, {415})
    bomb = BOMB[: good.entry.body_limit]
    for coding, body in (("gzip", bomb), ("br", whole), ("deflate", whole), ("gzip, gzip", bomb)):
        headers = headers_of(good, cast, content_encoding=coding)
        refused(wire.quickly(good.method, good.path, headers, body), coding, {415})
    assert cast.done() == before


@pytest.mark.parametrize("operation", [name for name in operations() if load()[name].method != "GET"])
def test_ten_megabytes_are_refused_in_no_time_and_no_memory(wire: Wire, cast: Cast, operation: str) -> None:
    good, before, memory = sample(operation, cast), cast.done(), resident_kb(cast)
    head = [f"{good.method} {good.path} HTTP/1.1", "host: x"]
    head += [f"{name}: {value!s}" for name, value in headers_of(good, cast).items()]
    announced = "\r\n".join([*head, f"content-length: {MEGABYTES_10}", "", ""]).encode()
    chunked = "\r\n".join([*head, "transfer-encoding: chunked", "", ""]).encode()
    part = b" " * 65_536
    refused(wire.raw([announced, *[part] * (MEGABYTES_10 // len(part))]), "announced", {413})
    refused(wire.raw([chunked, *[b"10000\r\n" + part + b"\r\n"] * (MEGABYTES_10 // len(part))]), "in chunks", {413})
    assert cast.done() == before
    assert resident_kb(cast) - memory < 20_000


def resident_kb(cast: Cast) -> int:
    """Return how much memory the process of the HTTP functions holds."""
    status = Path(f"/proc/{cast.platform.supervisor.pids['http']}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


@pytest.mark.parametrize("operation", [name for name in operations() if name not in BODIES])
def test_where_no_body_is_taken_none_is(wire: Wire, cast: Cast, operation: str) -> None:
    good, before = sample(operation, cast), cast.done()
    for body in (b"[]", b"null", b"{", b'{"surprise": 1}', b"\0", b"[" * 900, BOMB[:900]):
        refused(wire.quickly(good.method, target_of(good), headers_of(good, cast), body), body[:20])
    assert cast.done() == before


@pytest.mark.parametrize("operation", operations())
def test_a_query_or_path_that_means_nothing_is_refused(wire: Wire, cast: Cast, operation: str) -> None:
    good, before = sample(operation, cast), cast.done()
    body = None if good.body is None else json.dumps(good.body).encode()

    def sent(target: str) -> Answered:
        return wire.quickly(good.method, target, headers_of(good, cast), body)

    twice = [f"{urlencode(good.query)}&{name}={value}" for name, value in good.query.items()]
    for query in (*QUERIES.get(operation, ()), *EVERYWHERE, *twice):
        refused(sent(f"{good.path}?{query}"), query)
    for known in [good.ids[name] for name in good.entry.variables]:
        for segment in (*SEGMENTS, *spoiled_ids(known)):
            refused(sent(good.path.replace(known, segment)), segment, {400, 403, 404})
    for old, new in (("/v1/", "/v1//"), ("/v1/", "/v1/./"), ("/v1/", "/V1/"), ("/v1/", "/v1%2f"), ("/v1/", "//v1/")):
        refused(sent(good.path.replace(old, new)), new, {404})
    refused(sent(f"{good.path}/"), "/", {400, 404})
    assert cast.done() == before


@pytest.mark.parametrize("path", sorted({entry.path for entry in load().http()}))
def test_a_method_that_is_not_the_routes_is_told_which_are(wire: Wire, cast: Cast, path: str) -> None:
    for variable, known in cast.ids().items():
        path = path.replace(f"{{{variable}}}", known)
    allowed = set(load().allowed(path))
    token = f"Bearer {cast.tokens['owner']}"
    for method in METHODS:
        if method in allowed:
            continue
        for override in ({}, *({name: min(allowed)} for name in ("x-http-method-override", "x-method-override"))):
            answer = wire.quickly(method, path, {"authorization": token, **override})
            refused(answer, (method, path), {405})
            assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("operation", READS)
def test_a_head_is_a_get_without_the_body(wire: Wire, cast: Cast, operation: str) -> None:
    good = sample(operation, cast)
    headers = {name: value for name, value in headers_of(good, cast).items() if name != "content-type"}
    read = wire.quickly("GET", target_of(good), headers)
    head = wire.quickly("HEAD", target_of(good), headers)
    assert (read.status, head.status, head.body) == (200, 200, b"")
    assert head.headers["content-type"] == read.headers["content-type"]


@pytest.mark.parametrize("operation", [name for name in operations() if load()[name].idempotent])
def test_a_key_or_version_that_is_none_is_refused(wire: Wire, cast: Cast, operation: str) -> None:
    good, before = sample(operation, cast), cast.done()
    body = None if good.body is None else json.dumps(good.body).encode()
    for key in KEYS:
        answer = wire.quickly(good.method, good.path, headers_of(good, cast, idempotency_key=key), body)
        refused(answer, key, {400})
    for version in VERSIONS:
        refused(wire.quickly(good.method, good.path, headers_of(good, cast, if_match=version), body), version, {400})
    assert cast.done() == before


@pytest.mark.parametrize(
    "correlation",
    ["short", "x" * 65, "x" * 9000, "has a blank", 'quote"quote"', "ключключ".encode(), b"\xff" * 8, "<script>"],
)
def test_a_correlation_that_is_none_is_not_repeated(wire: Wire, cast: Cast, correlation: str | bytes) -> None:
    good = sample("get_order", cast)
    answer = wire.quickly("GET", good.path, headers_of(good, cast, correlation_id=correlation, content_type=""))
    assert answer.status == 200
    assert len(answer.headers["correlation-id"]) == 32
    assert answer.headers["correlation-id"].isalnum()


@pytest.mark.parametrize("name", ["authorization", "x-anything", "if-none-match", "accept", "cookie", "traceparent"])
def test_long_headers_are_refused_in_no_time(wire: Wire, cast: Cast, name: str) -> None:
    good, memory = sample("get_quote_key", cast), resident_kb(cast)
    assert wire.quickly("GET", good.path, {name: "x" * 20_000}).status == 200
    start = f"GET {good.path} HTTP/1.1\r\nhost: x\r\n{name}: ".encode()
    endless = wire.raw([start, *[b"x" * 65_536] * 160])
    refused(endless, name, {431})
    many = wire.raw([start, b"x\r\n", *[b"y: z\r\n" * 10_000] * 20])
    refused(many, name, {431})
    assert max(endless.took_s, many.took_s) < 2
    assert resident_kb(cast) - memory < 20_000


@pytest.mark.parametrize(
    "request_",
    [
        b"GARBAGE\r\n\r\n",
        b"BREW /v1/orders HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /v1/quotes/k\xc3\xa9y HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /v1/shops?lat=\xc3\xa9 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /v1/quotes/key HTTP/1.1\r\nhost: x\r\nx: a\0b\r\n\r\n",
        b"GET /v1/quotes/key HTTP/1.1\r\nhost: x\r\nx y: z\r\n\r\n",
        b"GET /v1/quotes/key HTTP/9.9\r\nhost: x\r\n\r\n",
        b"GET /v1/quotes/" + b"k" * 200_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /v1/auth/nonce HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/auth/nonce HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"POST /v1/auth/nonce HTTP/1.1\r\nhost: x\r\ncontent-length: -2\r\n\r\n{}",
        b"POST /v1/auth/nonce HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999999\r\n\r\n{}",
        b"POST /v1/auth/nonce HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http_is_refused_and_hung_up_on(wire: Wire, request_: bytes) -> None:
    answer = wire.raw([request_])
    refused(answer, request_[:60], {400, 431})
    assert answer.headers["connection"] == "close"
    assert answer.took_s < 2
