"""set_item_image: an item has the picture that was uploaded for it, or none; a new version of the menu."""

import re
from typing import Final

from shared.catalog import lifecycle
from shared.catalog.image_model import MAX_IMAGE_BYTES, SetItemImage
from shared.catalog.model import ItemPath, MenuChange
from shared.catalog.ports import Imaging
from shared.catalog.put_menu_item import said
from shared.catalog.request_image_upload import place_of
from shared.kernel.decision import By
from shared.kernel.errors import Conflict, Invalid
from shared.kernel.ids import MenuId
from shared.kernel.reply import Reply

_NAME: Final = re.compile(r"[0-9a-f]{32}\.(jpg|png|webp)\Z")
_TYPES: Final = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}


class NoSuchImage(Conflict):
    """Nothing was uploaded under this key, or not what was announced."""

    type = "image-not-uploaded"
    title = "The picture was not uploaded"


async def set_item_image(
    path: ItemPath, command: SetItemImage, *, if_match: int | None, by: By, using: Imaging
) -> Reply[MenuChange]:
    """Return the menu's version, the same one where nothing changed. The picture has to lie in the bucket by then.

    Raises NotFound, Forbidden, Invalid for a key of something else, NoSuchImage, VersionConflict, AlreadyAnswered.
    """
    shop = await using.catalog.shops.terms(path.shop_id)
    lifecycle.run_by(shop, by)
    if command.key is not None:
        await _must_lie_there(path, command.key, using)
    stored = await using.catalog.store.decide(
        MenuId.like(path.shop_id),
        lambda menu: lifecycle.set_image(menu, path.item_id, command.key, shop=shop),
        by=by,
        now=using.catalog.clock.now(),
        reply=said,
        if_match=if_match,
    )
    return said(stored)


async def _must_lie_there(path: ItemPath, key: str, using: Imaging) -> None:
    place = place_of(path)
    name = _NAME.match(key.removeprefix(place))
    if not key.startswith(place) or name is None:
        raise Invalid("The key is the one that request_image_upload gave for this item.")
    lies = await using.bucket.look(key)
    if lies is None:
        raise NoSuchImage("Upload the picture first.")
    if lies.content_type != _TYPES[name[1]] or not 0 < lies.size <= MAX_IMAGE_BYTES:
        raise NoSuchImage("What was uploaded is not what was announced.")
