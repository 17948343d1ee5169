"""set_photos: a shop is shown by the pictures that were uploaded for it, in this order."""

from shared.kernel.decision import By
from shared.kernel.ids import ShopId
from shared.kernel.pictures import must_lie_there
from shared.kernel.reply import Reply
from shared.shops import lifecycle
from shared.shops.changing import change
from shared.shops.model import OwnShopView, SetPhotos
from shared.shops.ports import Photographing
from shared.shops.request_photo_upload import place_of


async def set_photos(
    shop_id: ShopId, command: SetPhotos, *, if_match: int | None, by: By, using: Photographing
) -> Reply[OwnShopView]:
    """Return the shop. Each picture has to lie in the bucket by then, but for those that it is shown by already.

    Raises NotFound, Forbidden, Invalid for a key of something else, NoSuchImage, VersionConflict, AlreadyAnswered.
    """
    found = await using.shops.store.load(shop_id)
    shop = lifecycle.run_by(found.state if found else None, by)
    for key in command.keys:
        if key not in shop.photos:
            await must_lie_there(place_of(shop_id), key, bucket=using.bucket)
    return await change(
        shop_id,
        lambda present: lifecycle.set_photos(present, command, by=by),
        if_match=if_match,
        by=by,
        using=using.shops,
    )
