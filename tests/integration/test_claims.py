"""Claims on a real Postgres: issued once, redeemed exactly once under concurrency, guesses counted so that it holds."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Literal

import pytest

from shared.adapters.postgres.claims import (
    WINDOW_S,
    WRONG_TRIES,
    PostgresClaims,
    PostgresKnownPeople,
    PostgresOrderStandings,
)
from shared.adapters.postgres.database import Database, Sql
from shared.adapters.qr import QrPictures
from shared.adapters.quote_signing import Ed25519Quotes, signed_by
from shared.claims import lifecycle
from shared.claims.codes import Codes
from shared.claims.get_claim import get_claim
from shared.claims.get_claim_qr import get_claim_qr
from shared.claims.issue_claim_code import issue_claim_code
from shared.claims.model import ClaimView, RedeemClaim, Redeemed
from shared.claims.ports import Claims
from shared.claims.redeem_claim import Checks, redeem_claim
from shared.kernel.decision import AlreadyTaken, By, Role, Taking
from shared.kernel.errors import Conflict, NotFound, TooMany
from shared.kernel.ids import EventId, KeyId, MerchantId, OrderId, PaymentId, ShopId, UserId
from shared.kernel.reply import Reply
from shared.orders.facts import OrderConfirmed
from shared.settings import ClaimSigningSettings, PostgresSettings
from tests.integration.ordering import NOON, FixedClock
from tests.integration.shops_rows import a_shop, an_order, not_as_their_events_say, stands

SIGNER = Ed25519Quotes(ClaimSigningSettings(bytes(range(32))))
CHECKS = Checks(SIGNER.public_keys, signed_by)
FACTS = Sql("select type, count(*)::int from events group by type order by type")
TAKEN = Sql("select count(*)::int from inbox where operation = 'issue_claim_code'")
WINDOW_PASSES = Sql("update redeem_tries set window_start = window_start - :window_s::int * interval '1 second'")
TEXTS = Sql(
    "select string_agg(convert_from(body, 'UTF8'), '') from events union all"
    " select string_agg(convert_from(body, 'UTF8'), '') from outbox union all"
    " select string_agg(claims::text, '') from claims"
)


class Counterside:
    """A shop, its staff, and what customers come for."""

    def __init__(self, url: str, connections: int = 8) -> None:
        self.db_url = url
        self.db_url = url
        self.db = Database(PostgresSettings(url, connections=connections))
        self.merchant, self.customer = MerchantId.new(), UserId.new()
        self.codes = Codes(bytes(32))
        self.using = Claims(
            store=PostgresClaims(self.db, region="test"),
            orders=PostgresOrderStandings(self.db),
            people=PostgresKnownPeople(self.db),
            codes=self.codes,
            clock=FixedClock(NOON),
        )
        self.shop = ShopId.new()

    async def open(self) -> Counterside:
        self.shop = await a_shop(self.db, self.merchant)
        return self

    def staff(self) -> By:
        return By(KeyId.new(), frozenset({Role.BARISTA}), self.merchant)

    def guest(self) -> By:
        return By(self.customer, frozenset({Role.CUSTOMER, Role.OWNER}), MerchantId.like(self.customer))

    async def paid(self, status: str = "ready") -> tuple[OrderId, str]:
        """Return a paid order and the code that its customer is shown."""
        order_id = await an_order(self.db, self.shop, self.merchant, self.customer)
        await self.confirmed(order_id)
        view = await self.shown(order_id)
        assert view.code is not None
        await stands(self.db, order_id, status)
        return order_id, view.code

    async def confirmed(self, order_id: OrderId, event_id: str | None = None) -> None:
        fact = OrderConfirmed(
            order_id=order_id,
            shop_id=self.shop,
            merchant_id=self.merchant,
            customer_id=self.customer,
            at=NOON,
            payment_id=PaymentId.new(),
        )
        event = event_id or EventId.new()
        by = By("issue_claim_code", causation=event, once=Taking("issue_claim_code", event))
        await issue_claim_code(fact, by=by, using=self.using)

    async def redeem(self, code: str, attempt: str = "attempt-1", by: By | None = None) -> Redeemed:
        said = {"token" if "." in code else "code": code, "attempt_id": attempt}
        command = RedeemClaim.model_validate(said)
        return (await redeem_claim(self.shop, command, by=by or self.staff(), checks=CHECKS, using=self.using)).view

    async def shown(self, order_id: OrderId, by: By | None = None) -> ClaimView:
        """Return what somebody is shown of a claim; the customer, unless told."""
        return (await get_claim(order_id, by=by or self.guest(), signer=SIGNER, using=self.using)).view

    async def picture(self, order_id: OrderId, format: Literal["svg", "png"], by: By | None = None) -> Reply[bytes]:
        return await get_claim_qr(
            order_id, format, by=by or self.guest(), pictures=QrPictures(), signer=SIGNER, using=self.using
        )

    async def facts(self) -> dict[str, int]:
        return {row[0]: row[1] for row in await self.db.run(FACTS)}


async def outcome(trying: object) -> str:
    try:
        await trying  # type: ignore[misc]  # any of the operations
    except (NotFound, Conflict, TooMany) as refused:
        return refused.type
    return "ok"


async def test_a_claim_is_issued_once_for_events_that_come_twice(database: str) -> None:
    counter = await Counterside(database).open()
    order_id = await an_order(counter.db, counter.shop, counter.merchant, counter.customer)
    event = EventId.new()
    await counter.confirmed(order_id, event)
    await counter.confirmed(order_id, event)
    await counter.confirmed(order_id)
    assert await counter.facts() == {"claim.issued.v1": 1}
    assert (await counter.db.run(TAKEN))[0][0] == 2


async def test_the_same_event_twice_at_once_issues_one_claim(database: str) -> None:
    counter = await Counterside(database).open()
    order_id, event = await an_order(counter.db, counter.shop, counter.merchant, counter.customer), EventId.new()

    async def deliver() -> None:
        try:
            await counter.confirmed(order_id, event)
        except AlreadyTaken:
            return

    await asyncio.gather(*(deliver() for _ in range(8)))
    assert await counter.facts() == {"claim.issued.v1": 1}


async def test_an_order_that_was_cancelled_or_never_was_gets_no_claim(database: str) -> None:
    counter = await Counterside(database).open()
    order_id = await an_order(counter.db, counter.shop, counter.merchant, counter.customer, "cancelled")
    await counter.confirmed(order_id)
    await counter.confirmed(OrderId.new())
    assert await counter.facts() == {}
    assert (await counter.db.run(TAKEN))[0][0] == 2


async def test_the_code_is_shown_to_its_customer_alone_and_stored_nowhere(database: str) -> None:
    counter = await Counterside(database).open()
    order_id, code = await counter.paid("preparing")
    for nobody in (By(UserId.new(), frozenset({Role.CUSTOMER})), counter.staff()):
        with pytest.raises(NotFound):
            await counter.shown(order_id, nobody)
    plain = code.replace("-", "")
    assert all(code not in (text or "") and plain not in (text or "") for (text,) in await counter.db.run(TEXTS))


async def test_the_code_is_withheld_while_it_leads_nowhere(database: str) -> None:
    counter = await Counterside(database).open()
    order_id, code = await counter.paid()
    assert b"<svg" in (await counter.picture(order_id, "svg")).body
    assert (await counter.picture(order_id, "png")).body[:4] == b"\x89PNG"
    await stands(counter.db, order_id, "ready", halted=True)
    held = await counter.shown(order_id)
    assert (held.code, held.token) == (None, None)
    await stands(counter.db, order_id, "ready")
    await counter.redeem(code)
    view = await counter.shown(order_id)
    assert (view.status, view.code) == ("redeemed", None)
    with pytest.raises(lifecycle.Withheld):
        await counter.picture(order_id, "svg")


async def test_fifty_tills_redeeming_one_code_at_once_hand_over_one_order(database: str) -> None:
    counter = await Counterside(database).open()
    _, code = await counter.paid()
    tried = [outcome(counter.redeem(code, f"attempt-{number}")) for number in range(50)]
    assert Counter(await asyncio.gather(*tried)) == {"ok": 1, "claim-redeemed": 49}
    assert (await counter.facts())["claim.redeemed.v1"] == 1
    assert not_as_their_events_say(database, "clm_") == []


async def test_one_till_sending_the_same_attempt_fifty_times_is_told_the_same(database: str) -> None:
    counter = await Counterside(database).open()
    _, code = await counter.paid()
    by = counter.staff()
    told = await asyncio.gather(*(counter.redeem(code, by=by) for _ in range(50)))
    assert len({view.model_dump_json() for view in told}) == 1
    assert (await counter.facts())["claim.redeemed.v1"] == 1
    assert await outcome(counter.redeem(code, by=counter.staff())) == "claim-redeemed"


async def test_what_is_not_ready_or_halted_is_not_handed_over(database: str) -> None:
    counter = await Counterside(database).open()
    order_id, code = await counter.paid("preparing")
    assert await outcome(counter.redeem(code)) == "claim-not-ready"
    await stands(counter.db, order_id, "ready", halted=True)
    assert await outcome(counter.redeem(code)) == "claim-not-ready"
    await stands(counter.db, order_id, "cancelled")
    assert await outcome(counter.redeem(code)) == "claim-not-ready"
    await stands(counter.db, order_id, "ready")
    assert (await counter.redeem(code)).order_id == order_id


async def test_an_order_that_halts_between_look_and_hand_over_is_not_handed_over(database: str) -> None:
    counter = await Counterside(database).open()
    order_id, code = await counter.paid()

    class HaltedInBetween(PostgresOrderStandings):
        async def standing(self, order_id: OrderId) -> object:  # type: ignore[override]  # the same, and then it halts
            seen = await super().standing(order_id)
            await stands(counter.db, order_id, "ready", halted=True)
            return seen

    slow = replace(counter.using, orders=HaltedInBetween(counter.db))  # type: ignore[arg-type]  # see above
    command = RedeemClaim(code=code, attempt_id="attempt-1")
    with pytest.raises(lifecycle.NotReady):
        await redeem_claim(counter.shop, command, by=counter.staff(), checks=CHECKS, using=slow)
    assert "claim.redeemed.v1" not in await counter.facts()
    assert order_id


async def test_wrong_unknown_and_foreign_codes_are_answered_alike(database: str) -> None:
    counter = await Counterside(database).open()
    _, code = await counter.paid()
    other = await Counterside(database).open()
    _, foreign = await other.paid()
    refusals = []
    for code_, by in (("AAAAA-AAAAA", None), ("~", None), (foreign, None), (code, other.staff())):
        with pytest.raises(lifecycle.WrongCode) as refused:
            await counter.redeem(code_, by=by)
        refusals.append((refused.value.type, refused.value.detail, refused.value.fields))
    assert all(refusal == refusals[0] for refusal in refusals)


async def test_the_sixth_guess_is_not_looked_at_however_many_come_at_once(database: str) -> None:
    counter = await Counterside(database).open()
    _, code = await counter.paid()
    guesser = counter.staff()
    guesses = [outcome(counter.redeem(f"AAAAA-{number:05d}", by=guesser)) for number in range(40)]
    told = Counter(await asyncio.gather(*guesses))
    assert told == {"wrong-claim-code": WRONG_TRIES, "too-many-requests": 40 - WRONG_TRIES}
    with pytest.raises(TooMany) as locked:
        await counter.redeem(code, by=guesser)
    assert 0 < locked.value.retry_after_s <= WINDOW_S
    assert await outcome(counter.redeem(code)) == "ok", "another key is not locked"


async def test_the_lock_ends_with_its_window_and_right_codes_win_no_tries_back(database: str) -> None:
    counter = await Counterside(database).open()
    till = counter.staff()
    _, code = await counter.paid()
    for _ in range(WRONG_TRIES - 1):
        assert await outcome(counter.redeem("AAAAA-AAAAA", by=till)) == "wrong-claim-code"
    assert await outcome(counter.redeem(code, by=till)) == "ok"
    assert await outcome(counter.redeem("AAAAA-AAAAA", by=till)) == "wrong-claim-code"
    assert await outcome(counter.redeem(code, by=till)) == "too-many-requests"
    await counter.db.run(WINDOW_PASSES, window_s=WINDOW_S)
    assert await outcome(counter.redeem(code, by=till)) == "ok"


async def test_guessing_at_somebody_elses_shop_finds_nothing_and_locks_nobody(database: str) -> None:
    counter = await Counterside(database).open()
    _, code = await counter.paid()
    stranger = By(UserId.new(), frozenset({Role.OWNER}), MerchantId.new())
    assert {await outcome(counter.redeem(code, by=stranger)) for _ in range(10)} == {"wrong-claim-code"}
    assert (await counter.db.run(Sql("select count(*)::int from redeem_tries")))[0][0] == 0
