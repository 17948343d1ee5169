"""POST /v1/api-keys: a staff key, its secret told once."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.wallets import create_api_key as rule
from shared.wallets.model import ApiKeyView, CreateApiKey
from shared.wiring.edge import http_function
from shared.wiring.wallets import api_keys


@http_function
async def create_api_key(request: Request[CreateApiKey, Nothing]) -> Reply[ApiKeyView]:
    """POST /v1/api-keys: a staff key, its secret told once."""
    return await rule.create_api_key(request.body, by=request.by, using=api_keys())
