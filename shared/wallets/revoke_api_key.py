"""revoke_api_key: a staff key opens nothing any more."""

from shared.kernel.decision import By
from shared.kernel.ids import KeyId
from shared.kernel.reply import Reply
from shared.wallets import lifecycle
from shared.wallets.model import ApiKeyView
from shared.wallets.ports import ApiKeys


async def revoke_api_key(key_id: KeyId, *, by: By, using: ApiKeys) -> Reply[ApiKeyView]:
    """Return the key as it ended; one that was revoked before is told the same again.

    Every call looks its key up, so none that comes after this commit gets in; one that is under way goes on.
    Raises Forbidden for staff keys, NotFound for others' keys, Transient.
    """
    merchant, now = lifecycle.owner(by), using.clock.now()
    stored = await using.store.decide(
        key_id, lambda key: lifecycle.revoke(key, merchant=merchant, by=by, now=now), by=by, now=now
    )
    return Reply(ApiKeyView.of(stored.state), version=stored.version, stream=key_id)
