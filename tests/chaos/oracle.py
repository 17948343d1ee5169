"""The judge of a run: what customers were told and what the chains hold, against what the platform says.

It trusts neither the ledger nor the payments: it reads the blocks itself and compares. What comes to less than the
chain or the customers know is lost; what comes to more is doubled. `broken` is what no coin is missing for, and yet is
not as it must be.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from shared.adapters.postgres.database import Connection, Sql
from shared.adapters.postgres.ledger_check import check
from shared.adapters.postgres.replay import replay
from tests.chaos.ground import SKU, STOCKED
from tests.chaos.payers import Known
from tests.chaos.refunds import KnownRefund
from tests.chaos.truth import Coin, Truth

MINED_WITHIN: Final = timedelta(minutes=60)
_PAYMENTS: Final = Sql(
    "select payment_id, order_id, chain, asset, lower(address), due::text, dust::text, settled, final, expired,"
    " transfers::text, refunds::text, expires_at from payments"
)
_BOOKS: Final = Sql(
    "select payment_id, asset, account, sum(units)::text from ledger_postings where book = 'claims' group by 1, 2, 3"
)
_UNBALANCED: Final = Sql(
    "select book, asset, sum(units)::text from ledger_postings group by 1, 2 having sum(units) <> 0"
)
_ORDERS: Final = Sql("select order_id, shop_id, status, halted, lines::text from orders")
_CLAIMS: Final = Sql("select order_id, status from claims")
_STOCK: Final = Sql("select shop_id, on_hand, reserved from stock where sku = :sku")
_ONCE: Final = Sql(
    "select stream, type, count(*) from events where type in ('order.placed.v1', 'order.confirmed.v1',"
    " 'order.preparing.v1', 'order.ready.v1', 'order.completed.v1', 'claim.issued.v1', 'claim.redeemed.v1',"
    " 'payment.requested.v1', 'payment.final.v1', 'payment.expired.v1') group by 1, 2 having count(*) > 1"
)
_TWICE_RUNNING: Final = Sql(
    "select stream, type from (select stream, type, lag(type) over (partition by stream order by version) as before"
    " from events where type in ('payment.settled.v1', 'payment.reversed.v1')) as e where type = before"
)
_CURSORS: Final = Sql("select chain, height, block_hash from chain_cursors")
_BLOCKS: Final = Sql("select chain, height, block_hash from chain_blocks order by 1, 2")
_PARKED: Final = Sql("select operation, key, reason from parked")
_HAPPENED: Final = Sql(
    "select type, count(*) from events where type in ('payment.settled.v1', 'payment.reversed.v1',"
    " 'payment.final.v1', 'payment.excluded.v1', 'order.halted.v1', 'order.resumed.v1') group by 1"
)
_SETTLED: Final = Sql("select stream, min(at) from events where type = 'payment.settled.v1' group by 1")


@dataclass
class Verdict:
    """What was found. Everything but `unknown` must be empty."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    settle_s: list[float] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Return whether nothing is wrong."""
        return not (self.lost or self.doubled or self.unbalanced or self.broken)

    def compare(self, what: str, told: int, true: int) -> None:
        """Note a figure that is less or more than it must be."""
        if told < true:
            self.lost.append(f"{what}: {told} of {true}")
        elif told > true:
            self.doubled.append(f"{what}: {told}, and only {true} is so")


@dataclass(frozen=True, slots=True)
class Row:
    """A payment as the platform has it."""

    payment_id: str
    order_id: str
    chain: str
    asset: str
    address: str
    due: int
    dust: int
    settled: bool
    final: bool
    expired: bool
    transfers: Sequence[Mapping[str, Any]]
    refunds: Sequence[Mapping[str, Any]]
    expires_at: datetime


def judge(
    connection: Connection,
    truth: Truth,
    known: Sequence[Known],
    refunds: Sequence[KnownRefund],
    mails: Mapping[str, list[str]],
) -> Verdict:
    """Return the verdict about a run whose platform and chains are at rest. `mails` has subjects by address."""
    verdict = Verdict()
    rows = {row[0]: _row(row) for row in connection.run(_PAYMENTS, {})}
    books: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for payment_id, asset, account, units in connection.run(_BOOKS, {}):
        books[payment_id][asset, account] += int(units)
    orders = {row[0]: row[1:] for row in connection.run(_ORDERS, {})}
    _acknowledged(verdict, known, rows, orders)
    late = {one.payment_id for one in known if one.paying.kind in ("late", "too_late")}
    for row in rows.values():
        coins = truth.coins.get(row.address, [])
        _transfers(verdict, row, coins)
        settles = _must_settle(row, coins)
        if row.payment_id in late:  # the price may have moved so far that late coins don't settle: then they are held
            settles = settles and row.settled
        order = orders.get(row.order_id)
        # Handed over, and the chain took the coins back afterwards: the shop's loss, which the books say.
        loss = not settles and order is not None and order[1] == "completed"
        _accounts(verdict, row, coins, books[row.payment_id], settles=settles, loss=loss)
        _order(verdict, row, order, settled=settles)
    _refunded(verdict, refunds, rows, truth, books)
    _once(verdict, connection)
    _goods(verdict, connection, known, orders)
    _told(verdict, mails)
    _blocks(verdict, connection, truth)
    _ledger(verdict, connection, books, rows, truth)
    _times(verdict, connection, known)
    return verdict


