"""Correctness 10: both identities hold whatever a chain does, and in whatever way its facts reach the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shared.kernel.errors import Problem
from shared.kernel.facts import Fact
from shared.kernel.ids import EventId, MerchantId, OrderId, PaymentId, ShopId, UserId
from shared.kernel.money import Asset, Fiat, Money
from shared.payments import facts
from shared.payments.chain import Block, BlockRef, Transfer
from shared.payments.ledger import (
    Account,
    Book,
    Entry,
    Happened,
    Line,
    entries,
    moved,
)
from shared.payments.lifecycle import GRACE, MINED_WITHIN, close, confirm, evolve, expire, write_off
from shared.payments.model import Payment
from shared.payments.observation import Observation, Sighting, observe
from shared.payments.refund_model import AGREED, RefundState
from shared.payments.statement import BalanceView, balance_views, posting_views
from tests.many import runs
from tests.unit.refunding import asked, customer, folded, refund_of, staff, steps

START = datetime(2026, 5, 6, 12, tzinfo=UTC)
EXPIRES = START + timedelta(minutes=15)
DUE = 1000
CHAIN = "evm:1"
DOCUMENT = Path(__file__).parents[2] / "docs" / "ledger.md"
SHOP, MERCHANT = ShopId.new(), MerchantId.new()


def requested(key: str = "k0", confirmations: int = 1, due: int = DUE) -> facts.PaymentRequested:
    payment_id = PaymentId.new()
    quote = facts.Quote(
        payment_id=payment_id,
        chain=CHAIN,
        asset=Asset.USDC,
        address="0x…",
        amount=due,
        price=Fiat(currency="EUR", units=420),
        rate="1",
        feeds=(),
        locked_at=START,
        expires_at=EXPIRES,
    )
    return facts.PaymentRequested(
        payment_id=payment_id,
        order_id=OrderId.new(),
        shop_id=SHOP,
        merchant_id=MERCHANT,
        customer_id=UserId.new(),
        chain=CHAIN,
        asset=Asset.USDC,
        address="0x…",
        watch_key=key,
        derivation_index=0,
        due=Money(asset=Asset.USDC, units=due),
        quote=quote,
        confirmations=confirmations,
        requested_at=START,
        expires_at=EXPIRES,
    )


def transfer(txid: str, units: int, to: str = "k0", asset: Asset = Asset.USDC) -> Transfer:
    return Transfer(chain=CHAIN, asset=asset, txid=txid, position=0, to=to, units=units)


def block(height: int, *transfers: Transfer, at: datetime = START, name: str = "") -> Block:
    return Block(BlockRef(CHAIN, height, name or f"b{height}"), "", at, at, transfers)


def history(told: Iterable[Fact]) -> list[Happened]:
    return [Happened(version, EventId.new(), START, fact) for version, fact in enumerate(told, 1)]


def balances(posted: Iterable[Entry]) -> Counter[Line]:
    total: Counter[Line] = Counter()
    for entry in posted:
        total.update(entry.postings)
    return total


def balanced(postings: Iterable[tuple[Line, int]]) -> bool:
    """Return whether debits equal credits in each book and asset."""
    sums: Counter[tuple[Book, Asset]] = Counter()
    for line, units in postings:
        sums[line.book, line.asset] += units
    return not any(sums.values())


OPEN_REFUND: Final = frozenset(RefundState) - {RefundState.DECLINED, RefundState.CONFIRMED}
THE_WAY: Final = ("approved", "approved too", "signed", "mined", "confirmed")


class LedgerMachine(RuleBasedStateMachine):
    """Three payments of 1000 units on one chain, and a ledger that hears of their facts by luck."""

    @initialize(confirmations=st.integers(1, 3))
    def begin(self, confirmations: int) -> None:
        self.numbers = count(1)
        self.now = START
        self.blocks: list[tuple[str, list[Transfer]]] = [("b0", [])]
        self.pool: dict[str, Transfer] = {}
        self.final_height = -1
        firsts = [requested(f"k{number}", confirmations) for number in range(3)]
        self.told: dict[str, list[Happened]] = {first.payment_id: history([first]) for first in firsts}
        self.state: dict[str, Payment] = {first.payment_id: evolve(None, first) for first in firsts}
        self.wakes: list[tuple[str, int]] = []
        self.ledger: dict[tuple[str, int], Entry] = {}
        self.total: Counter[Line] = Counter()
        self.positions = {payment_id: folded(one.fact for one in told) for payment_id, told in self.told.items()}

    def append(self, payment_id: str, told: Sequence[Fact]) -> None:
        for fact in told:
            version = len(self.told[payment_id]) + 1
            self.told[payment_id].append(Happened(version, EventId.new(), self.now, fact))
            self.positions[payment_id] = moved(self.positions[payment_id], fact)
            self.state[payment_id] = self.positions[payment_id].payment
            self.wakes.append((payment_id, version))

    def see(self, observed: Observation) -> None:
        for payment_id, payment in self.state.items():
            self.append(payment_id, observe(payment, observed))

    def mine(self, groups: Sequence[Sequence[Transfer]]) -> tuple[Block, ...]:
        mined = []
        for held in groups:
            name = f"b{next(self.numbers)}"
            self.blocks.append((name, list(held)))
            for each in held:
                self.pool.pop(each.txid, None)
            mined.append(block(len(self.blocks) - 1, *held, at=self.now, name=name))
        return tuple(mined)

    @rule(minutes=st.sampled_from([1, 1, 10, 30, 24 * 60]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(
        units=st.sampled_from([1, 400, 600, 1000, 2500]),
        to=st.sampled_from(["k0", "k1", "k2"]),
        asset=st.sampled_from([Asset.USDC, Asset.USDC, Asset.USDT, Asset.ETH]),
        sighted=st.booleans(),
    )
    def paid(self, units: int, to: str, asset: Asset, sighted: bool) -> None:
        coin = transfer(f"tx{next(self.numbers)}", units, to, asset)
        if sighted:
            self.pool[coin.txid] = coin
            self.see(Observation(CHAIN, self.now, sightings=(Sighting(coin),), mempool_watched=True))
        else:
            self.see(Observation(CHAIN, self.now, blocks=self.mine([[coin]]), mempool_watched=True))

    @rule(data=st.data(), more=st.integers(0, 2))
    def mined(self, data: st.DataObject, more: int) -> None:
        waiting = list(self.pool.values())
        held = data.draw(st.lists(st.sampled_from(waiting), unique=True)) if waiting else []
        blocks = self.mine([held, *([] for _ in range(more))])
        self.see(Observation(CHAIN, self.now, blocks=blocks, mempool_watched=True))

    @precondition(lambda self: len(self.blocks) > 1)
    @rule(data=st.data(), depth=st.integers(1, 4))
    def reorganised(self, data: st.DataObject, depth: int) -> None:
        """Also below what was final: what was credited then is missing, and must show."""
        depth = min(depth, len(self.blocks) - 1)
        lost = [each for _, held in self.blocks[-depth:] for each in held]
        del self.blocks[-depth:]
        fork = BlockRef(CHAIN, len(self.blocks) - 1, self.blocks[-1][0])
        kept = data.draw(st.lists(st.sampled_from(lost), unique=True)) if lost else []
        blocks = self.mine([kept, *([] for _ in range(depth))])
        self.see(Observation(CHAIN, self.now, blocks=blocks, fork=fork, mempool_watched=True))

    @rule(finalize=st.booleans(), rival=st.sampled_from([False, False, False, True]), priced=st.booleans())
    def decided(self, finalize: bool, rival: bool, priced: bool) -> None:
        height = len(self.blocks) - 1
        if finalize:
            self.final_height = height - 1
        costs = facts.LateCover(costs=DUE, rate="1", feeds=(), at=self.now) if priced else None
        for payment_id, payment in self.state.items():
            final = self.final_height
            told = confirm(payment, height=height, final_height=final, now=self.now, rival=rival, costs=costs)
            self.append(payment_id, told)

    @rule(to=st.integers(0, 2), units=st.sampled_from([1000, 2500]), finalize=st.booleans())
    def paid_well(self, to: int, units: int, finalize: bool) -> None:
        """As it mostly is: enough, at once, and left in peace; what is rare elsewhere begins here."""
        coin = transfer(f"tx{next(self.numbers)}", units, f"k{to}")
        blocks = self.mine([[coin], *([] for _ in range(4))])
        self.see(Observation(CHAIN, self.now, blocks=blocks, mempool_watched=True))
        self.decided(finalize, False, False)

    @precondition(lambda self: len(self.wakes) > 12)  # payments live before they are called off
    @rule(which=st.integers(0, 2))
    def called_off(self, which: int) -> None:
        payment_id, payment = list(self.state.items())[which]
        self.append(payment_id, close(payment, now=self.now))

    @rule(which=st.integers(0, 2))
    def handed_over(self, which: int) -> None:
        payment_id, payment = list(self.state.items())[which]
        self.append(payment_id, write_off(payment, now=self.now))

    @rule()
    def expiring(self) -> None:
        for payment_id, payment in self.state.items():
            self.append(payment_id, expire(payment, proven=self.now, now=self.now))

    @rule(
        to=st.integers(0, 2),
        units=st.sampled_from([None, 1, 7, 400, 1000, 1500]),
        asset=st.sampled_from([None, None, Asset.USDT, Asset.ETH]),
        shop=st.booleans(),
    )
    def refund_asked(self, to: int, units: int | None, asset: Asset | None, shop: bool) -> None:
        payment_id, position = list(self.positions.items())[to]
        by = staff(position.payment) if shop else customer(position.payment)
        try:
            self.append(payment_id, asked(position, by=by, now=self.now, units=units, asset=asset))
        except Problem:
            return

    @precondition(lambda self: any(payment.refunds for payment in self.state.values()))
    @rule(data=st.data())
    def refund_taken_further(self, data: st.DataObject) -> None:
        """Approved, signed, bumped, mined, reverted, failed, confirmed: whatever may follow; only final coins leave."""
        having = [(payment_id, r.refund_id) for payment_id, p in self.state.items() for r in p.refunds]
        payment_id, refund_id = data.draw(st.sampled_from(having))
        position = self.positions[payment_id]
        refund = refund_of(position, refund_id)
        heights = {"height": len(self.blocks) - 1, "final_height": self.final_height}
        may = steps(position, refund, number=next(self.numbers), **heights, now=self.now)
        if not may:
            return
        name = data.draw(st.sampled_from(sorted(may)))
        self.append(payment_id, may[name])
        if name == "signed":
            self.left_only_final_coins(payment_id, refund.amount.asset)

    @precondition(lambda self: any(p.refunds and p.refunds[-1].state in OPEN_REFUND for p in self.state.values()))
    @rule(data=st.data(), count=st.integers(1, len(THE_WAY)))
    def refund_goes_its_way(self, data: st.DataObject, count: int) -> None:
        """As it mostly is: agreed to, signed, mined, confirmed, as far as it may go."""
        having = [(pid, p.refunds[-1]) for pid, p in self.state.items() if p.refunds]
        payment_id, refund = data.draw(st.sampled_from([each for each in having if each[1].state in OPEN_REFUND]))
        for _ in range(count):
            position = self.positions[payment_id]
            heights = {"height": len(self.blocks) - 1, "final_height": self.final_height}
            refund = refund_of(position, refund.refund_id)
            may = steps(position, refund, number=next(self.numbers), **heights, now=self.now)
            name = next((name for name in THE_WAY if name in may), None)
            if name is None:
                return
            self.append(payment_id, may[name])
            if name == "signed":
                self.left_only_final_coins(payment_id, refund.amount.asset)

    def left_only_final_coins(self, payment_id: str, asset: Asset) -> None:
        """Rule 8: counted from the chain itself, what was sent so far had come in final blocks."""
        payment = self.state[payment_id]
        came = sum(
            each.units
            for _, held in self.blocks[: self.final_height + 1]
            for each in held
            if each.asset == asset and each.to == payment.watch_key
        )
        gone = {RefundState.SIGNED, RefundState.BROADCAST, RefundState.MINED, RefundState.CONFIRMED}
        assert sum(r.amount.units for r in payment.refunds if r.state in gone and r.amount.asset == asset) <= came

    def post(self, payment_id: str, upto: int) -> None:
        """Do as post_ledger does, with the stream as long as it was when it was read."""
        for entry in entries(self.told[payment_id][:upto]):
            known = self.ledger.get((payment_id, entry.version))
            assert known in (None, entry)  # whoever computes it, whenever
            if known is None:
                assert balanced(entry.postings.items())
                self.ledger[payment_id, entry.version] = entry
                self.total.update(entry.postings)

    @precondition(lambda self: self.wakes)
    @rule(data=st.data(), lose=st.booleans())
    def delivered(self, data: st.DataObject, lose: bool) -> None:
        """Any fact, now or late or again, read by somebody who sees the stream as it is or as it just was."""
        payment_id, version = data.draw(st.sampled_from(self.wakes))
        if lose:
            self.wakes.remove((payment_id, version))
        else:
            self.post(payment_id, data.draw(st.sampled_from([version, len(self.told[payment_id])])))

    @invariant()
    def both_identities_hold_in_every_asset_of_what_is_posted(self) -> None:
        assert balanced(self.total.items())
        for view in balance_views(self.total):
            assert view.balanced
            assert view.received == view.settled + view.held + view.refunded - view.shortfall
            places = view.addresses + view.hot + view.transit + view.treasury + view.fees
            assert places == view.received + view.funded - view.refunded
            assert view.transit >= 0 >= view.hot
            assert min(view.received, view.settled, view.held, view.refundable, view.shortfall) >= 0

    def teardown(self) -> None:
        """In the end one fact of each payment comes through, and the ledger says what the chain says."""
        for payment_id, told in self.told.items():
            self.post(payment_id, len(told))
            assert list(entries(told)) == [e for key, e in sorted(self.ledger.items()) if key[0] == payment_id]
        views = {view.asset: view for view in balance_views(balances(self.ledger.values()))}
        mined: Counter[Asset] = Counter()
        for _, held in self.blocks:
            for each in held:
                mined[each.asset] += each.units
        for asset in (Asset.BTC, Asset.ETH, Asset.USDC, Asset.USDT):
            view = views.get(asset) or BalanceView.of(asset, {})
            assert view.received == view.addresses == mined[asset]
            credited = [p for p in self.state.values() if (p.settled or p.written_off) and not p.closed]
            given = {p.payment_id: sum(r.of_settled for r in p.refunds if r.state in AGREED) for p in credited}
            assert view.settled == sum(max(DUE - given[p.payment_id], 0) for p in credited if p.asset is asset)


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=runs(1000), stateful_step_count=40, deadline=None)


def chained() -> tuple[facts.PaymentRequested, list[Fact]]:
    """Return a request, and facts of a payment that was paid twice, in a wrong coin too, settled and lost."""
    first = requested()
    payment = evolve(None, first)
    coins = (transfer("a", 600), transfer("b", 500), transfer("c", 7, asset=Asset.USDT))
    seen = observe(payment, Observation(CHAIN, START, sightings=tuple(Sighting(coin) for coin in coins)))
    mined = observe(payment, Observation(CHAIN, START, blocks=(block(1, *coins),)))
    whole = payment
    for fact in mined:
        whole = evolve(whole, fact)
    settled = confirm(whole, height=1, final_height=1, now=START)
    fork = BlockRef(CHAIN, 0, "b0")
    lost = observe(whole, Observation(CHAIN, START, fork=fork, blocks=(block(1, coins[0], name="c1"),)))
    back = facts.PaymentReversed(
        **settled[0].model_dump(exclude={"received", "height", "late", "exposure"}), reason="lost"
    )
    over = facts.PaymentExpired(**settled[0].model_dump(exclude={"received", "height", "late", "exposure"}))
    return first, [*seen, *mined, *settled, *lost, back, over]


@given(st.data())
@settings(max_examples=runs(1500), deadline=None)
def test_facts_in_any_order_and_number_make_entries_that_balance(data: st.DataObject) -> None:
    first, told = chained()
    drawn = data.draw(st.lists(st.sampled_from(told), max_size=25))
    posted = list(entries(history([first, *drawn])))
    assert all(balanced(entry.postings.items()) and entry.postings for entry in posted)
    assert all(view.balanced for view in balance_views(balances(posted)))
    assert len({entry.version for entry in posted}) == len(posted)


def view(told: Iterable[Fact]) -> BalanceView:
    posted = entries(history(told))
    return BalanceView.of(Asset.USDC, balances(posted))


def paid(*coins: Transfer, height: int = 1, at: datetime = START) -> list[Fact]:
    """Return a request and the facts of a block that pays it, decided about at that height."""
    told: list[Fact] = [requested()]
    payment = evolve(None, told[0])
    for fact in observe(payment, Observation(CHAIN, at, blocks=(block(height, *coins, at=at),))):
        told.append(fact)
        payment = evolve(payment, fact)
    return [*told, *confirm(payment, height=height, final_height=0, now=at)]


def test_what_is_due_is_settled_and_the_rest_is_the_customers() -> None:
    books = view(paid(transfer("a", 2500)))
    assert (books.received, books.settled, books.held, books.refundable) == (2500, 1000, 1500, 1500)


def test_a_part_waits_for_the_rest() -> None:
    books = view(paid(transfer("a", 400)))
    assert (books.received, books.settled, books.held, books.refundable) == (400, 0, 400, 0)


@pytest.mark.parametrize("late", [GRACE, MINED_WITHIN])
def test_what_came_too_late_is_held_for_its_refund(late: timedelta) -> None:
    books = view(paid(transfer("a", 1000), at=EXPIRES + late + timedelta(seconds=1)))
    assert (books.received, books.settled, books.held, books.refundable) == (1000, 0, 1000, 1000)


def expired(payment: Payment) -> facts.PaymentExpired:
    """Return the fact that nobody waits for the payment any more."""
    return facts.PaymentExpired(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        shop_id=payment.shop_id,
        merchant_id=payment.merchant_id,
        customer_id=payment.customer_id,
        at=START,
    )


def test_a_part_whose_payment_expired_is_the_customers_to_have_back() -> None:
    told = paid(transfer("a", 400))
    books = view([*told, expired(evolve(None, told[0]))])
    assert (books.held, books.refundable) == (400, 400)


def test_an_expired_payment_that_settles_after_all_is_no_revenue() -> None:
    first, *told = paid(transfer("a", 1000))
    assert told[-1].type == "payment.settled.v1"
    books = view([first, expired(evolve(None, first)), *told])
    assert (books.received, books.settled, books.held, books.refundable) == (1000, 0, 1000, 1000)


def test_a_reorg_takes_everything_back_and_between_its_facts_there_is_a_shortfall() -> None:
    told = paid(transfer("a", 1000))
    payment = evolve(None, told[0])
    for fact in told[1:]:
        payment = evolve(payment, fact)
    fork = BlockRef(CHAIN, 0, "b0")
    lost = observe(payment, Observation(CHAIN, START, fork=fork, blocks=(block(1, name="c1"),)))
    books = view([*told, *lost])
    assert (books.received, books.settled, books.shortfall) == (0, 1000, 1000)
    for fact in lost:
        payment = evolve(payment, fact)
    back = confirm(payment, height=1, final_height=0, now=START)
    assert [fact.type for fact in back] == ["payment.reversed.v1"]
    assert not balances(entries(history([*told, *lost, *back])))[Line(Book.CLAIMS, Asset.USDC, Account.SETTLED)]
    assert view([*told, *lost, *back]) == BalanceView.of(Asset.USDC, {})


def test_another_coin_is_booked_as_what_it_is() -> None:
    posted = list(entries(history(paid(transfer("a", 5, asset=Asset.USDT)))))
    (books,) = balance_views(balances(posted))
    assert (books.asset, books.received, books.held, books.refundable) == (Asset.USDT, 5, 5, 5)


def overpaid() -> list[Fact]:
    """Return the facts of a payment of 1000 that got 2500, final."""
    told = paid(transfer("a", 2500))
    return [*told, *confirm(folded(told).payment, height=9, final_height=9, now=START)]


def refunded(told: list[Fact], *path: str, units: int, shop: bool = False) -> list[Fact]:
    """Return the facts with those of a refund that is taken through these steps."""
    position = folded(told)
    by = staff(position.payment) if shop else customer(position.payment)
    told = [*told, *asked(position, by=by, now=START, units=units)]
    for number, name in enumerate(path):
        position = folded(told)
        told += steps(position, refund_of(position), number=number, height=9, final_height=9, now=START)[name]
    return told


APPROVED: Final = ("approved", "approved too")


def test_a_refund_is_paid_from_the_hot_wallet_and_its_fee_in_the_chains_coin() -> None:
    told = refunded(overpaid(), *APPROVED, "signed", "bumped", "mined", units=1500)
    posted = list(entries(history(told)))
    assert all(balanced(entry.postings.items()) for entry in posted)
    coins, fees = (BalanceView.of(asset, balances(posted)) for asset in (Asset.USDC, Asset.ETH))
    assert (coins.held, coins.refunded, coins.hot, coins.transit, coins.addresses) == (1500, 0, -1500, 1500, 2500)
    assert (fees.hot, fees.transit, fees.fees) == (-13, 13, 0)
    told = refunded(overpaid(), *APPROVED, "signed", "bumped", "mined", "confirmed", units=1500)
    coins, fees = (BalanceView.of(asset, balances(entries(history(told)))) for asset in (Asset.USDC, Asset.ETH))
    assert (coins.settled, coins.held, coins.refunded, coins.hot, coins.transit) == (1000, 0, 1500, -1500, 0)
    assert (fees.hot, fees.transit, fees.fees) == (-5, 0, 5)
    assert coins.balanced
    assert fees.balanced


def test_revenue_that_is_given_back_is_revenue_no_longer_once_it_is_agreed_to() -> None:
    books = view(refunded(overpaid(), units=1800, shop=True))
    assert (books.settled, books.refundable) == (1000, 1500)
    books = view(refunded(overpaid(), *APPROVED, units=1800, shop=True))
    assert (books.settled, books.refundable) == (700, 1800)
    books = view(refunded(overpaid(), *APPROVED, "declined", units=1800, shop=True))
    assert (books.settled, books.refundable) == (1000, 1500)
    books = view(refunded(overpaid(), *APPROVED, "signed", "confirmed", units=1800, shop=True))
    assert (books.settled, books.refundable, books.refunded) == (700, 0, 1800)


def test_an_attempt_that_the_chain_reverted_costs_its_fee_and_moves_nothing() -> None:
    told = refunded(overpaid(), *APPROVED, "signed", "failed", "signed", "mined", "confirmed", units=1500)
    coins, fees = (BalanceView.of(asset, balances(entries(history(told)))) for asset in (Asset.USDC, Asset.ETH))
    assert (coins.refunded, coins.hot) == (1500, -1500)
    assert (fees.hot, fees.fees) == (-9, 9)  # 3 lost, 6 paid


def test_coins_that_the_chain_takes_after_they_were_given_back_are_a_shortfall() -> None:
    told = refunded(overpaid(), *APPROVED, "signed", "confirmed", units=1500)
    payment = folded(told).payment
    fork = BlockRef(CHAIN, 0, "b0")
    lost = observe(payment, Observation(CHAIN, START, fork=fork, blocks=(block(1, name="c1"),)))
    books = view([*told, *lost])
    assert (books.received, books.settled, books.refunded, books.shortfall) == (0, 1000, 1500, 2500)
    assert books.balanced


def test_an_entry_is_shown_with_debits_first_and_without_signs() -> None:
    (entry, *_) = entries(history(paid(transfer("a", 400))))
    shown = posting_views(entry.postings.items())
    assert [(p.book, p.account, p.debit, p.credit) for p in shown] == [
        (Book.CLAIMS, Account.RECEIVED, 400, 0),
        (Book.CLAIMS, Account.WAITING, 0, 400),
        (Book.CUSTODY, Account.ADDRESSES, 400, 0),
        (Book.CUSTODY, Account.RECEIVED, 0, 400),
    ]


def test_the_example_of_the_documentation_is_what_is_posted() -> None:
    text = DOCUMENT.read_text()
    header, _, *rows = [line for line in text.partition("## An example")[2].splitlines() if line.startswith("|")]
    columns = [name.strip() for name in header.split("|")[2:-1]]
    shown = [
        [cell.strip(" *").replace(" ", "").replace("\u2212", "-") for cell in row.split("|")[1:-1]] for row in rows
    ]
    first = requested(due=-int(shown[1][4]))
    told: list[Fact] = [first]
    payment = evolve(None, first)
    coin = transfer("a", 5_000_000)
    mined = Observation(CHAIN, START, blocks=(block(1, coin),))
    lost = Observation(CHAIN, START, fork=BlockRef(CHAIN, 0, "b0"), blocks=(block(1, name="c1"),))
    again = Observation(CHAIN, START, blocks=(block(2, coin),))
    for observed in (mined, lost, again):
        for fact in observe(payment, observed):
            told.append(fact)
            payment = evolve(payment, fact)
        for fact in confirm(payment, height=2, final_height=0, now=START):
            told.append(fact)
            payment = evolve(payment, fact)
    posted = list(entries(history(told)))
    named = {account.value: account for account in Account}
    lines = [
        Line(Book.CUSTODY if name.strip("`") == "addresses" else Book.CLAIMS, Asset.USDC, named[name.strip("`")])
        for name in columns
    ]
    drawn = [[entry.type.split(".")[1], *(str(entry.postings.get(line, "")) for line in lines)] for entry in posted]
    total = balances(posted)
    assert shown == [*drawn, ["balance", *(str(total[line]) for line in lines)]]
