"""Claims on a real Postgres: codes replaced, handed on and revoked at once, tokens beside codes, one hand-over."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.adapters.postgres.claims import WRONG_TRIES
from shared.adapters.postgres.database import Sql
from shared.claims import lifecycle
from shared.claims.delegate_claim import delegate_claim
from shared.claims.lifecycle import MOST_CODES
from shared.claims.model import ClaimView, DelegateClaim
from shared.claims.revoke_claim import revoke_claim
from shared.claims.tokens import GOOD_S, STEP_S
from shared.kernel.decision import AlreadyAnswered, By, Claim, Role
from shared.kernel.errors import NotFound
from shared.kernel.ids import KeyId, MerchantId, OrderId, ShopId, UserId, uuid7_hex
from tests.integration.ordering import NOON, FixedClock
from tests.integration.shops_rows import not_as_their_events_say, stands
from tests.integration.test_claims import SIGNER, TEXTS, Counterside, outcome

PERSON = Sql(
    "insert into users (user_id, merchant_id, address, chain_id, registered_at, version, head) values (:user_id,"
    " :merchant_id, '0x' || right(:user_id, 32) || '00000000', 1, clock_timestamp(), 1, ''::bytea)"
)


class Handing(Counterside):
    """A counter whose customers hand on what they may pick up."""

    def at(self, seconds: int) -> Handing:
        """Let so many seconds pass since noon."""
        self.using = replace(self.using, clock=FixedClock(NOON + timedelta(seconds=seconds)))
        return self

    async def friend(self) -> By:
        """Return somebody whom the platform knows."""
        user = UserId.new()
        await self.db.run(PERSON, user_id=user, merchant_id=MerchantId.like(user))
        return By(user, frozenset({Role.CUSTOMER, Role.OWNER}), MerchantId.like(user))

    async def delegate(
        self, order_id: OrderId, to: str | None = None, *, by: By | None = None, key: str | None = None
    ) -> ClaimView:
        actor = by or self.guest()
        once = Claim(actor.actor, f"POST /v1/orders/{order_id}/claim/delegate", key or uuid7_hex(), b"body")
        command = DelegateClaim(to=UserId(to) if to else None)
        return (
            await delegate_claim(order_id, command, by=replace(actor, once=once), signer=SIGNER, using=self.using)
        ).view

    async def revoke(self, order_id: OrderId, by: By | None = None) -> ClaimView:
        return (await revoke_claim(order_id, by=by or self.guest(), using=self.using)).view


@pytest.fixture
async def counter(database: str) -> Handing:
    handing = Handing(database)
    await handing.open()
    return handing


async def test_a_token_is_redeemed_like_a_code_and_is_good_for_its_minute(counter: Handing) -> None:
    order_id, _ = await counter.paid()
    token = (await counter.shown(order_id)).token or ""
    assert await outcome(counter.at(GOOD_S + 30).redeem(token)) == "claim-token-stale"
    counter.at(STEP_S)
    assert (await counter.shown(order_id)).token != token, "there is a new one every half minute"
    assert (await counter.redeem(token)).order_id == order_id, "and the one before is good for the rest of its minute"


async def test_the_attempt_that_won_by_a_token_is_told_so_when_the_token_is_old(counter: Handing) -> None:
    order_id, _ = await counter.paid()
    token, till = (await counter.shown(order_id)).token or "", counter.staff()
    first = await counter.redeem(token, by=till)
    assert await counter.at(3600).redeem(token, by=till) == first
    assert await outcome(counter.redeem(token, "attempt-2", by=till)) == "claim-redeemed"


async def test_a_token_for_another_shop_or_signed_by_somebody_is_a_wrong_code_and_counted(counter: Handing) -> None:
    order_id, _ = await counter.paid()
    token = (await counter.shown(order_id)).token or ""
    other = Handing(counter.db_url)
    await other.open()
    abroad, _ = await other.paid()
    foreign = (await other.shown(abroad)).token or ""
    head, said, signature = token.split(".")
    till = counter.staff()
    forged = (foreign, f"{head}.{said}.{signature[::-1]}", f"{head}.{foreign.split('.')[1]}.{signature}", "a.b.c", "..")
    told = [await outcome(counter.redeem(each, by=till)) for each in forged]
    assert told == ["wrong-claim-code"] * WRONG_TRIES
    assert await outcome(counter.redeem(token, by=till)) == "too-many-requests", "who guesses is not told of tokens"
    assert await outcome(counter.redeem(token)) == "ok"


async def test_a_friend_is_shown_a_new_code_and_the_old_one_is_dead_at_once(counter: Handing) -> None:
    order_id, old = await counter.paid()
    old_token, friend = (await counter.shown(order_id)).token or "", await counter.friend()
    with pytest.raises(NotFound):
        await counter.shown(order_id, friend)
    view = await counter.delegate(order_id, friend.actor)
    assert (view.holder_id, view.code, view.token) == (friend.actor, None, None)
    for dead in (old, old_token):
        assert await outcome(counter.redeem(dead)) == "wrong-claim-code"
    with pytest.raises(lifecycle.Withheld):
        await counter.picture(order_id, "svg")
    shown = await counter.shown(order_id, friend)
    assert shown.code is not None
    assert b"<svg" in (await counter.picture(order_id, "svg", friend)).body
    with pytest.raises(NotFound):
        await counter.delegate(order_id, by=friend)
    assert (await counter.redeem(shown.code)).order_id == order_id
    assert not_as_their_events_say(counter.db_url, "clm_") == []


async def test_the_customer_takes_it_back_and_the_friend_sees_it_no_more(counter: Handing) -> None:
    order_id, _ = await counter.paid()
    friend = await counter.friend()
    await counter.delegate(order_id, friend.actor)
    theirs = (await counter.shown(order_id, friend)).code or ""
    mine = (await counter.delegate(order_id)).code or ""
    assert mine not in ("", theirs)
    with pytest.raises(NotFound):
        await counter.shown(order_id, friend)
    assert await outcome(counter.redeem(theirs)) == "wrong-claim-code"
    assert await outcome(counter.redeem(mine)) == "ok"


@pytest.mark.parametrize("who", ["customer", "friend", "staff"])
async def test_a_revoked_code_is_dead_and_the_customer_takes_a_new_one(counter: Handing, who: str) -> None:
    order_id, old = await counter.paid()
    friend = await counter.friend()
    if who == "friend":
        await counter.delegate(order_id, friend.actor)
        old = (await counter.shown(order_id, friend)).code or ""
    by = {"customer": counter.guest(), "friend": friend, "staff": counter.staff()}[who]
    first = await counter.revoke(order_id, by)
    assert (first.status, first.code, first.holder_id) == ("revoked", None, None)
    if who != "friend":
        assert await counter.revoke(order_id, by) == first
    assert await outcome(counter.redeem(old)) == "wrong-claim-code"
    assert (await counter.shown(order_id)).code is None
    fresh = (await counter.delegate(order_id)).code or ""
    assert await outcome(counter.redeem(fresh)) == "ok"
    assert not_as_their_events_say(counter.db_url, "clm_") == []


async def test_nobody_else_hands_on_or_revokes(counter: Handing) -> None:
    order_id, code = await counter.paid()
    stranger, rival = await counter.friend(), By(KeyId.new(), frozenset({Role.OWNER}), MerchantId.new())
    elsewhere = replace(counter.staff(), shop_ids=frozenset({ShopId.new()}))
    for by in (stranger, rival, elsewhere):
        with pytest.raises(NotFound):
            await counter.revoke(order_id, by)
    for by in (stranger, counter.staff()):
        with pytest.raises(NotFound):
            await counter.delegate(order_id, by=by)
    with pytest.raises(NotFound, match="nobody"):
        await counter.delegate(order_id, UserId.new())
    for missing in (counter.delegate(OrderId.new()), counter.revoke(OrderId.new())):
        with pytest.raises(NotFound):
            await missing
    assert await outcome(counter.redeem(code)) == "ok"
    for late in (counter.delegate(order_id), counter.revoke(order_id)):
        assert await outcome(late) == "claim-redeemed"


async def test_no_code_is_kept_for_a_repeated_request_and_the_same_request_makes_one(counter: Handing) -> None:
    order_id, _ = await counter.paid()
    code = (await counter.delegate(order_id, key="k1")).code or ""
    with pytest.raises(AlreadyAnswered) as again:
        await counter.delegate(order_id, key="k1")
    assert b'"code"' not in again.value.reply.body
    assert b'"token"' not in again.value.reply.body
    plain = code.replace("-", "")
    assert all(code not in (text or "") and plain not in (text or "") for (text,) in await counter.db.run(TEXTS))
    assert (await counter.shown(order_id)).code == code


async def test_nothing_is_handed_on_that_can_not_be_picked_up_and_codes_come_to_an_end(counter: Handing) -> None:
    order_id, _ = await counter.paid()
    await stands(counter.db, order_id, "ready", halted=True)
    assert await outcome(counter.delegate(order_id)) == "claim-withheld"
    await stands(counter.db, order_id, "cancelled")
    assert await outcome(counter.delegate(order_id)) == "claim-withheld"
    await stands(counter.db, order_id, "ready")
    codes = [(await counter.delegate(order_id)).code for _ in range(MOST_CODES)]
    assert len(set(codes)) == MOST_CODES
    assert await outcome(counter.delegate(order_id)) == "claim-codes-used-up"
    assert await outcome(counter.redeem(codes[-1] or "")) == "ok"


async def test_handing_on_revoking_and_redeeming_at_once_end_in_one_hand_over_at_most(counter: Handing) -> None:
    for round_ in range(5):
        order_id, code = await counter.paid()
        token, friend = (await counter.shown(order_id)).token or "", await counter.friend()
        tills = [counter.redeem(each, f"attempt-{round_}-{n}") for n in range(6) for each in (code, token)]
        others = [counter.delegate(order_id, friend.actor), counter.revoke(order_id), counter.delegate(order_id)]
        told = Counter(await asyncio.gather(*(outcome(each) for each in (*tills[:4], *others, *tills[4:]))))
        assert set(told) <= {"ok", "claim-redeemed", "wrong-claim-code", "version-conflict"}, told
        status = (await counter.shown(order_id)).status
        handed_over = [each for each in [await outcome(counter.redeem(code, f"attempt-late-{round_}"))] if each == "ok"]
        assert not handed_over, "the first code is dead, or was redeemed"
        assert status in ("issued", "revoked", "redeemed")
    facts = await counter.facts()
    redeemed = (await counter.db.run(Sql("select count(*)::int from claims where status = 'redeemed'")))[0][0]
    assert facts.get("claim.redeemed.v1", 0) == redeemed
    assert not_as_their_events_say(counter.db_url, "clm_") == []
