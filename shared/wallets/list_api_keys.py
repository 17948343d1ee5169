"""list_api_keys: a merchant's staff keys, newest first, never their secrets."""

from shared.kernel.decision import By
from shared.kernel.ids import KeyId
from shared.kernel.reply import Reply
from shared.wallets import lifecycle
from shared.wallets.model import ApiKeyPage, ApiKeyView, ListApiKeys
from shared.wallets.ports import ApiKeys


async def list_api_keys(asked: ListApiKeys, *, by: By, using: ApiKeys) -> Reply[ApiKeyPage]:
    """Return a page of the owner's keys and the cursor of the next. Raises Forbidden for staff keys."""
    page, after = await using.store.of_merchant(
        lifecycle.owner(by), shop_id=asked.shop_id, revoked=asked.revoked, before=asked.cursor, limit=asked.limit
    )
    keys = tuple(ApiKeyView.of(key) for key in page)
    return Reply(ApiKeyPage(api_keys=keys, next=KeyId(after) if after else None))
