"""get_menu: what a shop sells, at its fiat prices and at live prices in every coin the shop takes."""

from datetime import timedelta
from typing import Final
from zlib import crc32

from shared.catalog import showing
from shared.catalog.model import MenuView
from shared.catalog.ports import Catalog, MenuSources
from shared.kernel.documents import Document
from shared.kernel.errors import NotFound
from shared.kernel.ids import MenuId, ShopId
from shared.kernel.reply import Encoded, Reply

LIVE: Final = timedelta(seconds=10)
"""How long a document shows the same rates: as long as feeds are left alone between two readings."""


async def get_menu(shop_id: ShopId, *, using: Catalog) -> Reply[Encoded[MenuView]]:
    """Return the menu, at most some seconds out of date. Raises NotFound, also where nothing is sold yet."""
    return (await using.documents.of(shop_id)).reply


async def menu_document(shop_id: str, *, using: MenuSources) -> Document[MenuView]:
    """Return the menu's document with the rates and the stock of this moment. Raises NotFound."""
    now = using.clock.now()
    shop = await using.shops.terms(ShopId(shop_id))
    found = await using.store.load(MenuId.like(shop_id))
    if found is None:
        raise NotFound("This shop has no menu yet.")
    latest = await using.rates.latest(shop.currency)
    shelf = await using.shelves.shelf(shop.shop_id, now=now)
    view = showing.shown(
        found.state, found.version, shop=shop, rates=latest, now=now, shelf=shelf, images_at=using.images_at
    )
    body = view.model_dump_json(exclude_none=True).encode()
    until = showing.true_until(found.state, timezone=shop.timezone, now=now, most=now + LIVE)
    return Document(version=found.version, etag=f"{found.version}-{crc32(body):08x}", body=Encoded(body), until=until)