def _row(row: Sequence[Any]) -> Row:
    payment_id, order_id, chain, asset, address, due, dust, settled, final, expired, transfers, refunds, expires_at = (
        row
    )
    return Row(
        payment_id=payment_id,
        order_id=order_id,
        chain=chain,
        asset=asset,
        address=address,
        due=int(due),
        dust=int(dust),
        settled=settled,
        final=final,
        expired=expired,
        transfers=json.loads(transfers),
        refunds=json.loads(refunds),
        expires_at=expires_at,
    )


def _acknowledged(
    verdict: Verdict, known: Sequence[Known], rows: Mapping[str, Row], orders: Mapping[str, Sequence[Any]]
) -> None:
    """Everything that a customer was told is there, and was told once."""
    addresses = Counter(one.address for one in known if one.address)
    verdict.doubled += [f"{address} was shown for {n} payments" for address, n in addresses.items() if n > 1]
    for one in known:
        verdict.doubled += [f"a repeated request was answered otherwise: {each}" for each in one.told_twice]
        if one.unknown:
            verdict.unknown.append(f"payment {one.paying.number} ({one.paying.kind}): {one.unknown}")
        if one.order_id and one.order_id not in orders:
            verdict.lost.append(f"{one.order_id} was acknowledged, and is not there")
        if not one.payment_id:
            continue
        row = rows.get(one.payment_id)
        if row is None or (row.address, row.due) != (one.address.lower(), one.due):
            verdict.lost.append(f"{one.payment_id} was acknowledged, and is {'another' if row else 'not there'}")
    verdict.figures["acknowledged_orders"] = sum(1 for one in known if one.order_id)
    verdict.figures["acknowledged_payments"] = sum(1 for one in known if one.payment_id)


def _transfers(verdict: Verdict, row: Row, coins: Sequence[Coin]) -> None:
    """The transfers that stand are those of the chain, each in its very block."""
    stands = Counter(
        (each["txid"], int(each["units"]), each["asset"] or row.asset, each["inclusion"]["block_hash"])
        for each in row.transfers
        if each["live"] and each["inclusion"]
    )
    true = Counter((coin.txid, coin.units, coin.asset, coin.block_hash) for coin in coins if coin.chain == row.chain)
    verdict.lost += [f"{row.payment_id}: {units} {asset} of {txid}" for txid, units, asset, _ in (true - stands)]
    verdict.doubled += [f"{row.payment_id}: {units} {asset} of {txid}" for txid, units, asset, _ in (stands - true)]


def _counted(row: Row, coins: Sequence[Coin]) -> int:
    """Return the base units on chain that may settle the payment: in its coin, no dust, mined in time."""
    last = row.expires_at + MINED_WITHIN
    return sum(c.units for c in coins if c.asset == row.asset and c.units >= row.dust and c.at <= last)


def _must_settle(row: Row, coins: Sequence[Coin]) -> bool:
    """Return whether the payment must stand settled. Nobody in a run sends between 95 and 100 % of what is due."""
    return not row.expired and _counted(row, coins) >= row.due


