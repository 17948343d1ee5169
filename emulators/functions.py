"""`python -m emulators.functions --role http|events --port N`: functions held together in one process.

Each function is the application that its image serves; this only finds the one that a request means.

Role `http`: the operations clients call, found by method and path as the load balancer's URL map finds them, and a page
that describes them. Role `events`: event, scheduled and work functions, each at `/<operation>`, in another process, so
that a watcher never stalls an order. Role `signing`: those of them that send coins, in a process of their own with the
keys. `--elsewhere` has the addresses of functions in other processes (`make run ISOLATED=1`: of all): calls are passed
on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

import httpx
import uvicorn
from starlette.requests import Request

from emulators.component import HOST
from emulators.reference import pages
from shared.edge.answer import Answer, Receive, Scope, Send
from shared.edge.serve import KEEP_ALIVE_S, Front, FunctionApp, problem_answer, settle
from shared.edge.stream import StreamedAnswer
from shared.edge.wire import Wire
from shared.kernel.errors import Transient
from triggers.needs import KEYS
from triggers.registry import Entry, Registry, load

Find = Callable[[str, str], FunctionApp | None]
_PER_HOP = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"content-length", b"host", b"date"})
_TIMEOUT_S = 310.0  # longer than the longest that a scheduled function may work


class _Named(FunctionApp):
    """A function behind a path of its own, called as if it had the whole address: in the cloud it has."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__({**scope, "path": "/", "raw_path": b"/"}, receive, send)


class _Elsewhere(FunctionApp):
    """A function in another process: nothing is loaded here, calls are passed on as they are."""

    def __init__(self, entry: Entry, address: str, client: httpx.AsyncClient) -> None:
        self.target = entry.operation
        self.operation = None
        self._whole_path = entry.kind == "http"
        self._address = address
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        path = scope["raw_path"].decode("ascii") if self._whole_path else ""
        query = scope["query_string"].decode("ascii")
        if b"text/event-stream" in dict(scope["headers"]).get(b"accept", b""):
            await self._stream(request, f"{self._address}{path}", send)
            return
        try:
            reply = await self._client.request(
                request.method,
                f"{self._address}{path}{'?' if query else ''}{query}",
                headers=[pair for pair in scope["headers"] if pair[0] not in _PER_HOP],
                content=request.stream(),
            )
        except httpx.HTTPError:
            answer = problem_answer(Transient(f"The process of {self.target} does not answer."), "none")
        else:
            kept = [(name.lower(), value) for name, value in reply.headers.raw if name.lower() not in _PER_HOP]
            answer = Answer(reply.status_code, kept, reply.content)
        await answer(scope, receive, send)

    async def _stream(self, request: Request, url: str, send: Send) -> None:
        """Pass an open connection on, chunk by chunk."""
        headers = [pair for pair in request.scope["headers"] if pair[0] not in _PER_HOP]
        asked = self._client.build_request(request.method, url, headers=headers)
        try:
            reply = await self._client.send(asked, stream=True)
        except httpx.HTTPError:
            away = problem_answer(Transient(f"The process of {self.target} does not answer."), "none")
            await away(request.scope, request.receive, send)
            return
        kept = [(name.lower(), value) for name, value in reply.headers.raw if name.lower() not in _PER_HOP]

        async def chunks() -> AsyncGenerator[bytes, None]:
            try:
                async for chunk in reply.aiter_raw():
                    yield chunk
            finally:
                await reply.aclose()

        await StreamedAnswer(reply.status_code, kept, chunks())(request.scope, request.receive, send)


def entries_of(registry: Registry, role: str) -> tuple[Entry, ...]:
    """Return the operations of a role; those of `signing` are among those of `events`, which finds them."""
    if role == "http":
        return registry.http()
    uncalled = (*registry.events(), *registry.schedules(), *registry.works())
    return uncalled if role == "events" else tuple(entry for entry in uncalled if KEYS in entry.needs)


def front(role: str, elsewhere: Mapping[str, str]) -> Front:
    """Return the functions of a role as one application; `elsewhere` has the addresses of those in other processes."""
    registry = load()
    entries = entries_of(registry, role)
    loaded = _loaded([entry for entry in entries if entry.operation not in elsewhere], role)
    apps = loaded | _passed_on([entry for entry in entries if entry.operation in elsewhere], elsewhere)
    ready = next(iter(loaded.values())).ready if loaded else None
    public_url = os.environ.get("PUBLIC_URL", "")
    if role == "http":
        return Front(_by_route(registry, apps), allowed=registry.allowed, ready=ready, public_url=public_url)
    return Front(lambda _, path: apps.get(path[1:]), ready=ready, public_url=public_url)


def _loaded(entries: Sequence[Entry], role: str) -> dict[str, FunctionApp]:
    kind = FunctionApp if role == "http" else _Named
    return {entry.operation: kind(entry.target, entry.source) for entry in entries}


def _passed_on(entries: Sequence[Entry], elsewhere: Mapping[str, str]) -> dict[str, FunctionApp]:
    client = httpx.AsyncClient(timeout=_TIMEOUT_S, limits=httpx.Limits(max_connections=None))
    return {entry.operation: _Elsewhere(entry, elsewhere[entry.operation], client) for entry in entries}


def _by_route(registry: Registry, apps: Mapping[str, FunctionApp]) -> Find:
    shown = pages()

    def find(method: str, path: str) -> FunctionApp | None:
        match = registry.match(method, path)
        if match:
            return apps[match.entry.operation]
        return shown.get(path) if method == "GET" else None

    return find


def main(arguments: list[str]) -> int:
    """Serve the functions of one role until asked to stop."""
    options = argparse.ArgumentParser(prog="emulators.functions", description="Functions in one process")
    options.add_argument("--role", choices=("http", "events", "signing"), required=True)
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--elsewhere", type=json.loads, default={}, help="addresses by operation, JSON")
    given = options.parse_args(arguments)
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        from shared.edge.tracing import start

        start(os.environ.get("CORTADO_REGION", "local"))
    app = front(given.role, given.elsewhere)
    settle()
    uvicorn.run(
        app,
        host=HOST,
        port=given.port,
        loop="uvloop",
        http=Wire,
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=1,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
