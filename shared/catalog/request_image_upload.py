"""request_image_upload: say where the picture of an item may be uploaded to; the bytes never pass through here."""

from shared.catalog import lifecycle
from shared.catalog.model import ItemPath
from shared.catalog.ports import Imaging
from shared.kernel.decision import By
from shared.kernel.errors import NotFound
from shared.kernel.ids import MenuId
from shared.kernel.pictures import ImageUpload, RequestImageUpload, announced
from shared.kernel.reply import Reply


async def request_image_upload(
    path: ItemPath, command: RequestImageUpload, *, by: By, using: Imaging
) -> Reply[ImageUpload]:
    """Return 201 with a URL that takes this many bytes of this type, for ten minutes. Raises NotFound, Forbidden."""
    shop = await using.catalog.shops.terms(path.shop_id)
    lifecycle.run_by(shop, by)
    found = await using.catalog.store.load(MenuId.like(path.shop_id))
    if found is None or all(item.item_id != path.item_id for item in found.state.items):
        raise NotFound("There is no such item on the menu.")
    return await announced(place_of(path), command, bucket=using.bucket, now=using.catalog.clock.now())


def place_of(path: ItemPath) -> str:
    """Return what the keys of an item's pictures begin with."""
    return f"menus/{path.shop_id}/{path.item_id}/"
