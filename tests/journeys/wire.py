"""Requests written byte by byte, as no well-meant client would, and what must be true of every answer to them."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Any, Final

Headers = Mapping[str, str | bytes]
PATIENCE_S: Final = 10.0
QUICK_S: Final = 2.0


@dataclass(frozen=True)
class Answered:
    """What came back, and after how long."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    took_s: float

    @property
    def problem(self) -> dict[str, Any]:
        """Return the problem document, checked for its form."""
        assert self.headers["content-type"] == "application/problem+json", (self.status, self.headers, self.body[:300])
        said: dict[str, Any] = json.loads(self.body)
        assert said["status"] == self.status
        assert said["title"]
        assert said["detail"]
        assert "/problems/" in said["type"]
        return said


class Wire:
    """One connection after the other to the platform."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._connection = HTTPConnection(host, port, timeout=PATIENCE_S)

    def send(self, method: str, target: str, headers: Headers, body: bytes | None = None) -> Answered:
        """Send a request as it stands: the target is neither normalised nor encoded, no header is added but Host."""
        started = time.monotonic()
        connection = self._connection
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body is not None and "transfer-encoding" not in headers:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        with connection.getresponse() as response:
            answer = _answered(response, started)
        if answer.headers.get("connection") == "close":
            connection.close()
        return answer

    def quickly(self, method: str, target: str, headers: Headers, body: bytes | None = None) -> Answered:
        """Send it, and once more if the answer took long: a machine may be busy, a bad request is slow each time."""
        answer = self.send(method, target, headers, body)
        if answer.took_s > QUICK_S:
            answer = self.send(method, target, headers, body)
        assert answer.took_s < QUICK_S, (method, target, headers, (body or b"")[:200])
        return answer

    def raw(self, parts: Iterable[bytes]) -> Answered:
        """Send bytes until the server stops reading, and return its first answer."""
        started = time.monotonic()
        with socket.create_connection((self._host, self._port), timeout=PATIENCE_S) as connection:
            with suppress(ConnectionError):  # it may answer and hang up before everything is sent
                for part in parts:
                    connection.sendall(part)
            response = HTTPResponse(connection)
            response.begin()
            return _answered(response, started)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def _answered(response: HTTPResponse, started: float) -> Answered:
    body = response.read()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answered(response.status, headers, body, time.monotonic() - started)
