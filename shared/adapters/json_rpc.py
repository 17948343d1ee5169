"""JSON-RPC 2.0 over HTTP to the chain nodes: typed answers, batches, and the one guard around them.

    node = JsonRpc("bitcoin", url, limits)
    height = await node.call(int, "getblockcount")

Credentials in the URL go into a header at once, so that no message or log can show them.
"""

from collections.abc import Sequence
from itertools import count
from typing import Any, Final, TypeVar

import httpx
import msgspec

from shared.adapters.resilience import Guard, Limits
from shared.kernel.errors import Transient
from shared.payments.chain import NodeUntrusted

T = TypeVar("T")

_NULL: Final = msgspec.Raw(b"null")
# A node answers refused calls with these and a body; everything else comes from something before it.
_ANSWERED: Final = frozenset({200, 400, 404, 500})


_decoder_by_kind: Final[dict[object, msgspec.json.Decoder[Any]]] = {}


class RpcRefused(Transient):
    """The node understood the call and refused. `code` and `message` are the node's own."""

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(f"The node refused {method}: {message} ({code}).")
        self.code = code
        self.message = message


class _Busy(Exception):
    """The node, or something before it, can't answer now."""


class _Request(msgspec.Struct):
    id: int
    method: str
    params: Sequence[object]
    jsonrpc: str = "2.0"


class _Error(msgspec.Struct):
    code: int
    message: str = ""


class _Answer(msgspec.Struct):
    id: int | str | None = None
    result: msgspec.Raw = _NULL
    error: _Error | None = None


class JsonRpc:
    """One node. Keeps its connections; belongs to the event loop that first uses it."""

    def __init__(self, target: str, url: str, limits: Limits) -> None:
        address = httpx.URL(url)
        credentials = (address.username, address.password) if address.username else None
        self._url = address.copy_with(username=None, password=None)
        self._client = httpx.AsyncClient(
            auth=credentials,
            timeout=httpx.Timeout(limits.timeout_s, connect=min(3.0, limits.timeout_s)),
            limits=httpx.Limits(max_connections=limits.concurrent, max_keepalive_connections=limits.concurrent),
            headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},
            trust_env=False,
        )
        self._guard = Guard(target, limits, (httpx.TransportError, _Busy))
        self._ids = count(1)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def call(self, kind: type[T], method: str, *params: object) -> T:
        """Return the result as `kind`. Raises RpcRefused, NodeUntrusted for null or another shape, Transient."""
        result = await self.ask(kind, method, *params)
        if result is None:
            raise NodeUntrusted(f"the node answered {method} with nothing")
        return result

    async def ask(self, kind: type[T], method: str, *params: object) -> T | None:
        """Return the result as `kind`, or None when the node has none. Raises like `call`."""
        answer = _decoded(_Answer, await self._post(self._request(method, params)), method)
        if answer.error is not None:
            raise RpcRefused(method, answer.error.code, answer.error.message)
        return _result(kind, answer, method)

    async def batch(
        self, kind: type[T], method: str, params: Sequence[Sequence[object]]
    ) -> list[T | RpcRefused | None]:
        """Return one result for each of `params`, in their order; a refusal takes its result's place."""
        if not params:
            return []
        requests = [self._request(method, each) for each in params]
        raw = await self._post(requests)
        if not raw.lstrip().startswith(b"["):  # a refusal of the batch as a whole
            error = _decoded(_Answer, raw, method).error or _Error(0, "a batch without answers")
            raise RpcRefused(method, error.code, error.message)
        answer_by_id = {answer.id: answer for answer in _decoded(list[_Answer], raw, method)}
        results: list[T | RpcRefused | None] = []
        for request in requests:
            answer = answer_by_id.get(request.id)
            if answer is None:
                raise NodeUntrusted(f"the node left a {method} of a batch without an answer")
            if answer.error is not None:
                results.append(RpcRefused(method, answer.error.code, answer.error.message))
            else:
                results.append(_result(kind, answer, method))
        return results

    async def get(self, path: str) -> bytes | None:
        """Return what the node's REST interface has at the path, or None where it has nothing."""

        async def attempt() -> bytes | None:
            reply = await self._client.get(self._url.join(path))
            if reply.status_code == 404:
                return None
            if reply.status_code != 200:
                raise _Busy(f"status {reply.status_code}")
            return reply.content

        return await self._guard.call(attempt)

    def _request(self, method: str, params: Sequence[object]) -> _Request:
        return _Request(next(self._ids), method, params)

    async def _post(self, request: _Request | Sequence[_Request]) -> bytes:
        body = msgspec.json.encode(request)

        async def attempt() -> bytes:
            reply = await self._client.post(self._url, content=body)
            if reply.status_code not in _ANSWERED or reply.content[:1] not in (b"{", b"["):
                raise _Busy(f"status {reply.status_code}")
            return reply.content

        return await self._guard.call(attempt)


def _decoded(kind: type[T], raw: bytes | msgspec.Raw, method: str) -> T:
    decoder = _decoder_by_kind.get(kind)
    if decoder is None:
        decoder = _decoder_by_kind.setdefault(kind, msgspec.json.Decoder(kind))
    try:
        decoded: T = decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise NodeUntrusted(f"the node's answer to {method} has another shape: {error}") from error
    return decoded


def _result(kind: type[T], answer: _Answer, method: str) -> T | None:
    if bytes(answer.result) == b"null":
        return None
    return _decoded(kind, answer.result, method)
