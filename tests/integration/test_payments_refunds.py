"""Refunds on a real database: reserved once, agreed to by two, sent once, whoever asks, dies or comes late."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from pg8000.exceptions import DatabaseError

from shared.adapters.postgres.database import Sql
from shared.adapters.postgres.refunds import PostgresSendings
from shared.kernel.clock import SystemClock
from shared.kernel.decision import AlreadyAnswered, By, Role
from shared.kernel.errors import Fenced, NotFound, VersionConflict
from shared.kernel.ids import MerchantId, RefundId
from shared.kernel.money import Asset, Money
from shared.payments.facts import RefundSigned
from shared.payments.lifecycle import HOLD
from shared.payments.list_refunds import list_refunds
from shared.payments.refund_model import ListRefunds, RefundState
from shared.payments.refund_policy import RefundPolicy
from shared.payments.refund_ports import SlotTaken
from shared.payments.refund_sending import about
from shared.payments.refunds import FourEyes, RefundExceedsHeld
from shared.payments.request_refund import BadDestination
from tests.integration.dying import DyingDatabase, Killed
from tests.integration.ordering import FixedClock
from tests.integration.paying import Paying, both
from tests.integration.refunding import BY, EASY, Refunding
from tests.integration.test_payments_ledger import Books
from tests.scripted_chain import ScriptedChain
from tests.unit.played_wallet import Fate

CAREFUL = RefundPolicy(automatic_minor=0, automatic_revenue_minor=0, least={}, most_fee={})


@pytest.fixture
async def books(database: str) -> AsyncIterator[Books]:
    paying = await Paying(database, both({"BITCOIN_RPC_URL": "http://u:p@127.0.0.1:1"}, None)).opened()
    books = Books(paying, ScriptedChain())
    await books.read()
    yield books
    last = {fact.payment_id: (event_id, fact) for event_id, fact in await books.wakes()}
    await books.post(list(last.values()))
    report = await books.checked()
    assert report.holds
    assert await paying.replayed() == []
    await paying.closed()


async def test_a_refund_goes_its_way_and_the_books_follow(books: Books) -> None:
    refunding = Refunding(books)
    payment = await refunding.overpaid()
    asked = await refunding.ask(payment)
    over = 2 * payment.due
    assert (asked.state, asked.amount.units, asked.of_settled.units) == (RefundState.APPROVED, over, 0)
    await refunding.send()
    assert (await refunding.refund(asked.refund_id)).state is RefundState.BROADCAST
    await books.post(await books.wakes())
    stands = await books.bitcoin()
    assert (stands.held, stands.transit, stands.hot) == (over, over, -over)
    assert await refunding.slots() == {"coin0:0": (asked.refund_id, False)}
    await refunding.to_the_end()
    refund = await refunding.refund(asked.refund_id)
    assert (refund.state, refund.fee) == (RefundState.CONFIRMED, Money(asset=Asset.ETH, units=7))
    assert refunding.paid() == [asked.refund_id]
    assert await refunding.slots() == {"coin0:0": (asked.refund_id, True)}
    await books.post(await books.wakes())
    stands = await books.bitcoin()
    assert (stands.held, stands.refunded, stands.transit, stands.hot) == (0, over, 0, -over)
    facts = await books.paying.facts(payment.payment_id)
    assert facts[-6:] == [
        f"refund_{name}" for name in ("requested", "approved", "signed", "broadcast", "mined", "confirmed")
    ]


async def test_of_many_who_ask_for_the_same_coins_at_once_one_gets_them(books: Books) -> None:
    refunding = Refunding(books, policy=CAREFUL)
    payment = await refunding.overpaid()
    asking = [refunding.ask(payment) for _ in range(3)] + [refunding.ask(payment, units=1)]
    ended = await asyncio.gather(*asking, return_exceptions=True)
    won = [each for each in ended if not isinstance(each, BaseException)]
    lost = {type(each) for each in ended if isinstance(each, BaseException)}
    assert lost <= {RefundExceedsHeld, VersionConflict}  # the latter: repeat with the same key
    stored = await refunding.payment(payment.payment_id)
    assert sum(refund.amount.units for refund in stored.refunds) <= 2 * payment.due
    assert len(won) == len(stored.refunds) >= 1


async def test_the_same_key_asks_once(books: Books) -> None:
    refunding = Refunding(books)
    payment = await refunding.overpaid()
    asked = await refunding.ask(payment, units=500, key="same")
    with pytest.raises(AlreadyAnswered) as again:
        await refunding.ask(payment, units=500, key="same")
    assert json.loads(again.value.reply.body)["refund_id"] == asked.refund_id
    assert len((await refunding.payment(payment.payment_id)).refunds) == 1


async def test_two_people_agree_and_the_same_one_at_once_counts_once(books: Books) -> None:
    refunding = Refunding(books, policy=CAREFUL)
    payment = await refunding.overpaid()
    asked = await refunding.ask(payment, by=refunding.staff("key_asks"), units=3 * payment.due)
    assert (asked.state, asked.of_settled.units) == (RefundState.REQUESTED, payment.due)
    ended = await asyncio.gather(
        *(refunding.decide(asked.refund_id, "key_a") for _ in range(3)), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in ended) == ["FourEyes", "FourEyes", "RefundView"]
    with pytest.raises(FourEyes):
        await refunding.decide(asked.refund_id, "key_asks")
    await refunding.send()
    assert not refunding.world.seen
    agreed = await refunding.decide(asked.refund_id, "key_b")
    assert (agreed.state, agreed.approved_by) == (RefundState.APPROVED, ("key_a", "key_b"))
    await books.post(await books.wakes())
    assert (await books.bitcoin()).settled == 0
    await refunding.to_the_end()
    assert refunding.paid() == [asked.refund_id]


async def test_what_one_person_gives_back_alone_adds_up_over_the_payments_of_a_day(books: Books) -> None:
    """An order is 4.20 EUR, and twice as much is over: a shop's people may give back 10.00 EUR a day unasked."""
    refunding = Refunding(books, policy=EASY.model_copy(update={"automatic_daily_minor": 1_000}))
    payments = [await refunding.overpaid() for _ in range(3)]
    by = refunding.staff("key_m")
    states = [(await refunding.ask(each, by=by, units=2 * each.due)).state for each in payments[:2]]
    assert states == [RefundState.APPROVED, RefundState.REQUESTED]
    theirs = await refunding.ask(payments[2], units=2 * payments[2].due)
    assert theirs.state is RefundState.APPROVED  # what customers ask for is theirs


