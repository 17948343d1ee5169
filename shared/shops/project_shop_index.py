"""project_shop_index: what the region's Redis knows of a shop follows its facts."""

from shared.kernel.decision import By
from shared.kernel.errors import NotFound, Transient
from shared.kernel.ids import ShopId
from shared.shops.ports import Place, Shops


async def project_shop_index(shop_id: ShopId, version: int, *, by: By, using: Shops) -> None:
    """Put the shop's present place into the index and drop cached documents older than `version`.

    Each region does this for itself, and again is harmless: so it looks at nobody's inbox before, and only notes
    afterwards that the event needs nothing more. Raises Transient while the index can't be written.
    """
    found = await using.store.load(shop_id)
    if found is None:
        raise NotFound(f"{shop_id} has facts and no row.")
    shop = found.state
    if not await using.places.put(Place(shop_id, shop.longitude, shop.latitude)):
        raise Transient("The shop index does not answer.")
    await using.documents.invalidate(shop_id, version)
    await using.inbox.take(by)
