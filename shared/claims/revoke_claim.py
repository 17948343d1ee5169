"""revoke_claim: a code that got into wrong hands is good for nothing, at once."""

from collections.abc import Sequence

from shared.claims import lifecycle
from shared.claims.get_claim import shown
from shared.claims.model import Claim, ClaimView
from shared.claims.ports import Claims
from shared.kernel.decision import By
from shared.kernel.facts import Fact
from shared.kernel.ids import ClaimId, OrderId
from shared.kernel.reply import Reply


async def revoke_claim(order_id: OrderId, *, by: By, using: Claims) -> Reply[ClaimView]:
    """Return the claim without a code; one that was revoked before is told the same again.

    The order stays paid: its customer takes a new code by delegate_claim. Raises NotFound, AlreadyRedeemed,
    VersionConflict, Transient.
    """
    claim_id = ClaimId.like(order_id)

    def rule(claim: Claim | None) -> Sequence[Fact]:
        def hash_of(serial: int) -> str:
            return using.codes.hash_of(claim_id, claim.shop_id, serial) if claim else ""

        return lifecycle.revoke(claim, hash_of=hash_of, by=by, now=using.clock.now())

    stored = await using.store.decide(claim_id, rule, by=by, now=using.clock.now())
    return Reply(shown(stored.state), version=stored.version, stream=claim_id, headers={"cache-control": "no-store"})
