"""Which coins pay for a transaction, and at which fee. Pure arithmetic in satoshi and weight units.

Sizes are exact for native segwit inputs whose signatures have 71 bytes; one in two hundred is a byte shorter.
Source: BIP-141 for weight; Bitcoin Core's `GetDustThreshold` for dust, at its default of 3 sat/vB.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from shared.payments.chain import Outpoint
from shared.payments.spending import WalletShort

CHANGE_SCRIPT_BYTES: Final = 22
_INPUT_WEIGHT: Final = 41 * 4 + 108
_DUST_RATE: Final = 3000  # satoshi per 1,000 virtual bytes
_MOST_COINS: Final = 200


@dataclass(frozen=True, slots=True)
class Coin:
    """A coin of the wallet."""

    outpoint: Outpoint
    satoshi: int
    confirmations: int

    @property
    def slot(self) -> str:
        return slot_of(self.outpoint)


@dataclass(frozen=True, slots=True)
class Choice:
    """Coins that pay `units` and the fee. `change` is 0 where there is none: what is left over is then in the fee."""

    coins: tuple[Coin, ...]
    change: int
    fee: int


def slot_of(outpoint: Outpoint) -> str:
    """Return how `shared.payments.spending.Draft.slots` names a coin."""
    return f"{outpoint.txid}:{outpoint.output}"


def outpoint_of(slot: str) -> Outpoint:
    """Return the coin that a slot names. Raises ValueError for another kind of slot."""
    txid, _, output = slot.partition(":")
    if len(txid) != 64:
        raise ValueError(f"{slot!r} names no coin")
    return Outpoint(txid, int(output))


def dust(script_bytes: int, *, witness: bool) -> int:
    """Return the least satoshi that nodes pass on in an output to such a script."""
    spent_by = 41 + 107 // 4 if witness else 148
    return (8 + 1 + script_bytes + spent_by) * _DUST_RATE // 1000


def vsize(inputs: int, script_bytes: Sequence[int]) -> int:
    """Return the virtual bytes of a transaction with so many of our inputs, and outputs to scripts of these lengths."""
    frame = (4 + 1 + 1 + 4) * 4 + 2 + (8 if inputs >= 0xFD else 0)
    outputs = sum(8 + 1 + length for length in script_bytes) * 4
    return -(-(frame + outputs + inputs * _INPUT_WEIGHT) // 4)


def fee_at(rate: int, size: int) -> int:
    """Return the satoshi for `size` virtual bytes at `rate` satoshi per 1,000 of them, rounded up."""
    return -(-rate * size // 1000)


def choose(
    coins: Collection[Coin],
    units: int,
    to_script_bytes: int,
    *,
    rate: int,
    fee_at_least: int = 0,
    must: Sequence[Coin] = (),
    least_change: int,
) -> Choice:
    """Return coins that pay `units` at the rate, all of `must` among them. Raises WalletShort.

    One coin if one is enough, the smallest such: large ones stay whole, and change is kept small. Else the largest,
    so that inputs are few. Change below `least_change` is left to the fee.
    """
    spare = sorted((coin for coin in coins if coin not in must), key=lambda coin: (coin.satoshi, coin.outpoint))
    if must and (found := _paid(must, units, to_script_bytes, rate, fee_at_least, least_change)):
        return found
    for coin in spare:
        if found := _paid((*must, coin), units, to_script_bytes, rate, fee_at_least, least_change):
            return found
    taken = list(must)
    for coin in reversed(spare[-_MOST_COINS:]):
        taken.append(coin)
        if found := _paid(taken, units, to_script_bytes, rate, fee_at_least, least_change):
            return found
    has = sum(coin.satoshi for coin in taken)
    raise WalletShort(f"The hot wallet has {has} satoshi to spend now, too few for {units} and the fee.")


def _paid(
    coins: Sequence[Coin], units: int, to_script_bytes: int, rate: int, fee_at_least: int, least_change: int
) -> Choice | None:
    brought = sum(coin.satoshi for coin in coins)
    with_change = max(fee_at(rate, vsize(len(coins), (to_script_bytes, CHANGE_SCRIPT_BYTES))), fee_at_least)
    change = brought - units - with_change
    if change >= least_change:
        return Choice(tuple(coins), change, with_change)
    without = max(fee_at(rate, vsize(len(coins), (to_script_bytes,))), fee_at_least)
    if brought - units >= without:
        return Choice(tuple(coins), 0, brought - units)
    return None
