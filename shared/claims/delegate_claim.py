"""delegate_claim: somebody else picks up, or the customer takes a new code; the old one ends at once."""

from collections.abc import Sequence

from shared.claims import lifecycle
from shared.claims.get_claim import own_claim, shown
from shared.claims.model import Claim, ClaimView, DelegateClaim
from shared.claims.ports import Claims
from shared.claims.tokens import ClaimSigner
from shared.kernel.decision import By, Stored
from shared.kernel.errors import NotFound
from shared.kernel.facts import Fact
from shared.kernel.ids import ClaimId, OrderId
from shared.kernel.reply import Reply


async def delegate_claim(
    order_id: OrderId, command: DelegateClaim, *, by: By, signer: ClaimSigner, using: Claims
) -> Reply[ClaimView]:
    """Return the claim, with the new code where the customer picks up themself; else only the holder is shown it.

    What is kept for repeats of the request has no code in it. Raises NotFound (also for a friend nobody knows),
    AlreadyRedeemed, Withheld, CodesUsedUp, AlreadyAnswered, KeyReused, VersionConflict, Transient.
    """
    claim_id = ClaimId.like(order_id)
    if command.to is not None and command.to != by.actor and not await using.people.known(command.to):
        raise NotFound("There is nobody with this user_id. Ask your friend for theirs: signing in tells it.")

    async def rule(claim: Claim | None) -> Sequence[Fact]:
        order = await using.orders.standing(order_id)

        def hash_of(serial: int) -> str:
            return using.codes.hash_of(claim_id, order.shop_id, serial) if order else ""

        return lifecycle.delegate(claim, order, to=command.to, hash_of=hash_of, by=by, now=using.clock.now())

    def kept(stored: Stored[Claim]) -> Reply[ClaimView]:
        return Reply(shown(stored.state), version=stored.version, stream=claim_id)

    stored = await using.store.decide(claim_id, rule, by=by, now=using.clock.now(), reply=kept)
    claim, code, version = await own_claim(order_id, by=by, using=using)
    view = shown(claim, code, signer=signer, now=using.clock.now())
    headers = {"cache-control": "no-store"}
    return Reply(view, version=max(version, stored.version), stream=claim_id, headers=headers)
