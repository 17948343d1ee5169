"""Pictures of shops on a real Postgres and moto's S3: request_photo_upload, set_photos."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from emulators.component import Running
from shared.adapters.aws.bucket import S3Bucket
from shared.kernel.decision import By
from shared.kernel.errors import Forbidden, Invalid, NotFound
from shared.kernel.ids import ShopId
from shared.kernel.pictures import ImageUpload, NoSuchImage, RequestImageUpload
from shared.settings import ImageSettings
from shared.shops.model import SetPhotos, ShopView
from shared.shops.ports import Photographing
from shared.shops.request_photo_upload import request_photo_upload
from shared.shops.set_photos import set_photos
from tests.integration.shopkeeping import Merchant, Shopkeeping, keyed
from tests.integration.shops_rows import not_as_their_events_say
from tests.integration.test_item_images import PNG, uploaded


class Album:
    """A shop that is photographed."""

    def __init__(self, at: Shopkeeping, bucket: S3Bucket) -> None:
        self.at, self.anna, self.shop_id = at, Merchant(), ShopId.new()
        self.using = Photographing(at.shops, bucket)

    async def asked(self, by: By | None = None, shop_id: ShopId | None = None) -> ImageUpload:
        command = RequestImageUpload(content_type="image/png", size=len(PNG))
        by = by or self.anna.owner
        return (await request_photo_upload(shop_id or self.shop_id, command, by=by, using=self.using)).view

    async def hung(self, *keys: str, by: By | None = None) -> ShopView:
        by = keyed(by or self.anna.owner)
        return (await set_photos(self.shop_id, SetPhotos(keys=keys), if_match=None, by=by, using=self.using)).view.shop


@pytest.fixture
async def album(database: str, redis_url: str, aws: Running, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Album]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, aws.env[name])
    album = Album(Shopkeeping(database, redis_url), S3Bucket(ImageSettings.from_env(aws.env)))
    album.shop_id = await album.at.opened(album.anna)
    yield album
    assert not_as_their_events_say(database, "shp_") == []
    await album.at.closed()


async def test_a_shop_is_shown_by_what_was_uploaded_for_it_in_its_order(album: Album) -> None:
    first, second = await album.asked(), await album.asked()
    for upload in (first, second):
        uploaded(upload)
    assert (await album.hung(first.key, second.key)).photos == (f"/{first.key}", f"/{second.key}")
    turned = await album.hung(second.key, first.key)
    assert (turned.photos[0], turned.version) == (f"/{second.key}", 3)
    assert (await album.hung(second.key, first.key)).version == 3
    assert (await album.hung()).photos == ()


async def test_what_was_not_uploaded_or_is_of_another_shop_is_refused(album: Album) -> None:
    upload = await album.asked()
    with pytest.raises(NoSuchImage):
        await album.hung(upload.key)
    elsewhere = await album.at.opened(album.anna)
    strange = await album.asked(shop_id=elsewhere)
    uploaded(strange)
    for key in (strange.key, upload.key.replace(".png", ".gif"), f"{upload.key}/..", "shops/x.png"):
        with pytest.raises(Invalid):
            await album.hung(key)
    rival = Merchant()
    with pytest.raises(NotFound):
        await album.asked(rival.owner)
    with pytest.raises(NotFound):
        await album.hung(by=rival.owner)
    with pytest.raises(Forbidden):
        await album.asked(album.anna.barista)
