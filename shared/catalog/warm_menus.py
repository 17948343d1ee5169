"""warm_menus: the menus of busy shops are built before they are out of date, so that nobody waits for them."""

import asyncio
from datetime import timedelta
from typing import Final

from shared.catalog.get_menu import LIVE
from shared.catalog.ports import Warming
from shared.kernel.errors import NotFound
from shared.kernel.ids import ShopId

BUSY: Final = timedelta(minutes=30)
"""A shop is as busy as it was within this time."""
MOST: Final = 50
AT_ONCE: Final = 4


async def warm_menus(*, using: Warming) -> int:
    """Return how many menus were built: those of the busiest shops that would not last until the next call."""
    busy = await using.popular.shops(since=using.clock.now() - BUSY, limit=MOST)
    places = asyncio.Semaphore(AT_ONCE)

    async def warm(shop_id: ShopId) -> bool:
        async with places:
            try:
                return await using.documents.warm(shop_id, ahead=LIVE)
            except NotFound:  # its menu is gone, and its orders are not
                return False

    return sum(await asyncio.gather(*(warm(shop_id) for shop_id in busy)))
