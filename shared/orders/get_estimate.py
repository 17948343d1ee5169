"""get_estimate: how long an order that is placed now takes, from how long the last ones took and what waits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Final, Protocol

from pydantic import Field

from shared.kernel.ids import ShopId
from shared.kernel.money import Frozen
from shared.kernel.reply import Reply
from shared.orders.model import ShopPath
from shared.orders.ports import Orders

ENOUGH: Final = 5
"""Fewer orders than that say nothing about a shop: then it is what most shops need."""
USUAL: Final = timedelta(minutes=5)
USUAL_PACE: Final = timedelta(minutes=2)
LONGEST: Final = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Kitchen:
    """What a kitchen has done lately, and what it has to do. `made`: each confirmed and ready."""

    made: Sequence[tuple[datetime, datetime]]
    waiting: int


class Kitchens(Protocol):
    """Reads kitchens: process cache, primary."""

    async def of(self, shop_id: ShopId) -> Kitchen:
        """Return the shop's last orders that were ready, and how many are confirmed or being made."""
        ...


class Estimate(Frozen):
    """How long it takes from the payment to `ready`, for an order as soon as possible. A guess, and no promise."""

    ready_at: datetime
    minutes: int = Field(description="Rounded up")
    orders_ahead: int
    by_experience: bool = Field(description="Whether the shop has made enough orders to tell")


async def get_estimate(asked: ShopPath, *, using: Orders, kitchens: Kitchens) -> Reply[Estimate]:
    """Return what an order that is paid now may take. Raises NotFound."""
    await using.shops.terms(asked.shop_id)
    return Reply(estimate(await kitchens.of(asked.shop_id), now=using.clock.now()))


def estimate(kitchen: Kitchen, *, now: datetime) -> Estimate:
    """Return the longer of: what one takes, and what all that wait take at the pace at which they get ready."""
    known = len(kitchen.made) >= ENOUGH
    took, pace = (_took(kitchen), _pace(kitchen)) if known else (USUAL, USUAL_PACE)
    wait = min(max(took, (kitchen.waiting + 1) * pace), LONGEST)
    minutes = -(-int(wait.total_seconds()) // 60)
    return Estimate(
        ready_at=now + timedelta(minutes=minutes),
        minutes=minutes,
        orders_ahead=kitchen.waiting,
        by_experience=known,
    )


def _took(kitchen: Kitchen) -> timedelta:
    return timedelta(seconds=median((ready - begun).total_seconds() for begun, ready in kitchen.made))


def _pace(kitchen: Kitchen) -> timedelta:
    """Return how far apart orders get ready. An hour without customers is no pace: never longer than one takes."""
    gaps = [(later - one).total_seconds() for (_, one), (_, later) in pairwise(kitchen.made)]
    return min(timedelta(seconds=median(gaps)), _took(kitchen))
