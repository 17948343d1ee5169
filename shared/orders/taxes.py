"""The tax in, and on top of, what a line of an order costs. Pure; integers only.

Tax is reckoned per line, on what is left of its total after discount. Inclusive taxes are a part of that: all of them
together, rounded half up, then shared out by their rates so that they add up. Exclusive taxes come on top of what
remains without the inclusive ones, each rounded half up by itself. No tax is reckoned on another.
"""

from collections.abc import Sequence

from shared.catalog.facts import Tax
from shared.orders.facts import LineTax, OrderLine


def taxed(line: OrderLine, taxes: Sequence[Tax]) -> OrderLine:
    """Return the line with the taxes that are for it, inclusive ones first."""
    if not taxes:
        return line
    paid = line.total - (line.discount.units if line.discount else 0)
    inside = [tax for tax in taxes if tax.inclusion == "inclusive"]
    parts = _within(paid, inside)
    net = paid - sum(parts)
    lines = [_line(tax, units) for tax, units in zip(inside, parts, strict=True)]
    lines += [_line(tax, _half_up(net * tax.rate_bp, 10_000)) for tax in taxes if tax.inclusion == "exclusive"]
    return line.model_copy(update={"taxes": tuple(lines)})


def _within(paid: int, taxes: Sequence[Tax]) -> list[int]:
    """Return how much of a price each inclusive tax is."""
    rates = sum(tax.rate_bp for tax in taxes)
    if not rates:
        return [0] * len(taxes)
    whole = _half_up(paid * rates, 10_000 + rates)
    parts, seen = [], 0
    for tax in taxes:
        before, seen = seen, seen + tax.rate_bp
        parts.append(whole * seen // rates - whole * before // rates)
    return parts


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def _line(tax: Tax, units: int) -> LineTax:
    return LineTax(name=tax.name, rate_bp=tax.rate_bp, inclusion=tax.inclusion, units=units)
