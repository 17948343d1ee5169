"""Receipts and timelines: what they say, how they look, what they leave out. get_receipt, get_timeline."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shared.claims.facts  # declares them
import shared.payments.facts  # noqa: F401
from shared.adapters.receipts.pages import ReceiptPages
from shared.kernel.facts import declared
from shared.kernel.ids import DiscountId, ItemId, ModifierId, PaymentId, RefundId, ShopId, UserId
from shared.kernel.money import Asset, Fiat, Money
from shared.orders import get_timeline
from shared.orders.facts import ChosenModifier, Delivery, LineDiscount, LineTax, OrderLine
from shared.orders.get_receipt import (
    Format,
    GivenBack,
    NotPaid,
    PaidWith,
    Purchase,
    Receipt,
    SoldBy,
    accepted,
    receipt_of,
)
from shared.orders.get_timeline import Happened, step
from tests.unit.test_orders_lifecycle import latte, placed

NOON = datetime(2026, 5, 6, 12, tzinfo=UTC)
EVIL = "<script>alert(1)</script> & Kaffee “Röst” Łódź"


def receipt(name: str = EVIL, lines: int = 2) -> Receipt:
    line = OrderLine(
        item_id=ItemId.new(),
        name=name,
        quantity=2,
        unit_price=420,
        modifiers=(ChosenModifier(modifier_id=ModifierId.new(), name=name, price_delta=50),),
        total=940,
        discount=LineDiscount(discount_id=DiscountId.new(), name="Rainy day", units=40),
        taxes=(
            LineTax(name="VAT", rate_bp=1_900, inclusion="inclusive", units=144),
            LineTax(name="City", rate_bp=250, inclusion="exclusive", units=22),
        ),
    )
    paid = PaidWith(
        payment_id=PaymentId.new(),
        chain="evm:1",
        asset=Asset.USDC,
        received=Money(asset=Asset.USDC, units=20_300_000),
        rate="0.9261",
        settled_at=NOON + timedelta(minutes=2),
        txids=("0x" + "5a" * 32,),
    )
    back = GivenBack(
        refund_id=RefundId.new(),
        amount=Money(asset=Asset.USDC, units=1_000_000),
        worth=Fiat(currency="EUR", units=93),
        txid="0x" + "5b" * 32,
        at=NOON + timedelta(hours=1),
    )
    order = placed(latte()).model_copy(
        update={
            "lines": (line,) * lines,
            "tip": 50,
            "delivery": Delivery(sealed="", distance_m=900, fee=250, minimum=0),
            "total": line.payable * lines + 300,
            "placed_at": NOON,
            "currency": "EUR",
        }
    )
    shop = SoldBy(shop_id=ShopId.new(), name=name, address="Torstr. 1, 10119 Berlin", timezone="Europe/Berlin")
    return receipt_of(order, Purchase(shop, [paid], [back]))


def test_a_page_says_it_all_in_the_shops_time_and_escapes_what_people_wrote() -> None:
    page = ReceiptPages().html(receipt()).decode()
    for told in (
        "21.44 EUR",
        "Tip</td><td>0.50 EUR",
        "Delivery</td><td>2.50 EUR",
        "9.40 EUR",
        "−0.80 EUR",
        "City 2.5 %</td><td>0.44 EUR",
        "of which VAT 19 %",
        "2.88 EUR",
        "20.3 USDC",
        "0.9261 EUR",
        "2026-05-06 14:00 CEST",
        "5a" * 32,
        "0.93 EUR",
    ):
        assert told in page
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "Łódź" in page


def test_a_pdf_is_the_same_for_the_same_receipt_and_goes_on_on_another_page() -> None:
    pages, one = ReceiptPages(), receipt(lines=80)
    paper = pages.pdf(one)
    assert paper.startswith(b"%PDF-")
    assert paper == pages.pdf(one)
    assert b"/Count 5" in paper


@settings(max_examples=15, deadline=None)
@given(st.text(min_size=1, max_size=120).filter(str.isprintable))
def test_whatever_people_write_can_be_set(name: str) -> None:
    pages, one = ReceiptPages(), receipt(name, lines=1)
    assert pages.html(one).endswith(b"</html>")
    assert pages.pdf(one).startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("accept", "format"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("text/html,application/xhtml+xml;q=0.9", "html"),
        ("application/pdf", "pdf"),
        ("application/json, text/html", "json"),
        ("image/png, application/pdf;q=0.5", "pdf"),
    ],
)
def test_the_accept_header_chooses_where_nobody_else_does(accept: str, format: Format) -> None:
    assert accepted(accept) == format


def test_there_is_no_receipt_for_what_was_not_paid_and_one_for_what_was_given_back() -> None:
    order, full = placed(latte(2)), receipt()
    with pytest.raises(NotPaid):
        receipt_of(order, Purchase(full.shop, [], []))
    told = receipt_of(order, Purchase(full.shop, [], full.refunds))
    assert (told.total.units, told.refunds) == (order.total, full.refunds)


def test_every_fact_that_a_timeline_shows_exists_with_what_it_shows() -> None:
    shown = get_timeline._SHOWN
    for type_, members in shown.items():
        assert set(members) <= set(declared()[type_].model_fields), type_
    told = {type_ for type_ in declared() if type_.startswith(("order.", "claim."))}
    assert {type_ for type_ in told - shown.keys() if not type_.startswith(("order.any", "claim.any"))} == set()


def happened(type_: str, actor: str, **data: Any) -> Happened:
    return Happened(NOON, "ord_1", type_, actor, data)


@pytest.mark.parametrize(
    ("actor", "by"),
    [
        (lambda customer: customer, "customer"),
        (lambda _: UserId.new(), "shop"),
        (lambda _: "key_1", "shop"),
        (lambda _: "confirm_block", "platform"),
    ],
)
def test_a_step_says_whose_it_was_and_nothing_of_who(actor: Callable[[UserId], str], by: str) -> None:
    customer = UserId.new()
    told = happened("order.cancelled.v1", actor(customer), reason="Closed early", cancelled_by=actor(customer))
    shown = step(told, customer)
    assert (shown.by, shown.detail) == (by, {"reason": "Closed early"})
