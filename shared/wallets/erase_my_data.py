"""erase_my_data: a person is forgotten, and their facts go on holding."""

from shared.kernel.clock import Clock
from shared.kernel.decision import By, Decided
from shared.kernel.errors import Bug, Invalid
from shared.kernel.reply import Reply
from shared.wallets import lifecycle
from shared.wallets.link_wallet import person
from shared.wallets.model import User
from shared.wallets.personal_model import ErasedView, EraseMe
from shared.wallets.personal_ports import Personal


async def erase_my_data(command: EraseMe, *, by: By, using: Personal, clock: Clock) -> Reply[ErasedView]:
    """Return when the caller was erased; the second time the same again.

    One commit destroys the person's key, which makes unreadable what was sealed with it in facts, and removes what is
    no fact: e-mail address, devices, sign-ins, stored replies. Raises Invalid without the confirmation, NotErasable,
    Forbidden for staff keys.
    """
    user_id, now = person(by), clock.now()
    if command.confirm != f"erase {user_id}":
        raise Invalid("Confirm it with `erase ` and your own user_id.", pointer="/confirm")
    still_open = await using.records.still_open(user_id)

    def rule(user: User | None) -> Decided:
        return Decided(lifecycle.erase(user, still_open, now=now), params={"user_id": user_id})

    stored = await using.erasing.decide(user_id, rule, by=by, now=now)
    if stored.state.erased_at is None:
        raise Bug(f"{user_id} was erased and does not say when")
    view = ErasedView(user_id=user_id, erased_at=stored.state.erased_at)
    return Reply(view, version=stored.version, stream=user_id, headers={"cache-control": "no-store"})
