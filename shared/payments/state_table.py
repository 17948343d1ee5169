"""The table of every state of a payment, in words: docs/payment-states.md."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import product
from typing import Final

from shared.kernel.errors import Bug
from shared.payments.lifecycle import GRACE, HOLD, MINED_WITHIN
from shared.payments.model import Amount, Finality, Timing
from shared.payments.states import Axes, Row

_AMOUNT: Final = {
    Amount.NONE: "nothing stands",
    Amount.UNDER: "too little stands",
    Amount.EXACT: "what is due stands",
    Amount.OVER: "more than is due stands",
}
_TIMING: Final = {Timing.NONE: "", Timing.ON_TIME: ", {} of it on time", Timing.LATE: ", not {} of it on time"}
_FINALITY: Final = {
    Finality.NONE: "",
    Finality.SEEN: "; it was never settled",
    Finality.CONFIRMED: "; it is settled",
    Finality.FINAL: "; it is settled for good",
    Finality.REVERSED: "; its settlement was taken back",
}
_SETTLES_IF: Final = "if enough of it came within the grace and is not mined too late"
_INTRODUCTION: Final = """\
# States of a payment

Written by `python -m shared.payments.states > docs/payment-states.md`, which lets a chain do all it can to a payment
and notes what the rules did; a test compares. Three axes, drawn from the payment's facts alone:

- **amount**: what stands (arrived, not taken back, in the asset asked for, no dust) against what is due. Exact is
  also what lacks no more than the tolerance; one base unit above what is due is over.
- **timing**: on time is seen by expiry and mined within {mined} of it. What was seen within the grace ({grace} after
  expiry) is late and settles if it still buys, at the present price, what was not paid on time; what came later is
  held for refund. A reorganisation makes nothing late that was mined in time once.
- **finality**: the last that was decided. Confirmed can be reversed, final can't; seen is in the mempool or in a block.

*Settles*: whether what stands settles it once it is mined in time and confirmed, with no further transfer.
*Expires*: when it is let go unless it settles first; only when chain and mempool were read beyond that moment. For one
whose settlement was taken back the 24 h begin anew with that. What stands in blocks, enough and in time, is never let
go: it only waits to be confirmed.
*Reverses*: whether it is reversed if the chain takes everything back.

Besides the axes a payment can be

- *expired*: let go. It is watched for ever and its axes go on moving, but it settles nothing any more: what arrives is
  the customer's to have back. One that was settled and taken back expires a day after that at the earliest.
- *superseded*: its customer chose another coin before anything was seen. It can still be paid; the order's first
  payment to settle wins.
- *closed*: its order was called off, or another payment settled it. What stands is the customer's, settled or not.
- *written off*: its order was handed over, and then the chain took the payment back. It never expires, and settles
  again however late the coins come.

| amount | timing | finality | means | the order | settles | expires | reverses |
|---|---|---|---|---|---|---|---|
"""


def table(found: Mapping[Axes, Row]) -> str:
    """Return the document. Raises Bug for a combination that neither occurs nor can be said why not."""
    every = list(product(Amount, Timing, Finality))
    lines = [_line(axes, found[axes]) for axes in every if axes in found]
    never: dict[str, list[Axes]] = {}
    for axes in every:
        if axes not in found:
            never.setdefault(_why_not(*axes), []).append(axes)
    lines += ["", f"The other {len(every) - len(found)} combinations don't occur:", ""]
    lines += [f"- {why}: {', '.join(' × '.join(axes) for axes in those)}." for why, those in never.items()]
    return _INTRODUCTION.format(grace=_told(GRACE), mined=_told(MINED_WITHIN)) + "\n".join(lines) + "\n"


def _line(axes: Axes, row: Row) -> str:
    amount, timing, finality = axes
    timed = _TIMING[timing].format("all" if amount is Amount.UNDER else "enough")
    meaning = _AMOUNT[amount] + timed + _FINALITY[finality]
    cells = [meaning, order_does(finality, row), _settles(row), _expires(row), _reverses(row)]
    return f"| {' | '.join([*axes, *cells])} |"


def order_does(finality: Finality, row: Row) -> str:
    """Return what an order does whose payment stands so, as long as neither has expired."""
    if row.settled == {True}:
        return _on(row, "is confirmed, goes on", "is halted with the next block")
    return "is halted before hand-over, its stock held" if finality is Finality.REVERSED else "waits, its stock held"


def _settles(row: Row) -> str:
    if row.settled == {True}:
        return "is settled"
    return _SETTLES_IF if len(row.settles) == 2 else "yes" if True in row.settles else "no"


def _expires(row: Row) -> str:
    ends = {end for end in row.expires if end is not None}
    if not ends:
        return "never"
    if ends == {GRACE, HOLD}:
        return f"{_told(HOLD)} after expiry, {_told(GRACE)} if nothing came within the grace"
    return f"{_told(ends.pop())} after expiry"


def _reverses(row: Row) -> str:
    if row.reverses == {True}:
        return _on(row, "yes", "with the next block")
    return "never" if row.settled == {True} else "is not settled"


def _on(row: Row, stands: str, falls: str) -> str:
    """Return what holds of a settled payment that the next block leaves settled, of one that it reverses, or both."""
    if len(row.reverses_now) == 2:
        return f"{stands}; {falls} where too little of it is in a block and in time"
    return falls if True in row.reverses_now else stands


def _why_not(amount: Amount, timing: Timing, finality: Finality) -> str:
    if (amount is Amount.NONE) != (timing is Timing.NONE):
        return "there is a timing when something stands, and only then"
    if amount is not Amount.NONE and finality is Finality.NONE:
        return "what stands was seen at least"
    if amount is Amount.NONE and finality is Finality.SEEN:
        return "nothing that was seen stands"
    if amount in (Amount.NONE, Amount.UNDER) and finality is Finality.FINAL:
        return "what is final can't be taken back"
    raise Bug(f"a payment can't be {amount}, {timing}, {finality}, and nobody knows why")


def _told(span: timedelta) -> str:
    hours, minutes = divmod(int(span.total_seconds()) // 60, 60)
    return f"{hours} h" if hours > 1 else f"{60 * hours + minutes} min"
