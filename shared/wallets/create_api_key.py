"""create_api_key: a staff key, its secret told once."""

import secrets

from shared.kernel.decision import By, Stored
from shared.kernel.errors import NotFound
from shared.kernel.ids import KeyId
from shared.kernel.reply import Reply
from shared.wallets import lifecycle
from shared.wallets.model import ApiKey, ApiKeyView, CreateApiKey
from shared.wallets.ports import ApiKeys


async def create_api_key(command: CreateApiKey, *, by: By, using: ApiKeys) -> Reply[ApiKeyView]:
    """Return 201 with the key `ck_<key id>_<secret>`. What is stored for repeats of the request lacks the secret.

    Raises Forbidden, NotFound for a shop that is not the caller's, AlreadyAnswered, KeyReused, Transient.
    """
    merchant = lifecycle.owner(by)
    if command.shops and not await using.shops.all_of(command.shops, merchant):
        raise NotFound("There is no such shop.")
    now, key_id, secret = using.clock.now(), KeyId.new(), secrets.token_hex(32)
    created = lifecycle.create(key_id, command, merchant=merchant, secret=secret, now=now)
    stored = await using.store.decide(key_id, lambda _: (created,), by=by, now=now, reply=shown)
    return shown(stored, key=f"ck_{key_id.removeprefix('key_')}_{secret}")


def shown(stored: Stored[ApiKey], *, key: str | None = None) -> Reply[ApiKeyView]:
    """Return a staff key as an answer, with its secret only where it is given."""
    view = ApiKeyView.of(stored.state, key=key)
    return Reply(view, status=201, version=stored.version, stream=stored.state.key_id)