def _accounts(
    verdict: Verdict, row: Row, coins: Sequence[Coin], book: Counter[tuple[str, str]], *, settles: bool, loss: bool
) -> None:
    """The ledger has received what the chain holds, and gives the shop what is due, or the customer everything.

    A loss stays the shop's credit, and is missing.
    """
    name = row.payment_id
    on_chain: Counter[str] = Counter()
    for coin in coins:
        on_chain[coin.asset] += coin.units
    for asset in {*on_chain, *(asset for asset, _ in book)}:
        verdict.compare(f"{name} received {asset}", book[asset, "received"], on_chain[asset])
    verdict.compare(f"{name} is settled", int(row.settled and not row.expired), int(settles))
    given = sum(int(each["of_settled"]) for each in row.refunds if each["state"] not in ("requested", "declined"))
    revenue = max(row.due - given, 0) if settles or loss else 0
    if loss:
        verdict.figures["losses_after_hand_over"] = verdict.figures.get("losses_after_hand_over", 0) + 1
        missing = max(revenue - on_chain[row.asset], 0)
        verdict.compare(f"{name} misses {row.asset}", book[row.asset, "shortfall"], missing)
    verdict.compare(f"{name} has settled {row.asset}", -book[row.asset, "settled"], revenue)
    if row.settled and not row.final:
        verdict.broken.append(f"{name} is settled long ago, and not final")


def _order(verdict: Verdict, row: Row, order: Sequence[Any] | None, *, settled: bool) -> None:
    """An order that is paid goes on; one that is not waits, unless it was handed over before."""
    if order is None:
        verdict.lost.append(f"{row.order_id} of {row.payment_id} is not there")
        return
    _, status, halted, _ = order
    goes_on = status in ("confirmed", "preparing", "ready") and not halted
    if settled and not (goes_on or status == "completed"):
        verdict.lost.append(f"{row.order_id} is paid, and {'halted' if halted else status}")
    if not settled and not row.expired and goes_on:
        verdict.doubled.append(f"{row.order_id} goes on, and its coins are not there")


def _refunded(
    verdict: Verdict,
    refunds: Sequence[KnownRefund],
    rows: Mapping[str, Row],
    truth: Truth,
    books: Mapping[str, Counter[tuple[str, str]]],
) -> None:
    """Each refund that was acknowledged has paid its address once, or not at all where it was not agreed to."""
    states: Counter[str] = Counter()
    told: dict[str, Mapping[str, Any]] = {}
    for row in rows.values():
        confirmed: Counter[str] = Counter()
        for each in row.refunds:
            told[str(each["refund_id"])] = each
            states[str(each["state"])] += 1
            if each["state"] == "confirmed":
                confirmed[str(each["amount"]["asset"])] += int(each["amount"]["units"])
        for asset in {*confirmed, *(of for of, account in books[row.payment_id] if account == "refunded")}:
            given = -books[row.payment_id][asset, "refunded"]
            verdict.compare(f"{row.payment_id} has refunded {asset}", given, confirmed[asset])
    for one in refunds:
        verdict.doubled += [f"{one.refund_id} repeated was {again}" for again in one.told_twice]
        there = told.get(one.refund_id)
        if there is None:
            verdict.lost.append(f"{one.refund_id} was acknowledged, and is not there")
            continue
        paid = sum(coin.units for coin in truth.coins.get(one.to.lower(), []) if coin.asset == one.asset)
        state = str(there["state"])
        verdict.compare(f"{one.refund_id} ({state}) has paid", paid, one.units if state == "confirmed" else 0)
        if state == "approved" and _without_coins(rows[one.payment_id], one.asset, truth):
            verdict.figures["refunds_without_coins"] = verdict.figures.get("refunds_without_coins", 0) + 1
        elif one.declined != (state == "declined") or state in ("approved", "signed", "broadcast", "mined"):
            verdict.broken.append(f"{one.refund_id} is {state} in the end")
    verdict.figures |= {f"refunds_{state}": n for state, n in sorted(states.items())}
    verdict.figures["acknowledged_refunds"] = len(refunds)
    verdict.figures["refunds_bumped"] = sum(len(each["signed"]) > 1 for each in told.values())


def _without_coins(row: Row, asset: str, truth: Truth) -> bool:
    """Tell whether the chain has taken back so much that what was agreed to can't all be sent.

    Of a payment that may still settle nothing is sent: what is left of it waits for the rest.
    """
    if asset == row.asset and not row.settled and not row.expired:
        return True
    there = sum(coin.units for coin in truth.coins.get(row.address, []) if coin.asset == asset)
    agreed = [each for each in row.refunds if each["amount"]["asset"] == asset]
    agreed = [each for each in agreed if each["state"] not in ("requested", "declined")]
    kept = row.due - sum(int(each["of_settled"]) for each in agreed) if row.settled and asset == row.asset else 0
    return sum(int(each["amount"]["units"]) for each in agreed) > there - max(kept, 0)


def _once(verdict: Verdict, connection: Connection) -> None:
    """What may happen once has happened once; a settlement is taken back before there is another."""
    verdict.doubled += [f"{stream}: {type_} {n} times" for stream, type_, n in connection.run(_ONCE, {})]
    verdict.doubled += [f"{stream}: {type_} twice running" for stream, type_ in connection.run(_TWICE_RUNNING, {})]
    parked = connection.run(_PARKED, {})
    verdict.broken += [f"{operation} has parked {key}: {reason}" for operation, key, reason in parked]


