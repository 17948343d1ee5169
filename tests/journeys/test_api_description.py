"""The API as it is described, called at random: schemathesis makes requests that fit, and others that don't.

Whatever is sent: no 5xx, every refusal a problem, every reply as described. Ids that are well formed are mostly
replaced by those of things that are there, so that the rules behind the parsing are reached. The draws are the same in
every run; a failure prints the request as a curl command.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from zlib import crc32

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import checks

from emulators.platform import Platform
from tests.integration.shopkeeping import BITCOIN, EVM
from tests.journeys.cast import Cast
from tests.journeys.samples import PARTS
from triggers.registry import ROOT

DESCRIPTION: Final = ROOT / "docs" / "openapi.json"
_KNOWN: Final[dict[str, object]] = {"timezone": "Europe/Berlin", "bitcoin": BITCOIN, "evm": EVM, "menu_version": None}
"""What no draw hits by chance."""
_ANYBODY: Final = ("", "customer", "owner", "barista")
_TEXTS: Final = frozenset({"name", "label", "category", "description", "note", "reason", "address"})
_CHECKS: Final = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]

api = schemathesis.openapi.from_path(DESCRIPTION)
api.config.generation.update(modes=list(schemathesis.GenerationMode))
api.config.checks.negative_data_rejection.expected_statuses = ["4xx"]


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


class Ground:
    """Turns what was drawn into something about things that are there."""

    def __init__(self, cast: Cast, *, readable: bool) -> None:
        self._real = {known[:3]: known for known in cast.ids().values()}
        self._texts = _TEXTS if readable else frozenset()

    def of(self, value: Any, name: str = "") -> Any:
        """Return a value with real ids for well-formed ones (most of them), and texts that can be read."""
        if isinstance(value, dict):
            return {self._id(key): self.of(each, key) for key, each in value.items()}
        if isinstance(value, list):
            return (
                [] if name == "modifiers" and all(isinstance(each, str) for each in value) else [*map(self.of, value)]
            )
        if name in _KNOWN and (value is None or isinstance(value, str | int)):
            return _KNOWN[name]
        if not isinstance(value, str):
            return value
        return "".join(filter(str.isprintable, value)).strip() or "x" if name in self._texts else self._id(value)

    def _id(self, text: str) -> str:
        real = self._real.get(text[:3])
        return text if real is None or len(text) != len(real) or text[-1] in "123" else real


def caller(case: schemathesis.Case[Any]) -> str:
    """Return who sends it: mostly somebody who may, else anybody; the same for the same request."""
    drawn = crc32(repr((case.path_parameters, case.query, case.body)).encode())
    return (*_ANYBODY, *[PARTS[case.operation.definition.raw["operationId"]]] * 12)[drawn % 16]


def test_the_description_is_that_of_the_platform_that_runs(platform: Platform) -> None:
    assert httpx.get(f"{platform.url}/openapi.json", timeout=30.0).content == DESCRIPTION.read_bytes()


@api.parametrize()
@settings(max_examples=16, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_every_reply_is_as_described(case: schemathesis.Case[Any], cast: Cast, session: requests.Session) -> None:
    ground = Ground(cast, readable=case.meta is None or case.meta.generation.mode.is_positive)
    case.path_parameters = ground.of(case.path_parameters)
    if isinstance(case.body, dict | list):
        case.body = ground.of(case.body)
    part = caller(case)
    headers = {"authorization": f"Bearer {cast.tokens[part]}"} if part else {}
    reply = case.call(base_url=cast.platform.url, session=session, headers=headers, timeout=10)
    case.validate_response(reply, checks=_CHECKS)
    if reply.status_code >= 400:
        assert reply.headers["content-type"] == ["application/problem+json"]
        assert reply.json()["status"] == reply.status_code
