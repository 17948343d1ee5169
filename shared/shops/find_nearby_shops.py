"""find_nearby_shops: shops around a point, nearest first, page by page."""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from datetime import datetime
from typing import Final

from shared.kernel.errors import Invalid
from shared.kernel.hours import changes_at, open_window
from shared.kernel.ids import ShopId
from shared.kernel.reply import Reply
from shared.shops.model import FindShops, NearbyShop, NearbyShops
from shared.shops.ports import After, Found, ShopCard, Shops

MAX_SEEN: Final = 10_000
"""Pages end there: nobody walks that far, and each page costs as much as all before it."""
LOOK_AT: Final = 500
"""Closed shops that one page looks at in search of open ones; then it ends early, with a cursor."""
_CURSOR: Final = struct.Struct(">Id16s")


async def find_nearby_shops(asked: FindShops, *, using: Shops) -> Reply[NearbyShops]:
    """Return a page of shops and the cursor of the next. Raises Invalid for a cursor that no page gave."""
    now = using.clock.now()
    after = _decoded(asked.cursor) if asked.cursor else None
    shops: list[NearbyShop] = []
    looked_at, more = 0, True
    while more and len(shops) < asked.limit and looked_at < LOOK_AT:
        batch = asked.limit - len(shops) if not asked.open_now else max(asked.limit, 20)
        found = await using.places.near(asked.lon, asked.lat, radius_m=asked.radius_m, limit=batch, after=after)
        more = len(found) == batch
        cards = await using.cards.of([one.shop_id for one in found])
        for one in found:
            after = After((after.seen if after else 0) + 1, one.distance_m, one.shop_id)
            looked_at += 1
            shop = _shown(one, cards.get(one.shop_id), now)
            if shop is not None and (shop.open or not asked.open_now):
                shops.append(shop)
                if len(shops) == asked.limit:
                    more = more or one is not found[-1]
                    break
        if after is not None and after.seen >= MAX_SEEN:
            more = False
    return Reply(NearbyShops(shops=tuple(shops), next=_encoded(after) if more and after else None))


def _shown(found: Found, card: ShopCard | None, now: datetime) -> NearbyShop | None:
    if card is None:
        return None
    return NearbyShop(
        shop_id=card.shop_id,
        name=card.name,
        address=card.address,
        position=card.position,
        distance_m=round(found.distance_m),
        currency=card.currency,
        accepts=card.accepts,
        open=open_window(card.weekly, card.timezone, now) is not None,
        changes_at=changes_at(card.weekly, card.timezone, now),
    )


def _encoded(after: After) -> str:
    digits = bytes.fromhex(after.shop_id.rpartition("_")[2])
    return urlsafe_b64encode(_CURSOR.pack(after.seen, after.distance_m, digits)).decode().rstrip("=")


def _decoded(cursor: str) -> After:
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        seen, distance_m, digits = _CURSOR.unpack(raw)
    except (NotBase64, ValueError, struct.error):
        raise Invalid("The cursor is not one that a page before gave.") from None
    if not (0 < seen <= MAX_SEEN and 0 <= distance_m < 1e9):
        raise Invalid("The cursor is not one that a page before gave.")
    return After(seen, distance_m, f"{ShopId.prefix}_{digits.hex()}")