def _goods(
    verdict: Verdict, connection: Connection, known: Sequence[Known], orders: Mapping[str, Sequence[Any]]
) -> None:
    """The shelves lack what was made, and hold what is waited for; each handed over once, to whoever has a claim."""
    made: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for shop_id, status, _, listed in orders.values():
        quantity = sum(int(line["quantity"]) for line in json.loads(listed))
        made[shop_id] += quantity if status in ("preparing", "ready", "completed") else 0
        held[shop_id] += quantity if status in ("pending", "confirmed") else 0
    for shop_id, on_hand, reserved in connection.run(_STOCK, {"sku": SKU}):
        verdict.compare(f"{shop_id}: portions used", STOCKED - on_hand, made[shop_id])
        verdict.compare(f"{shop_id}: portions held", reserved, held[shop_id])
    claims = {str(row[0]): str(row[1]) for row in connection.run(_CLAIMS, {})}
    for one in known:
        order = orders.get(one.order_id)
        if one.served and (order is None or order[1] != "completed" or claims.get(one.order_id) != "redeemed"):
            verdict.lost.append(f"{one.order_id} was handed over, and is {order[1] if order else 'not there'}")
    verdict.figures["handed_over"] = sum(1 for one in known if one.served)


def _told(verdict: Verdict, mails: Mapping[str, list[str]]) -> None:
    """Nobody is told twice that an order is paid, ready or handed over."""
    for address, subjects in mails.items():
        for subject, n in Counter(subjects).items():
            if n > 1 and subject.endswith((" is paid", " is ready")):
                verdict.doubled.append(f"{address} was told {n} times: {subject}")
    verdict.figures["mails"] = sum(map(len, mails.values()))


def _blocks(verdict: Verdict, connection: Connection, truth: Truth) -> None:
    """Each cursor stands at its chain's tip, and the blocks below it are the chain's, without a gap."""
    for chain, height, block_hash in connection.run(_CURSORS, {}):
        if (height, block_hash) != truth.tip(chain):
            verdict.lost.append(f"{chain} was read to {height}, and its tip is {truth.tip(chain)[0]}")
    last: dict[str, int] = {}
    for chain, height, block_hash in connection.run(_BLOCKS, {}):
        if truth.hashes[chain].get(height, block_hash) != block_hash:
            verdict.broken.append(f"{chain}: block {height} is another one")
        if last.get(chain, height - 1) != height - 1:
            verdict.lost.append(f"{chain}: no block between {last[chain]} and {height}")
        last[chain] = height


def _ledger(
    verdict: Verdict,
    connection: Connection,
    books: Mapping[str, Counter[tuple[str, str]]],
    rows: Mapping[str, Row],
    truth: Truth,
) -> None:
    """Both books balance, say what the events say, and all of it together is what all addresses hold."""
    for book, asset, units in connection.run(_UNBALANCED, {}):
        verdict.unbalanced.append(f"{book} in {asset} is off by {units}")
    total: Counter[str] = Counter()
    for payment_id, kept in books.items():
        if payment_id in rows:
            for (asset, account), units in kept.items():
                total[asset] += units if account == "received" else 0
    held: Counter[str] = Counter()
    for row in rows.values():
        for coin in truth.coins.get(row.address, []):
            held[coin.asset] += coin.units
    for asset in {*total, *held}:
        if total[asset] != held[asset]:
            verdict.unbalanced.append(f"received {total[asset]} {asset}, the addresses got {held[asset]}")
    report = check(connection)
    verdict.unbalanced += [*report.missing, *report.differences]
    verdict.unbalanced += [f"{each.asset} does not balance" for each in report.balances if not each.balanced]
    replayed = replay(connection)
    verdict.broken += replayed.differences
    verdict.figures |= {"ledger_entries": report.entries, "streams": replayed.streams, "events": replayed.events}


def _times(verdict: Verdict, connection: Connection, known: Sequence[Known]) -> None:
    for type_, count in connection.run(_HAPPENED, {}):
        verdict.figures[type_.removesuffix(".v1").replace(".", "_")] = count
    settled_at = {str(row[0]): row[1] for row in connection.run(_SETTLED, {})}
    for one in known:
        if one.sent_at and one.payment_id in settled_at:
            verdict.settle_s.append((settled_at[one.payment_id] - one.sent_at).total_seconds())
