"""JSON-RPC calls to the local chain nodes, with the standard library alone: set-up needs them before the rest.

Blocking, for the launcher and the customers' wallets. The platform's own clients are in `shared/adapters`.
"""

from __future__ import annotations

import base64
import itertools
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

_ids = itertools.count(1)


class RpcRefused(Exception):
    """The node understood and refused. `code` is the node's own."""

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(f"{method}: {message} ({code})")
        self.code = code


def call(url: str, method: str, *params: object, timeout_s: float = 60) -> Any:
    """Return the result of one call; `url` may carry user:password@. Raises RpcRefused, OSError."""
    parts = urllib.parse.urlsplit(url)
    address = urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    body = json.dumps({"jsonrpc": "2.0", "id": next(_ids), "method": method, "params": params}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    if parts.username:
        credentials = base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode()
        request.add_header("Authorization", f"Basic {credentials}")
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as reply:
            answer = json.load(reply)
    except urllib.error.HTTPError as refusal:  # bitcoind answers errors of a call with 4xx or 5xx and a body
        answer = _body_of(refusal, method)
    error = answer.get("error")
    if error:
        raise RpcRefused(method, int(error["code"]), str(error["message"]))
    return answer["result"]


def _body_of(refusal: urllib.error.HTTPError, method: str) -> Any:
    raw = refusal.read()
    try:
        return json.loads(raw)
    except ValueError as error:
        raise RpcRefused(method, refusal.code, raw.decode(errors="replace")[:200] or refusal.reason) from error
