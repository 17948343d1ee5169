"""request_payout_challenge: the message by whose signature an account shows whose it is."""

import secrets
from datetime import timedelta

from shared.kernel.decision import By
from shared.kernel.ids import ShopId
from shared.kernel.reply import Reply
from shared.shops.lifecycle import run_by
from shared.shops.payout import (
    CHALLENGE_MINUTES,
    Challenge,
    ChallengeView,
    ChangeRefused,
    Purpose,
    RequestPayoutChallenge,
    message,
)
from shared.shops.payout_lifecycle import may_propose, open_change
from shared.shops.ports import Payouts


async def request_payout_challenge(
    shop_id: ShopId, command: RequestPayoutChallenge, *, by: By, using: Payouts
) -> Reply[ChallengeView]:
    """Return a fresh message for the wallet of the account: good once, for a quarter of an hour.

    Raises NotFound, Forbidden, ChangeRefused, and Invalid for what is no public account key.
    """
    found = await using.store.load(shop_id)
    shop = run_by(found.state if found else None, by)
    change = open_change(shop, command.change_id) if command.change_id else None
    present = shop.payout.get(command.family)
    if command.account_key is not None:
        key = command.account_key.get_secret_value().strip()
        fingerprint = using.account_keys.seal(shop_id, command.family, key).fingerprint
        if change is not None:
            raise ChangeRefused("The present account agrees to a change, not another one: leave account_key out.")
        may_propose(shop, command.family, fingerprint)
    elif present is None or (change is not None and change.instead_of != present.fingerprint):
        raise ChangeRefused("The shop has no such account: name the account_key that it is to have.")
    else:
        key = using.account_keys.open(shop_id, command.family, present)
        fingerprint = present.fingerprint
    now = using.clock.now()
    nonce, address = secrets.token_hex(16), using.account_keys.first_address(command.family, key)
    expires_at = now + timedelta(minutes=CHALLENGE_MINUTES)
    text = message(
        using.domain,
        nonce=nonce,
        shop_id=shop_id,
        family=command.family,
        fingerprint=fingerprint,
        address=address,
        change=change,
        issued_at=now,
        expires_at=expires_at,
    )
    purpose = f"{Purpose.CONFIRM}:{change.change_id}" if change else Purpose.OWN.value
    await using.store.challenge(
        Challenge(nonce, shop_id, command.family, fingerprint, purpose, address, text, expires_at)
    )
    view = ChallengeView(nonce=nonce, message=text, address=address, expires_at=expires_at)
    return Reply(view, headers={"cache-control": "no-store"})
