"""request_image_upload: say where the picture of an item may be uploaded to; the bytes never pass through here."""

from datetime import timedelta
from typing import Final

from shared.catalog import lifecycle
from shared.catalog.image_model import ImageUpload, RequestImageUpload
from shared.catalog.model import ItemPath
from shared.catalog.ports import Imaging
from shared.kernel.decision import By
from shared.kernel.errors import NotFound
from shared.kernel.ids import MenuId, uuid7_hex
from shared.kernel.reply import Reply

LIFETIME: Final = timedelta(minutes=10)
_ENDINGS: Final = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}


async def request_image_upload(
    path: ItemPath, command: RequestImageUpload, *, by: By, using: Imaging
) -> Reply[ImageUpload]:
    """Return 201 with a URL that takes this many bytes of this type, for ten minutes. Raises NotFound, Forbidden."""
    shop = await using.catalog.shops.terms(path.shop_id)
    lifecycle.run_by(shop, by)
    found = await using.catalog.store.load(MenuId.like(path.shop_id))
    if found is None or all(item.item_id != path.item_id for item in found.state.items):
        raise NotFound("There is no such item on the menu.")
    key = f"{place_of(path)}{uuid7_hex()}.{_ENDINGS[command.content_type]}"
    signed = await using.bucket.sign(key, command.content_type, command.size, lifetime=LIFETIME)
    expires_at = using.catalog.clock.now() + LIFETIME
    view = ImageUpload(key=key, url=signed.url, headers=dict(signed.headers), expires_at=expires_at)
    return Reply(view, status=201, headers={"cache-control": "no-store"})


def place_of(path: ItemPath) -> str:
    """Return what the keys of an item's pictures begin with."""
    return f"menus/{path.shop_id}/{path.item_id}/"
