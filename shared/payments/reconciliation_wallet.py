"""The hot wallet, compared: what was ever put into it is what it holds and what refunds took out. That only grows.

Nobody tells us when the wallet is funded, so the sum is drawn from the chain at one final block; where it is smaller
than it was once, coins have gone that no refund sent. Transactions under way may have left or not: they excuse as much.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared.kernel.money import Asset, Money
from shared.payments.chain import BlockRef
from shared.payments.reconciliation import Difference, Kind
from shared.payments.refund_model import UNDER_WAY, Refund, RefundState


@dataclass(frozen=True, slots=True)
class Wallet:
    """What the hot wallet of a chain holds at a block, in base units, of every asset of the chain."""

    address: str
    held: Mapping[Asset, int]


@dataclass(frozen=True, slots=True)
class Sent:
    """What refunds took out of the hot wallet up to a block for certain, and what they may have."""

    out: Counter[Asset] = field(default_factory=Counter)
    maybe: Counter[Asset] = field(default_factory=Counter)


def sent(refunds: Iterable[Refund], upto: int, by: datetime) -> Sent:
    """Return what the chain's refunds took out in blocks up to a height, whose time is `by`.

    A fee that was lost to a failed attempt has no block of its own here: it counts once the refund is older than `by`.
    """
    found = Sent()

    def add(to: Counter[Asset], *amounts: Money | None) -> None:
        for each in amounts:
            if each is not None:
                to[each.asset] += each.units

    for refund in refunds:
        add(found.out if refund.changed_at < by else found.maybe, refund.lost)
        if refund.state in UNDER_WAY:
            add(found.maybe, refund.amount, max((each.fee for each in refund.signed), key=lambda fee: fee.units))
        elif refund.state is RefundState.CONFIRMED and refund.mined is not None and refund.mined.height <= upto:
            add(found.out, refund.amount, refund.fee)
    return found


def funded(wallet: Wallet, gone: Sent) -> dict[Asset, int]:
    """Return what was put into the wallet at least, as the block shows it."""
    return {asset: units + gone.out[asset] for asset, units in wallet.held.items()}


def compare_wallet(wallet: Wallet, gone: Sent, known: Mapping[Asset, int], at: BlockRef) -> Iterator[Difference]:
    """Yield where the wallet holds less than what was once known to be put in leaves, whatever is under way."""
    for asset, put_in in known.items():
        least = put_in - gone.out[asset] - gone.maybe[asset]
        held = wallet.held.get(asset)
        if held is not None and held < least:
            yield Difference(
                at.chain,
                Kind.HOT_WALLET,
                asset=asset,
                address=wallet.address,
                expected=max(least, 0),
                found=held,
                height=at.height,
                says="less than was put in and not sent out by refunds",
            )
