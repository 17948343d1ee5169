"""Functions as the dispatcher and the ticker see them: an HTTP server that notes every call and answers as told."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import uvicorn
from starlette.requests import Request
from starlette.responses import Response

from emulators.component import HOST, free_port
from tests.waiting import until


@dataclass(frozen=True)
class Called:
    """One call: the function, the key and number of the fact, how often this fact was delivered before."""

    operation: str
    key: str
    number: int
    before: int
    headers: dict[str, str]


Answer = Callable[[Called], Response]


def done(_: Called) -> Response:
    """Accept everything."""
    return Response(status_code=204)


def problem(status: int, slug: str) -> Response:
    """Refuse as a function of the platform does."""
    body = {"type": f"http://localhost/problems/{slug}", "title": slug, "detail": "as told", "status": status}
    return Response(json.dumps(body), status, media_type="application/problem+json")


@dataclass
class FunctionServer:
    """What was called, and what is answered."""

    port: int = field(default_factory=free_port)
    answer: Answer = done
    calls: list[Called] = field(default_factory=list)
    delivered: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    slow_s: float = 0.0
    running: int = 0
    most_running: int = 0
    running_by_key: dict[tuple[str, str], int] = field(default_factory=dict)
    overlapped: list[str] = field(default_factory=list)

    def url(self, operation: str) -> str:
        return f"http://{HOST}:{self.port}/{operation}"

    def numbers(self, operation: str) -> dict[str, list[int]]:
        """Return the numbers that an operation was given, by key, each at its first delivery."""
        seen: dict[str, list[int]] = {}
        for call in self.calls:
            if call.operation == operation and call.number not in seen.setdefault(call.key, []):
                seen[call.key].append(call.number)
        return seen

    async def __call__(self, request: Request) -> Response:
        operation, body = request.url.path.strip("/"), await request.body()
        said = json.loads(body) or {"subject": "", "data": {"number": 0}}
        key, number = said["subject"], said["data"]["number"]
        fact = (operation, key, number)
        call = Called(operation, key, number, self.delivered[fact], dict(request.headers))
        self.delivered[fact] += 1
        self.calls.append(call)
        at = (operation, key)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.running_by_key[at] = self.running_by_key.get(at, 0) + 1
        if self.running_by_key[at] > 1:
            self.overlapped.append(f"{operation} {key}")
        try:
            await asyncio.sleep(self.slow_s)
            return self.answer(call)
        finally:
            self.running -= 1
            self.running_by_key[at] -= 1

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["FunctionServer"]:
        """Serve for the length of the block."""

        async def app(scope: dict[str, object], receive: object, send: object) -> None:
            response = await self(Request(scope, receive))  # type: ignore[arg-type]  # as ASGI passes them
            await response(scope, receive, send)  # type: ignore[arg-type]  # as ASGI passes them

        config = uvicorn.Config(app, HOST, self.port, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve())
        try:
            await until(lambda: server.started, "the functions are served")
            yield self
        finally:
            server.should_exit = True
            await running