async def test_what_is_declined_is_free_again_and_never_sent(books: Books) -> None:
    refunding = Refunding(books)
    payment = await refunding.overpaid()
    asked = await refunding.ask(payment)
    declined = await refunding.decide(asked.refund_id, "key_a", approve=False)
    assert declined.state is RefundState.DECLINED
    again = await refunding.ask(payment)
    await refunding.to_the_end()
    assert refunding.paid() == [again.refund_id]


async def test_rule_8_coins_that_are_not_final_wait(books: Books) -> None:
    refunding = Refunding(books)
    asked = await refunding.ask(await books.paid(3))
    await refunding.send()
    refund = await refunding.refund(asked.refund_id)
    assert (refund.state, refund.delayed) == (RefundState.APPROVED, "not_final")
    await books.reorganised(1)
    await refunding.send()
    assert not refunding.world.seen  # and now they are not there at all
    assert await refunding.slots() == {}
    assert (await refunding.refund(asked.refund_id)).delayed == "coins_gone"


async def test_rule_8_a_refund_whose_coins_are_gone_for_a_day_lapses_and_can_be_asked_for_again(books: Books) -> None:
    refunding = Refunding(books)
    payment = await books.paid(3)
    asked = await refunding.ask(payment)
    await books.reorganised(1)
    await refunding.send()
    gone_at = (await refunding.refund(asked.refund_id)).changed_at
    for elapsed, state in ((HOLD - timedelta(seconds=1), RefundState.APPROVED), (HOLD, RefundState.DECLINED)):
        refunding.clock = FixedClock(gone_at + elapsed)
        await refunding.send()
        assert (await refunding.refund(asked.refund_id)).state is state
    with pytest.raises(RefundExceedsHeld):
        await refunding.ask(payment)
    key = (await refunding.payment(payment.payment_id)).watch_key
    books.chain.mine(books.chain.paid(key, 3 * payment.due.units))
    await books.read()
    again = await refunding.ask(payment)
    for _ in range(12):
        books.chain.mine()
    await books.read()
    refunding.clock = SystemClock()
    await refunding.to_the_end()
    assert refunding.paid() == [again.refund_id]


@pytest.mark.parametrize(
    "to",
    [
        "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt081",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
    ],
)
async def test_an_address_that_is_none_of_the_chain_is_refused(books: Books, to: str) -> None:
    refunding = Refunding(books)
    payment = await refunding.overpaid()
    with pytest.raises(BadDestination):
        await refunding.ask(payment, to=to)


async def test_an_address_that_orders_are_paid_to_is_refused(books: Books) -> None:
    refunding = Refunding(books)
    payment, other = await refunding.overpaid(), await books.requested()
    for to in (payment.address, other[0].address, other[0].address.upper()):
        with pytest.raises(BadDestination, match="orders are paid to"):
            await refunding.ask(payment, to=to)


