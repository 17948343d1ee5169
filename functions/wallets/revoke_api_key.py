"""DELETE /v1/api-keys/{key_id}: a staff key opens nothing any more."""

from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.wallets import revoke_api_key as rule
from shared.wallets.model import ApiKeyPath, ApiKeyView
from shared.wiring.edge import http_function
from shared.wiring.wallets import api_keys


@http_function
async def revoke_api_key(request: Request[Nothing, ApiKeyPath]) -> Reply[ApiKeyView]:
    """DELETE /v1/api-keys/{key_id}: a staff key opens nothing any more."""
    return await rule.revoke_api_key(request.params.key_id, by=request.by, using=api_keys())
