"""get_shop: one shop, with its hours, and whether it is open now."""

from datetime import timedelta
from typing import Final

from shared.kernel.clock import Clock
from shared.kernel.documents import Document
from shared.kernel.errors import NotFound
from shared.kernel.ids import ShopId
from shared.kernel.reply import Encoded, Reply
from shared.kernel.store import Store
from shared.shops import lifecycle
from shared.shops.model import Shop, ShopView
from shared.shops.ports import Shops

FRESH: Final = timedelta(minutes=5)


async def get_shop(shop_id: ShopId, *, using: Shops) -> Reply[Encoded[ShopView]]:
    """Return the shop, at most some seconds out of date. Raises NotFound."""
    return (await using.documents.of(shop_id)).reply


async def shop_document(shop_id: str, *, store: Store[Shop], clock: Clock, images_at: str = "") -> Document[ShopView]:
    """Return the shop's document from its row; true until the shop next opens or closes. Raises NotFound."""
    now = clock.now()
    found = await store.load(shop_id)
    if found is None:
        raise NotFound("There is no such shop.")
    view = lifecycle.public_view(found.state, found.version, now=now, images_at=images_at)
    ends = view.changes_at or now + FRESH
    return Document(
        version=found.version,
        etag=f"{found.version}-{int(view.changes_at.timestamp()) if view.changes_at else 'always'}",
        body=Encoded(view.model_dump_json(exclude_none=True).encode()),
        until=min(now + FRESH, ends),
    )
