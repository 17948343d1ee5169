"""What a seed decides: every payment, reorganisation and outage of a run, before anything is started. Pure.

The same seed with the same length and counts gives the same plan; what meets what on the way is up to the machine.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

BITCOIN: Final = "bitcoin"
EVM: Final = "evm:31337"
ASSETS: Final = ("BTC", "ETH", "USDC", "USDT")
DEEPEST: Final = 6
CUSTOMERS: Final = 24
SHOPS: Final = 2
WHOLE: Final = 1000
"""Shares of what is due are counted in thousandths."""

KINDS: Final = {
    "exact": 26,
    "partial": 12,  # a part, then the rest
    "under": 6,  # a part, and never the rest
    "over": 12,
    "two_blocks": 8,  # two payments of more than a half each, the second when the first is in a block
    "dust": 6,
    "foreign": 4,  # another coin than was asked for; on Bitcoin there is none, so it pays too much instead
    "replaced": 8,  # paid again with a higher fee before it is mined
    "double_spent": 8,  # taken back by the customer, before or after it is mined
    "late": 4,  # seen after its time, but within the grace
    "too_late": 4,  # mined long after its time; on Ethereum block times can't be turned back, so it is late there
    "unpaid": 2,
}
"""How often each kind of payment is drawn."""
MODES: Final = ("kept", "some", "later", "stolen")
"""What a reorganisation does to the payments of its blocks: mined again at once, some of them, later, or some of them
never again, since their coins are spent otherwise."""
OUTAGES: Final = {
    "bitcoin killed": 3.0,
    "bitcoin hung": 4.0,
    "ethereum stopped": 3.0,
    "ethereum hung": 4.0,
    "postgres restarted": 0.5,
    "postgres connections cut": 0.0,
    "kafka killed": 1.0,
    "valkey killed": 2.0,
    "http killed": 0.0,
    "events killed": 0.0,
    "events hung": 6.0,
    "relay killed": 0.0,
    "dispatcher killed": 0.0,
    "ticker killed": 0.0,
    "signing killed": 0.0,
    "deliveries repeated": 0.0,
}
"""Every outage, and for how many seconds it lasts at most before what ended is started again."""


@dataclass(frozen=True, slots=True)
class Part:
    """One transaction of a payment: so many thousandths of what is due, so long after the payment was asked for."""

    after_s: float
    share: int
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class Paying:
    """One customer's order and how they pay it."""

    number: int
    at_s: float
    kind: str
    asset: str
    customer: int
    shop: int
    quantity: int
    parts: tuple[Part, ...]
    again_s: float = 0.0
    """After so long the first transaction is replaced or taken back."""
    repeats: bool = False
    """Whether the customer's device sends each request twice."""
    served: bool = False
    """Whether the shop makes it and hands it over."""
    refunded: bool = False
    """Whether what is too much, or a part of it all, is asked back."""

    @property
    def chain(self) -> str:
        return BITCOIN if self.asset == "BTC" else EVM


@dataclass(frozen=True, slots=True)
class Reorg:
    """So many blocks of a chain are replaced."""

    number: int
    at_s: float
    chain: str
    depth: int
    mode: str


@dataclass(frozen=True, slots=True)
class Outage:
    """Something ends or hangs, and comes back after so many seconds."""

    at_s: float
    what: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a run does."""

    seed: int
    play_s: float
    payments: tuple[Paying, ...]
    reorgs: tuple[Reorg, ...]
    outages: tuple[Outage, ...]


def plan(seed: int, *, play_s: float, payments: int, reorgs: int, outages: int) -> Plan:
    """Return the plan of a run of so many seconds."""
    return Plan(
        seed,
        play_s,
        tuple(sorted(_payments(random.Random(f"{seed} payments"), play_s, payments), key=lambda each: each.at_s)),
        tuple(_reorgs(random.Random(f"{seed} reorgs"), play_s, reorgs)),
        tuple(_outages(random.Random(f"{seed} outages"), play_s, outages)),
    )


def _payments(chance: random.Random, play_s: float, count: int) -> list[Paying]:
    kinds = list(KINDS)
    # Each kind comes at least once, however short the run is.
    drawn = [*kinds, *chance.choices(kinds, weights=list(KINDS.values()), k=max(count - len(kinds), 0))][:count]
    chance.shuffle(drawn)
    return [_paying(chance, number, kind, play_s) for number, kind in enumerate(drawn)]


def _paying(chance: random.Random, number: int, kind: str, play_s: float) -> Paying:
    asset = chance.choices(ASSETS, weights=(4, 2, 2, 2))[0]
    if kind == "too_late":
        asset = "BTC"
    if kind == "foreign" and asset == "BTC":
        asset = "USDC"
    return Paying(
        number=number,
        at_s=chance.uniform(0, play_s),
        kind=kind,
        asset=asset,
        customer=chance.randrange(CUSTOMERS),
        shop=chance.randrange(SHOPS),
        quantity=chance.choices((1, 2, 6, 24), weights=(5, 3, 1, 1))[0],
        parts=_parts(chance, kind),
        again_s=chance.uniform(0, 8),
        repeats=chance.random() < 0.2,
        served=chance.random() < 0.25,
        refunded=chance.random() < (0.5 if kind in ("over", "two_blocks", "foreign", "late", "too_late") else 0.12),
    )


def _parts(chance: random.Random, kind: str) -> tuple[Part, ...]:
    first = Part(chance.uniform(0, 1), WHOLE)
    match kind:
        case "unpaid":
            return ()
        case "partial":
            share = chance.randrange(200, 900)
            return (Part(0, share), Part(chance.uniform(1, 8), WHOLE - share))
        case "under":
            return (Part(0, chance.randrange(200, 900)),)
        case "over":
            return (Part(0, chance.randrange(1100, 2000)),)
        case "two_blocks":
            return (Part(0, chance.randrange(510, 800)), Part(4, chance.randrange(510, 800)))
        case "dust":
            return (Part(0, 0), *((Part(1, WHOLE),) if chance.random() < 0.5 else ()))
        case "foreign":
            return (Part(0, WHOLE, foreign=True), *((Part(1, WHOLE),) if chance.random() < 0.5 else ()))
    return (first,)


def _reorgs(chance: random.Random, play_s: float, count: int) -> list[Reorg]:
    """Spread them over both chains in turn; the first six have every depth."""
    step_s = play_s / max(count, 1)
    depths = [*range(1, DEEPEST + 1)]
    chance.shuffle(depths)
    return [
        Reorg(
            number=number,
            at_s=step_s * number + chance.uniform(0.3, 0.9) * step_s,
            chain=(BITCOIN, EVM)[number % 2],
            depth=depths[number // 2 % DEEPEST] if number < 2 * DEEPEST else chance.randint(1, DEEPEST),
            mode=chance.choice(MODES),
        )
        for number in range(count)
    ]


def _outages(chance: random.Random, play_s: float, count: int) -> list[Outage]:
    names: list[str] = []
    while len(names) < count:
        round_ = list(OUTAGES)
        chance.shuffle(round_)
        names += round_
    step_s = play_s / max(count, 1)
    return [
        Outage(step_s * (number + chance.uniform(0.2, 0.6)), name, chance.uniform(0.3, 1) * OUTAGES[name])
        for number, name in enumerate(names[:count])
    ]
