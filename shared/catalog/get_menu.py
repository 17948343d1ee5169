"""get_menu: what a shop sells, at its fiat prices and at live prices in every coin the shop takes."""

from datetime import timedelta
from typing import Final
from zlib import crc32

from shared.catalog import showing
from shared.catalog.model import Menu, MenuView
from shared.catalog.ports import Catalog, Rates, Shops
from shared.kernel.clock import Clock
from shared.kernel.documents import Document
from shared.kernel.errors import NotFound
from shared.kernel.ids import MenuId, ShopId
from shared.kernel.reply import Encoded, Reply
from shared.kernel.store import Store

LIVE: Final = timedelta(seconds=10)
"""How long a document shows the same rates: as long as feeds are left alone between two readings."""


async def get_menu(shop_id: ShopId, *, using: Catalog) -> Reply[Encoded[MenuView]]:
    """Return the menu, at most some seconds out of date. Raises NotFound, also where nothing is sold yet."""
    return (await using.documents.of(shop_id)).reply


async def menu_document(
    shop_id: str, *, store: Store[Menu], shops: Shops, rates: Rates, clock: Clock, images_at: str = ""
) -> Document[MenuView]:
    """Return the menu's document with the rates of this moment. Raises NotFound."""
    now = clock.now()
    shop = await shops.terms(ShopId(shop_id))
    found = await store.load(MenuId.like(shop_id))
    if found is None:
        raise NotFound("This shop has no menu yet.")
    latest = await rates.latest(shop.currency)
    view = showing.shown(found.state, found.version, shop=shop, rates=latest, now=now, images_at=images_at)
    body = view.model_dump_json(exclude_none=True).encode()
    until = showing.true_until(found.state, timezone=shop.timezone, now=now, most=now + LIVE)
    return Document(version=found.version, etag=f"{found.version}-{crc32(body):08x}", body=Encoded(body), until=until)