async def test_a_shop_lists_its_refunds_page_by_page_and_nobody_else_does(books: Books) -> None:
    refunding = Refunding(books, policy=CAREFUL)
    first, second = await refunding.overpaid(), await refunding.overpaid()
    asked = [(await refunding.ask(payment, units=600)).refund_id for payment in (first, second, first)]
    await refunding.decide(asked[1], "key_a", approve=False)

    async def listed(by: By, **wanted: object) -> tuple[list[RefundId], RefundId | None]:
        query = ListRefunds.model_validate({"shop_id": books.shop_id, **wanted})
        page = (await list_refunds(query, by=by, using=refunding.refunds)).view
        return [each.refund_id for each in page.refunds], page.next

    assert await listed(refunding.staff()) == (asked[::-1], None)
    assert await listed(refunding.staff(), state="declined") == ([asked[1]], None)
    page, after = await listed(refunding.staff(), limit=2)
    assert (page, after) == (asked[:0:-1], asked[1])
    assert await listed(refunding.staff(), limit=2, cursor=after) == ([asked[0]], None)
    with pytest.raises(NotFound):
        await listed(By("usr_9", frozenset({Role.OWNER}), MerchantId.new()))


async def test_rule_5_a_sender_that_lost_its_lease_writes_nothing(books: Books) -> None:
    refunding = Refunding(books)
    payment, refused = await refunding.overpaid(20), 0
    refunding.world.coins = 100

    async def meanwhile() -> None:
        await refunding.forget_lease()
        await refunding.sender().run(by=BY)

    asked = []
    for at in range(1, 20):
        asked.append((await refunding.ask(payment, units=600)).refund_id)
        try:
            await refunding.sender(Fate(at, meanwhile)).run(by=BY)
        except Fenced:
            refused += 1
        await refunding.forget_lease()
        assert len((await refunding.refund(asked[-1])).signed) == 1
    await refunding.to_the_end()
    assert refunding.paid() == sorted(asked)
    assert refused >= 3


async def test_a_slot_is_one_refunds_whatever_the_node_offers(books: Books) -> None:
    refunding = Refunding(books)
    payment = await refunding.overpaid()
    first, second = [(await refunding.ask(payment, units=600)).refund_id for _ in range(2)]
    sendings, now = PostgresSendings(refunding.db, region="test"), SystemClock().now()
    turn = await sendings.take("bitcoin", "test")
    assert turn is not None

    async def sign(refund_id: RefundId, slots: tuple[str, ...]) -> None:
        found = await refunding.store.load(payment.payment_id)
        assert found is not None
        told = about(found.state, await refunding.refund(refund_id), now)
        fee = Money(asset=Asset.BTC, units=1)
        fact = RefundSigned(**told, txid=f"t{slots}", raw="00", slots=slots, fee=fee)
        assert await sendings.record(turn, found, (fact,), by=BY, now=now)

    await sign(first, ("a:0", "b:0"))
    with pytest.raises(SlotTaken):
        await sign(second, ("c:0", "b:0"))
    assert set(await refunding.slots()) == {"a:0", "b:0"}
    assert (await refunding.refund(second)).state is RefundState.APPROVED
    await sign(first, ("a:0", "d:0"))
    assert await sendings.taken(turn) == {"a:0", "b:0", "d:0"}
    with pytest.raises(DatabaseError, match="not given to another"):
        await refunding.db.run(Sql("update hot_wallet_slots set refund_id = 'x'"))


async def test_a_payment_that_moved_meanwhile_is_looked_at_again(books: Books) -> None:
    """Between reading the payment and storing the signature its customer asks for something else."""
    refunding = Refunding(books)
    payment = await refunding.overpaid()
    asked = await refunding.ask(payment, units=600)

    async def meanwhile() -> None:
        await refunding.ask(payment, units=700)

    for at in range(3, 9):
        await refunding.send(Fate(at, meanwhile))
    await refunding.to_the_end()
    refunds = (await refunding.payment(payment.payment_id)).refunds
    assert asked.refund_id in refunding.paid()
    assert refunding.paid() == sorted(refund.refund_id for refund in refunds)


@pytest.mark.parametrize("nonces", [False, True], ids=["coins", "nonces"])
async def test_killed_between_any_two_statements_it_is_sent_once(books: Books, nonces: bool) -> None:
    """Rule 8: one refund after the other, the process that sends each dying at one point later than the one before."""
    refunding = Refunding(books, nonces=nonces)
    asked: list[RefundId] = []
    payment = await refunding.overpaid(20)
    refunding.world.coins = 1000
    point, died = 0, True
    while died:
        if len((await refunding.payment(payment.payment_id)).refunds) == 20:
            payment = await refunding.overpaid(20)
        asked.append((await refunding.ask(payment, units=600)).refund_id)
        dying = DyingDatabase(books.paying.url, point)
        sender = refunding.sender(db=dying)
        died = False
        for _ in range(3):
            try:
                await sender.run(by=BY)
            except Killed:
                died = True
                break
            refunding.world.mine(list(refunding.world.pool))
        dying.close()
        await refunding.forget_lease()
        await refunding.to_the_end()
        assert refunding.paid() == sorted(asked)
        point += 1
    assert point > 40
    assert {spent for _, spent in (await refunding.slots()).values()} == {True}
