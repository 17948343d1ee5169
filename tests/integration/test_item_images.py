"""Pictures of items on a real Postgres and moto's S3: uploaded past the platform, by a URL that is signed for one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from emulators.component import Running, free_port
from shared.adapters.aws.bucket import S3Bucket
from shared.adapters.postgres.database import Sql
from shared.catalog.archive_menu_item import archive_menu_item
from shared.catalog.image_model import SetItemImage
from shared.catalog.ports import Imaging
from shared.catalog.request_image_upload import request_image_upload
from shared.catalog.set_item_image import set_item_image
from shared.kernel.decision import By
from shared.kernel.errors import Forbidden, Invalid, NotFound, Transient
from shared.kernel.ids import ItemId
from shared.kernel.pictures import LIFETIME, MAX_IMAGE_BYTES, ImageUpload, NoSuchImage, RequestImageUpload
from shared.settings import ImageSettings
from tests.integration.selling import Counter
from tests.integration.shopkeeping import Merchant, Shopkeeping, keyed

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
IMAGES = Sql("select images::text from menus where shop_id = :shop_id")


class Studio(Counter):
    """A shop whose items are photographed."""

    imaging: Imaging

    async def asked(self, item_id: ItemId, by: By | None = None, **changes: object) -> ImageUpload:
        command = RequestImageUpload.model_validate({"content_type": "image/png", "size": len(PNG), **changes})
        by = by or self.anna.owner
        return (await request_image_upload(self.path(item_id), command, by=by, using=self.imaging)).view

    async def hung(self, item_id: ItemId, key: str | None, by: By | None = None) -> int:
        command, by = SetItemImage(key=key), keyed(by or self.anna.owner)
        said = await set_item_image(self.path(item_id), command, if_match=None, by=by, using=self.imaging)
        return said.view.version


@pytest.fixture
async def studio(database: str, redis_url: str, aws: Running, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Studio]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, aws.env[name])
    at = Shopkeeping(database, redis_url)
    studio = Studio(at)
    await studio.opened()
    studio.imaging = Imaging(at.catalog, S3Bucket(ImageSettings.from_env(aws.env)))
    yield studio
    await at.closed()


def uploaded(upload: ImageUpload, body: bytes = PNG, content_type: str | None = None) -> None:
    """Send a picture as a browser does."""
    headers = {**upload.headers, **({"content-type": content_type} if content_type else {})}
    headers.pop("content-length")
    assert httpx.put(upload.url, content=body, headers=headers, timeout=10.0).status_code == 200


async def test_a_picture_is_uploaded_past_the_platform_and_shown_with_its_item(studio: Studio, aws: Running) -> None:
    upload = await studio.asked(studio.coffee)
    uploaded(upload)
    assert await studio.hung(studio.coffee, upload.key) == 3
    assert await studio.hung(studio.coffee, upload.key) == 3
    url = f"{aws.env['IMAGE_URL']}/{upload.key}"
    async with httpx.AsyncClient(timeout=10.0) as anybody:
        assert (await anybody.get(url)).content == PNG
    view = await studio.shown()
    assert [item.image_url for item in view.items] == [f"/{upload.key}", None]
    await studio.put(studio.coffee, "450")
    assert (await studio.at.db.run(IMAGES, shop_id=studio.shop_id))[0][0].count(upload.key) == 1
    assert await studio.hung(studio.coffee, None) == 5
    assert (await studio.at.db.run(IMAGES, shop_id=studio.shop_id))[0][0] == "[]"
    assert studio.at.replayed().differences == []


async def test_type_length_place_and_time_are_signed(studio: Studio) -> None:
    upload = await studio.asked(studio.coffee)
    parts = urlsplit(upload.url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert set(query["X-Amz-SignedHeaders"].split(";")) == {"content-length", "content-type", "host"}
    assert query["X-Amz-Expires"] == str(int(LIFETIME.total_seconds()))
    assert parts.path.endswith(f"/menus/{studio.shop_id}/{studio.coffee}/{upload.key.rpartition('/')[2]}")
    assert upload.headers == {"content-type": "image/png", "content-length": str(len(PNG))}
    assert upload.expires_at - studio.at.clock.now() == timedelta(minutes=10)
    assert (await studio.asked(studio.coffee)).key != upload.key


async def test_what_was_not_uploaded_or_is_something_else_is_no_picture(studio: Studio) -> None:
    upload = await studio.asked(studio.coffee)
    with pytest.raises(NoSuchImage):
        await studio.hung(studio.coffee, upload.key)
    uploaded(upload, content_type="text/html")
    with pytest.raises(NoSuchImage):
        await studio.hung(studio.coffee, upload.key)
    other = await studio.asked(studio.cake)
    uploaded(other)
    for key in (
        other.key,
        "menus/../secret.png",
        upload.key + "/../x.png",
        upload.key[:-3] + "svg",
        "",
        "/" + upload.key,
    ):
        with pytest.raises(Invalid):
            await studio.hung(studio.coffee, key)
    large = await studio.asked(studio.coffee)
    uploaded(large, PNG + bytes(MAX_IMAGE_BYTES))
    with pytest.raises(NoSuchImage):
        await studio.hung(studio.coffee, large.key)


async def test_pictures_are_for_what_is_on_the_menu_and_by_who_runs_it(studio: Studio) -> None:
    with pytest.raises(NotFound):
        await studio.asked(ItemId.new())
    with pytest.raises(NotFound):
        await studio.asked(studio.coffee, Merchant().owner)
    with pytest.raises(Forbidden):
        await studio.asked(studio.coffee, studio.anna.barista)
    upload = await studio.asked(studio.cake)
    uploaded(upload)
    with pytest.raises(Forbidden):
        await studio.hung(studio.cake, upload.key, studio.anna.barista)
    await studio.hung(studio.cake, upload.key)
    owner = keyed(studio.anna.owner)
    await archive_menu_item(studio.path(studio.cake), if_match=None, by=owner, using=studio.at.catalog)
    assert (await studio.at.db.run(IMAGES, shop_id=studio.shop_id))[0][0] == "[]"
    with pytest.raises(NotFound):
        await studio.hung(studio.cake, upload.key)
    assert studio.at.replayed().differences == []


async def test_while_the_bucket_is_down_uploads_are_signed_and_pictures_wait(studio: Studio) -> None:
    upload = await studio.asked(studio.coffee)
    nowhere = ImageSettings("images", "eu-central-1", f"http://127.0.0.1:{free_port()}", 0.2, 0.2)
    studio.imaging = Imaging(studio.at.catalog, S3Bucket(nowhere))
    assert (await studio.asked(studio.coffee)).url.startswith(nowhere.endpoint_url or "-")
    with pytest.raises(Transient):
        await studio.hung(studio.coffee, upload.key)
    assert (await studio.shown()).version == 2
