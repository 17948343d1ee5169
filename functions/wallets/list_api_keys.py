"""GET /v1/api-keys: a merchant's staff keys, newest first."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.wallets import list_api_keys as rule
from shared.wallets.model import ApiKeyPage, ListApiKeys
from shared.wiring.edge import http_function
from shared.wiring.wallets import api_keys


@http_function
async def list_api_keys(request: Request[Nothing, ListApiKeys]) -> Reply[ApiKeyPage]:
    """GET /v1/api-keys: a merchant's staff keys, newest first."""
    return await rule.list_api_keys(request.params, by=request.by, using=api_keys())
