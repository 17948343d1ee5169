"""Refunds by line: what so many of an order's lines cost, as coins of its payment. Pure; both steps round down."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from shared.kernel.errors import Invalid
from shared.payments.facts import RefundLine
from shared.payments.model import Payment
from shared.payments.refund_model import RefundState


@dataclass(frozen=True, slots=True)
class LineValue:
    """A line of an order: what was paid for it in minor units, discount and taxes included, and how many it was."""

    payable: int
    quantity: int


def units_of(payment: Payment, lines: Sequence[RefundLine], values: Sequence[LineValue]) -> int:
    """Return the base units that these parts of the order were worth at the quote's rate, tips left out.

    Raises Invalid for a line that is not there, or that was given back already, as far as nobody declined it.
    """
    quote = payment.quote
    if not quote.amount or not quote.price.units:
        raise Invalid("lines: this payment has no quote to count by; name units.")
    given: Counter[int] = Counter()
    for refund in payment.refunds:
        if refund.state is not RefundState.DECLINED:
            given.update({line.line: line.quantity for line in refund.lines})
    minor = 0
    for asked in lines:
        if asked.line >= len(values):
            raise Invalid(f"lines: the order has {len(values)} lines, counted from 0.", line=asked.line)
        value = values[asked.line]
        left = value.quantity - given[asked.line]
        if asked.quantity > left:
            raise Invalid(f"lines: {left} of line {asked.line} can be given back.", line=asked.line)
        minor += value.payable * asked.quantity // value.quantity
    return minor * quote.amount // quote.price.units
