"""set_item_image: an item has the picture that was uploaded for it, or none; a new version of the menu."""

from shared.catalog import lifecycle
from shared.catalog.image_model import SetItemImage
from shared.catalog.model import ItemPath, MenuChange
from shared.catalog.ports import Imaging
from shared.catalog.put_menu_item import said
from shared.catalog.request_image_upload import place_of
from shared.kernel.decision import By
from shared.kernel.ids import MenuId
from shared.kernel.pictures import must_lie_there
from shared.kernel.reply import Reply


async def set_item_image(
    path: ItemPath, command: SetItemImage, *, if_match: int | None, by: By, using: Imaging
) -> Reply[MenuChange]:
    """Return the menu's version, the same one where nothing changed. The picture has to lie in the bucket by then.

    Raises NotFound, Forbidden, Invalid for a key of something else, NoSuchImage, VersionConflict, AlreadyAnswered.
    """
    shop = await using.catalog.shops.terms(path.shop_id)
    lifecycle.run_by(shop, by)
    if command.key is not None:
        await must_lie_there(place_of(path), command.key, bucket=using.bucket)
    stored = await using.catalog.store.decide(
        MenuId.like(path.shop_id),
        lambda menu: lifecycle.set_image(menu, path.item_id, command.key, shop=shop),
        by=by,
        now=using.catalog.clock.now(),
        reply=said,
        if_match=if_match,
    )
    return said(stored)
