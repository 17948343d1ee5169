"""find_nearby_shops: shops around a point, nearest first, page by page."""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from datetime import datetime
from typing import Final

from shared.kernel.clock import rfc3339
from shared.kernel.errors import Invalid
from shared.kernel.ids import ShopId
from shared.kernel.reply import Encoded, Reply
from shared.shops.lifecycle import standing
from shared.shops.model import FindShops, NearbyShops
from shared.shops.ports import After, Found, ShopCard, Shops

MAX_SEEN: Final = 10_000
"""Pages end there: nobody walks that far, and each page costs as much as all before it."""
LOOK_AT: Final = 500
"""Closed shops that one page looks at in search of open ones; then it ends early, with a cursor."""
NEAREST_OPEN: Final = 20
"""As many candidates at least are looked at together when only open shops count."""
_CURSOR: Final = struct.Struct(">?Id16s")


async def find_nearby_shops(asked: FindShops, *, using: Shops) -> Reply[Encoded[NearbyShops]]:
    """Return a page of shops and the cursor of the next. Raises Invalid for a cursor that no page gave.

    The page is put together from JSON that is there already: a search costs little more than its index.
    """
    now = using.clock.now()
    after = _decoded(asked.cursor) if asked.cursor else None
    shops: list[str] = []
    looked_at, more = 0, True
    while more and len(shops) < asked.limit and looked_at < LOOK_AT:
        batch = max(asked.limit, NEAREST_OPEN) if asked.open_now else asked.limit - len(shops)
        found = await using.places.near(asked.lon, asked.lat, radius_m=asked.radius_m, limit=batch, after=after)
        cards = await using.cards.of([one.shop_id for one in found])
        more, looked_at = len(found) == batch, looked_at + len(found)
        for number, one in enumerate(found, start=1):
            after = After((after.seen if after else 0) + 1, one.distance_m, one.shop_id, one.exact)
            card = cards.get(one.shop_id)
            if card is not None and (not asked.open_now or standing(card.week, card.pause, now).open):
                shops.append(_shown(one, card, now))
            if len(shops) == asked.limit:
                more = more or number < len(found)
                break
        more = more and (after is None or after.seen < MAX_SEEN)
    next_ = f',"next":"{_encoded(after)}"' if more and after else ""
    return Reply(Encoded(f'{{"shops":[{",".join(shops)}]{next_}}}'.encode()))


def _shown(found: Found, card: ShopCard, now: datetime) -> str:
    """Return a NearbyShop as JSON."""
    now_ = standing(card.week, card.pause, now)
    change = f',"changes_at":"{rfc3339(now_.changes_at)}"' if now_.changes_at else ""
    open_ = "true" if now_.open else "false"
    return f'{card.listed[:-1]},"distance_m":{round(found.distance_m)},"open":{open_}{change}}}'


def _encoded(after: After) -> str:
    digits = bytes.fromhex(after.shop_id.rpartition("_")[2])
    return urlsafe_b64encode(_CURSOR.pack(after.exact, after.seen, after.distance_m, digits)).decode().rstrip("=")


def _decoded(cursor: str) -> After:
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        exact, seen, distance_m, digits = _CURSOR.unpack(raw)
    except (NotBase64, ValueError, struct.error):
        raise Invalid("The cursor is not one that a page before gave.") from None
    if not (0 < seen <= MAX_SEEN and 0 <= distance_m < 1e9):
        raise Invalid("The cursor is not one that a page before gave.")
    return After(seen, distance_m, f"{ShopId.prefix}_{digits.hex()}", exact)
