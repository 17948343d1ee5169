"""export_my_data: everything about a person, for themself."""

import json

from shared.kernel.clock import Clock
from shared.kernel.decision import By
from shared.kernel.errors import NotFound
from shared.kernel.ids import UserId
from shared.kernel.reply import Reply
from shared.wallets.list_wallets import listed
from shared.wallets.personal_model import MOST_ROWS, PersonalData
from shared.wallets.personal_ports import Personal


async def export_my_data(*, by: By, using: Personal, clock: Clock) -> Reply[PersonalData]:
    """Return what is held about the caller, all of one moment. Raises NotFound for staff keys and the erased."""
    user_id = UserId(by.actor)
    stored = await using.people.person(user_id)
    if stored is None:
        raise NotFound("There is no such account.")
    found = await using.records.of(user_id)
    rows = {name: json.loads(text) for name, text in found.items()}
    told = PersonalData.model_validate(
        {
            "exported_at": clock.now(),
            "user_id": user_id,
            "merchant_id": stored.state.merchant_id,
            "registered_at": stored.state.registered_at,
            "wallets": listed(stored.state).wallets,
            **{name: tuple(each[:MOST_ROWS]) for name, each in rows.items()},
            "cut_off": tuple(name for name, each in rows.items() if len(each) > MOST_ROWS),
        }
    )
    headers = {"cache-control": "no-store", "content-disposition": f'attachment; filename="{user_id}.json"'}
    return Reply(told, headers=headers)
