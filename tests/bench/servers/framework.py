"""`python -m tests.bench.servers.framework`: hello as the framework alone serves it, nothing of ours around it."""

import os

import functions_framework.aio
import uvicorn

if __name__ == "__main__":
    app = functions_framework.aio.create_asgi_app("hello", os.environ["FUNCTION_SOURCE"], "http")  # type: ignore[no-untyped-call]  # theirs
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=620,
    )
