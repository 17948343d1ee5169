"""`python -m tests.bench.servers.raw`: a bare ASGI application on uvicorn, with the options that functions run with."""

import os
from typing import Final

import uvicorn

from shared.edge.answer import Receive, Scope, Send

_HEADERS: Final = [(b"content-length", b"5"), (b"content-type", b"text/plain; charset=utf-8")]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Say hello."""
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": b"hello"})


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=620,
    )
