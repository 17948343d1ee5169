"""What the image runs: one function of the framework, with liveness, readiness, metrics and problems beside it.

`python -m shared.edge.serve` serves FUNCTION_TARGET of FUNCTION_SOURCE on PORT. The local platform puts many
`FunctionApp`s behind one `Front`. /livez, /readyz and /metrics are for the platform: the URL map routes only /v1/.
"""

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, cast

import functions_framework.aio
import msgspec
from starlette.requests import Request as FrameworkRequest
from starlette.routing import Route

from shared.edge.answer import NOSNIFF, WHOLE, Answer, Receive, Scope, Send
from shared.edge.operation import Operation, operation_of
from shared.edge.problem import CONTENT_TYPE, MethodNotAllowed, document, headers_of, status_of
from shared.edge.telemetry import LOG, Call, meter_of
from shared.kernel.errors import Bug, NotFound, Problem

READY_TIMEOUT_S: Final = 2.0
GARBAGE_AT: Final = 20_000
"""Objects more than were freed, before the youngest are looked at for garbage."""
SWITCH_S: Final = 0.0005
KEEP_ALIVE_S: Final = 620
"""Longer than the load balancer keeps idle connections (600 s), so that it is never the server that closes first."""

SHUTDOWN_S: Final = 8
"""How long calls under way may take to end when the process is told to: streams would go on for minutes."""

Handler = Callable[[FrameworkRequest], Any]


class FunctionApp:
    """One function as an ASGI application.

    The framework loads it and builds its application; then the function is called directly. The framework's middleware
    would only turn errors into plain text, its router only accept every path, its handler only set an execution id
    that no line of ours carries: together they cost more than the call (see docs/decisions/0005).
    """

    def __init__(self, target: str, source: str | Path) -> None:
        """Load the function. Raises what the framework raises for a missing file or target."""
        app = functions_framework.aio.create_asgi_app(target, str(source), "http")  # type: ignore[no-untyped-call]  # theirs
        self.target = target
        endpoint = cast(Handler, cast(Route, app.routes[0]).endpoint)
        self._handler: Handler = getattr(endpoint, "__wrapped__", endpoint)  # without the execution id
        self.operation: Operation | None = operation_of(self._handler)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self.operation is not None:
            answer = await self.operation(scope, receive)
            server = getattr(send, "__self__", None)
            whole = WHOLE.get(type(server))
            if whole is None or not whole(server, answer):
                await answer(scope, receive, send)
            return
        try:
            response = await self._handler(FrameworkRequest(scope, receive, send))
        except Exception as error:  # noqa: BLE001  a function without our decorator: logged, told to nobody
            call = Call(meter_of(self.target), {})
            call.problem = Bug.type
            call.end(500, error)
            response = problem_answer(Bug(), call.correlation)
        await response(scope, receive, send)

    async def ready(self) -> Mapping[str, str]:
        """Return what the dependencies of this function say; raises nothing."""
        if self.operation is None:
            return {}
        try:
            self.operation.entry  # noqa: B018  the registry is readable and knows it
            async with asyncio.timeout(READY_TIMEOUT_S):
                return await self.operation.edge.gateway.ready()
        except TimeoutError:
            return {"dependencies": "down: no answer in time"}
        except Exception as error:  # noqa: BLE001  whatever it is, this instance is not ready; the kind says enough
            return {"function": f"down: {type(error).__name__}"}


def problem_answer(problem: Problem, correlation: str, public_url: str = "") -> Answer:
    """Return a problem document for a request that reached no function."""
    status = status_of(problem)
    body = document(problem, public_url=public_url, correlation=correlation, status=status)
    headers = [(b"content-type", CONTENT_TYPE), (b"cache-control", b"no-store"), NOSNIFF, *headers_of(problem)]
    return Answer(status, headers, body)


class Front:
    """Health and metrics beside one or many functions, and a problem for what none of them serves."""

    def __init__(
        self,
        find: Callable[[str, str], FunctionApp | None],
        *,
        allowed: Callable[[str], tuple[str, ...]] = lambda _: (),
        ready: Callable[[], Any] | None = None,
        public_url: str = "",
    ) -> None:
        """`find` returns the function of a method and path; `allowed` the methods that some function takes there."""
        self._find, self._allowed = find, allowed
        self._ready = ready
        self._public_url = public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Lifespan messages are acknowledged; anything but HTTP is closed."""
        if scope["type"] != "http":
            return await _other(scope, receive, send)
        path = scope["path"]
        if path not in _OWN:
            function = self._find(scope["method"], path)
            if function is not None:
                return await function(scope, receive, send)
        answer = await self._own(scope["method"], path)
        return await answer(scope, receive, send)

    async def _own(self, method: str, path: str) -> Answer:
        if path in _OWN and method not in ("GET", "HEAD"):
            return problem_answer(MethodNotAllowed(("GET", "HEAD")), "none", self._public_url)
        if path == "/livez":
            return _json(200, {"status": "ok"})
        if path == "/readyz":
            told: Mapping[str, str] = await self._ready() if self._ready else {}
            down = any(value.startswith("down") for value in told.values())
            return _json(503 if down else 200, {"status": "down" if down else "ok", **told})
        if path == "/metrics":
            from shared.edge.metrics import CONTENT_TYPE as TEXT
            from shared.edge.metrics import exposition

            return Answer(200, [(b"content-type", TEXT.encode())], exposition())
        allow = self._allowed(path)
        problem = MethodNotAllowed(allow) if allow else NotFound("No such path.")
        return problem_answer(problem, "none", self._public_url)


_OWN: Final = frozenset({"/livez", "/readyz", "/metrics"})


def _json(status: int, value: Mapping[str, str]) -> Answer:
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    return Answer(status, headers, msgspec.json.encode(value))


async def _other(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
        return
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            LOG.flush()
            await send({"type": "lifespan.shutdown.complete"})
            return


def single(target: str, source: str | Path) -> Front:
    """Return one function with its health, as the image serves it."""
    function = FunctionApp(target, source)
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        from shared.edge.tracing import start

        start(os.environ.get("CORTADO_REGION", "local"))
    return Front(lambda method, path: function, ready=function.ready, public_url=os.environ.get("PUBLIC_URL", ""))


def settle() -> None:
    """Prepare the interpreter for serving, once everything is loaded; measured, a third of an order's time goes so.

    What was loaded stays for good: the garbage collector need not walk through it, nor look after every 700 objects,
    for calls leave hardly a cycle behind. A thread that comes back from the database waits for the running one no
    longer than a call takes, instead of five milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_AT, 20, 20)
    sys.setswitchinterval(SWITCH_S)


def main() -> int:
    """Serve FUNCTION_TARGET of FUNCTION_SOURCE on HOST:PORT until told to stop."""
    import uvicorn

    from shared.edge.wire import Wire

    try:
        target, source = os.environ["FUNCTION_TARGET"], os.environ["FUNCTION_SOURCE"]
    except KeyError as missing:
        sys.stderr.write(f"serve: {missing.args[0]} is not set: name the function and the file that defines it\n")
        return 2
    config = uvicorn.Config(
        single(target, source),
        host=os.environ.get("HOST", "0.0.0.0" if "K_SERVICE" in os.environ else "127.0.0.1"),
        port=int(os.environ.get("PORT", "8080")),
        loop="uvloop",
        http=Wire,
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the edge reads X-Forwarded-For itself, as far as TRUSTED_PROXY_HOPS says
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    settle()
    uvicorn.Server(config).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
