"""The smallest function of the framework: no registry entry, no caller, no log line."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response


@functions_framework.aio.http
async def hello(request: Request) -> Response:
    """Say hello."""
    return Response(b"hello", media_type="text/plain")
