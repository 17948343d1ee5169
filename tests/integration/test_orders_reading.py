"""What people read of an order beside its state: get_timeline and get_receipt, of real payments."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.adapters.postgres.histories import PostgresHistories
from shared.adapters.postgres.purchases import PostgresPurchases
from shared.adapters.receipts.pages import ReceiptPages
from shared.kernel.decision import By, Role
from shared.kernel.errors import NotFound
from shared.kernel.ids import MerchantId, OrderId
from shared.orders.get_receipt import NotPaid, Receipt, ReceiptPath, get_receipt
from shared.orders.get_timeline import Timeline, get_timeline
from shared.payments.model import PaymentView
from tests.integration.paying import Paying, both
from tests.integration.refunding import Refunding
from tests.integration.test_payments_ledger import Books
from tests.scripted_chain import ScriptedChain


@pytest.fixture
async def books(database: str) -> AsyncIterator[Books]:
    paying = await Paying(database, both({"BITCOIN_RPC_URL": "http://u:p@127.0.0.1:1"}, None)).opened()
    books = Books(paying, ScriptedChain())
    await books.read()
    yield books
    await paying.closed()


class Reader:
    """Reads an order as somebody."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.orders = books.paying.orders
        self.purchases = PostgresPurchases(books.paying.db)
        self.histories = PostgresHistories(books.paying.db)

    async def customer(self, payment: PaymentView) -> By:
        stored = await self.books.paying.store.load(payment.payment_id)
        assert stored is not None
        return By(stored.state.customer_id, frozenset({Role.CUSTOMER}))

    async def timeline(self, order_id: OrderId, by: By) -> Timeline:
        return (await get_timeline(order_id, by=by, using=self.orders, histories=self.histories)).view

    async def receipt(self, order_id: OrderId, by: By, **asked: object) -> tuple[str, bytes]:
        path = ReceiptPath.model_validate({"order_id": order_id, **asked})
        reply = await get_receipt(path, "", by=by, using=self.orders, purchases=self.purchases, pages=ReceiptPages())
        return reply.headers["content-type"], bytes(reply.view)


async def test_a_timeline_tells_what_happened_in_order_to_those_who_may_read_the_order(books: Books) -> None:
    reader = Reader(books)
    payment = await books.paid(2)
    me = await reader.customer(payment)
    told = await reader.timeline(payment.order_id, me)
    types = [step.type for step in told.steps]
    assert types[:4] == ["order.placed.v1", "payment.requested.v1", "payment.seen.v1", "payment.included.v1"]
    assert [step.at for step in told.steps] == sorted(step.at for step in told.steps)
    assert {step.by for step in told.steps[:2]} == {"customer"}
    seen = told.steps[2]
    assert (seen.of, seen.by, seen.detail["units"]) == (payment.payment_id, "platform", str(2 * payment.due.units))
    assert await reader.timeline(payment.order_id, books.owner) == told
    assert "quote" not in told.model_dump_json()
    for by in (By("usr_x", frozenset({Role.CUSTOMER})), By("key_x", frozenset({Role.MANAGER}), MerchantId.new())):
        with pytest.raises(NotFound):
            await reader.timeline(payment.order_id, by)
    with pytest.raises(NotFound):
        await reader.timeline(OrderId.new(), me)


async def test_a_receipt_has_the_payment_that_settled_and_the_refund_that_is_final(books: Books) -> None:
    reader, refunding = Reader(books), Refunding(books)
    unpaid, _ = await books.requested()
    with pytest.raises(NotPaid):
        await reader.receipt(unpaid.order_id, await reader.customer(unpaid))
    payment = await refunding.overpaid(2)
    me = By(payment.customer_id, frozenset({Role.CUSTOMER}))
    media, body = await reader.receipt(payment.order_id, me)
    receipt = Receipt.model_validate_json(body)
    assert media == "application/json"
    (paid,) = receipt.payments
    assert (paid.payment_id, paid.received.units, len(paid.txids)) == (payment.payment_id, 2 * payment.due, 1)
    assert (receipt.shop.name, receipt.total.units, receipt.refunds) == ("Bohne", 420, ())
    asked = await refunding.ask(payment)
    await refunding.to_the_end()
    _, body = await reader.receipt(payment.order_id, me)
    (given,) = Receipt.model_validate_json(body).refunds
    assert (given.refund_id, given.amount.units) == (asked.refund_id, payment.due)
    assert given.txid == (await refunding.refund(asked.refund_id)).signed[-1].txid
    for form, start in (("html", b"<!doctype html>"), ("pdf", b"%PDF-")):
        media, body = await reader.receipt(payment.order_id, me, format=form)
        assert body.startswith(start)
    with pytest.raises(NotFound):
        await reader.receipt(payment.order_id, By("usr_x", frozenset({Role.CUSTOMER})))
