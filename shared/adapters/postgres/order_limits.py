"""What an order is held against besides the stock: parts of the statement that places orders, left out where unused.

A limit locks its counters after the stock, and all limits come in one order, so that nobody waits in a circle.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from shared.orders.model import Order


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit, as common table expressions, each of which starts with a comma."""

    name: str
    """What the statement answers for a request that surely passes it."""
    locked: str
    """The expression that locks the counters; in `before`, `{behind}` is the one whose locks come first."""
    refused: str
    """The expression with those that pass it: (n, surely). Not surely: but for those before it in the batch."""
    before: str
    """Up to `refused`; it reads `asked`."""
    after: str
    """What goes into the commit of those that fit; it reads `fresh`."""
    params: Callable[[Sequence[Order]], dict[str, str] | None]
    """The parameters for a batch; None where the limit concerns none of it."""
    refusal: Callable[[Order], Exception]


def array(values: Iterable[int | str]) -> str:
    """Return an array as Postgres writes it, quoted: a SKU may be called null, but has no quote or backslash in it."""
    return "{" + ",".join(f'"{value}"' for value in values) + "}"
