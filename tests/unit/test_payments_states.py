"""The table of a payment's states: what the documentation says is what the rules do, and what orders do with it."""

from itertools import product

from shared.kernel.ids import PaymentId
from shared.orders import lifecycle as orders
from shared.orders.model import Order, OrderStatus
from shared.payments.lifecycle import GRACE, HOLD
from shared.payments.model import Amount, Finality, Timing
from shared.payments.state_table import order_does, table
from shared.payments.states import rows
from tests.unit.test_orders_lifecycle import NOON, latte, placed
from triggers.registry import ROOT

FOUND = rows()
PAYMENT = PaymentId.new()


def test_the_documented_states_are_current() -> None:
    written = (ROOT / "docs" / "payment-states.md").read_text()
    assert written == table(FOUND), "python -m shared.payments.states > docs/payment-states.md"


def test_every_combination_stands_in_the_table_once() -> None:
    text = table(FOUND)
    for axes in product(Amount, Timing, Finality):
        occurs, does_not = text.count(f"\n| {' | '.join(axes)} |"), text.count(" × ".join(axes))
        assert (occurs, does_not) == ((1, 0) if axes in FOUND else (0, 1)), axes


def test_the_order_does_what_the_table_says() -> None:
    said = {
        (OrderStatus.PENDING, False): {"waits, its stock held"},
        (OrderStatus.CONFIRMED, False): {"is confirmed, goes on", "is halted with the next block"},
        (OrderStatus.CONFIRMED, True): {"is halted before hand-over, its stock held"},
    }
    for (_, _, finality), row in FOUND.items():
        order = placed(latte())
        if finality not in (Finality.NONE, Finality.SEEN):
            order = _followed(order, settled=True)
        if finality is Finality.REVERSED:
            order = _followed(order, settled=False)
        assert any(order_does(finality, row).startswith(text) for text in said[order.status, order.halted])


def _followed(order: Order, *, settled: bool) -> Order:
    step = orders.confirm if settled else orders.halt
    for fact in step(order, PAYMENT, settled=settled, now=NOON):
        order = orders.evolve(order, fact)
    return order


def test_an_order_that_expired_stays_so_when_its_payment_settles() -> None:
    order = placed(latte())
    for fact in orders.expire(order, now=NOON):
        order = orders.evolve(order, fact)
    assert _followed(order, settled=True) == order


def test_what_no_rule_may_ever_do_occurs_nowhere() -> None:
    for (amount, timing, finality), row in FOUND.items():
        assert row.settled == {finality in (Finality.CONFIRMED, Finality.FINAL)}
        if finality is Finality.FINAL:
            assert amount in (Amount.EXACT, Amount.OVER)
            assert row.reverses == {False}
            assert row.reverses_now == {False}
        if finality is Finality.CONFIRMED:
            assert row.reverses == {True}
            assert row.reverses_now == {True} or amount in (Amount.EXACT, Amount.OVER)
        assert (row.expires == {None}) == (row.settled == {True})
        assert row.expires <= {None, GRACE, HOLD}
        if amount in (Amount.NONE, Amount.UNDER):
            assert row.settles == {False}
        elif timing is Timing.ON_TIME and row.settled == {False}:
            assert row.settles == {True}
