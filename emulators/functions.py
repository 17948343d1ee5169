"""`python -m emulators.functions --role http|events --port N`: functions held together in one ASGI process.

Each function is the framework's own application, built as its image would build it; this only finds the one that a
request means. Role `http`: the operations clients call, found by method and path. Role `events`: event, scheduled and
work functions, each at `/<operation>`; a process of its own, so that a watcher never stalls an order.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Protocol

import uvicorn
from functions_framework.aio import create_asgi_app

from emulators.component import HOST
from triggers.registry import Entry, Registry, load

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Application(Protocol):
    """An ASGI application."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


def application(entry: Entry) -> Application:
    """Return the function as its image would serve it. Every argument is given: the framework's names are global."""
    app: Application = create_asgi_app(entry.target, str(entry.source), "http")  # type: ignore[no-untyped-call]  # the framework has no types
    return app


class Router:
    """The functions of one role behind one port."""

    def __init__(self, registry: Registry, entries: Iterable[Entry]) -> None:
        self._registry = registry
        self._apps = {entry.operation: application(entry) for entry in entries}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await _lifespan(receive, send)
        operation, scope = self.find(scope)
        app = self._apps.get(operation)
        if app is None:
            return await self._nothing_there(scope, send)
        return await app(scope, receive, send)

    def find(self, scope: Scope) -> tuple[str, Scope]:
        """Return which operation a request means ("" for none) and the scope to hand it."""
        raise NotImplementedError

    async def _nothing_there(self, scope: Scope, send: Send) -> None:
        status, headers = 404, []
        if scope["path"] in ("/livez", "/readyz"):
            status = 200
        elif allowed := self._registry.allowed(scope["path"]):
            status, headers = 405, [(b"allow", ", ".join(allowed).encode())]
        await _answer(send, status, headers)


class HttpRouter(Router):
    """Operations by method and path template, as the load balancer's URL map does it."""

    def find(self, scope: Scope) -> tuple[str, Scope]:
        match = self._registry.match(scope["method"], scope["path"])
        return (match.entry.operation if match else ""), scope


class EventRouter(Router):
    """Operations by name: `/<operation>`, handed on as a call of the function's root."""

    def find(self, scope: Scope) -> tuple[str, Scope]:
        operation, _, rest = scope["path"][1:].partition("/")
        if operation not in self._apps:
            return "", scope
        path = f"/{rest}"
        return operation, {**scope, "path": path, "raw_path": path.encode()}


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]]) -> None:
    titles = {200: "OK", 404: "Nothing is found at this path.", 405: "This path does not take this method."}
    body = {"status": "ok"} if status == 200 else {"type": "about:blank", "status": status, "title": titles[status]}
    payload = json.dumps(body).encode()
    kind = b"application/json" if status == 200 else b"application/problem+json"
    headers = [*headers, (b"content-type", kind), (b"content-length", str(len(payload)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": payload})


def router(role: str) -> Router:
    """Return the functions of a role."""
    registry = load()
    if role == "http":
        return HttpRouter(registry, registry.http())
    return EventRouter(registry, (*registry.events(), *registry.schedules(), *registry.works()))


def main(arguments: list[str]) -> int:
    """Serve the functions of one role until asked to stop."""
    options = argparse.ArgumentParser(prog="emulators.functions", description="Functions in one process")
    options.add_argument("--role", choices=("http", "events"), required=True)
    options.add_argument("--port", type=int, required=True)
    given = options.parse_args(arguments)
    uvicorn.run(
        router(given.role), host=HOST, port=given.port, access_log=False, log_level="warning", timeout_keep_alive=75
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
