"""request_photo_upload: say where a picture of a shop may be uploaded to; the bytes never pass through here."""

from shared.kernel.decision import By
from shared.kernel.ids import ShopId
from shared.kernel.pictures import ImageUpload, RequestImageUpload, announced
from shared.kernel.reply import Reply
from shared.shops import lifecycle
from shared.shops.ports import Photographing


async def request_photo_upload(
    shop_id: ShopId, command: RequestImageUpload, *, by: By, using: Photographing
) -> Reply[ImageUpload]:
    """Return 201 with a URL that takes this many bytes of this type, for ten minutes. Raises NotFound, Forbidden."""
    found = await using.shops.store.load(shop_id)
    lifecycle.run_by(found.state if found else None, by)
    return await announced(place_of(shop_id), command, bucket=using.bucket, now=using.shops.clock.now())


def place_of(shop_id: ShopId) -> str:
    """Return what the keys of a shop's pictures begin with."""
    return f"shops/{shop_id}/"
