"""Values of pictures of items: what is announced, where it goes, which of them an item has."""

from datetime import datetime
from typing import Final, Literal

from pydantic import Field

from shared.kernel.money import Frozen

MAX_IMAGE_BYTES: Final = 5_000_000


class RequestImageUpload(Frozen):
    """A picture that is about to be uploaded: what it is, and how many bytes it has."""

    content_type: Literal["image/jpeg", "image/png", "image/webp"]
    size: int = Field(ge=1, le=MAX_IMAGE_BYTES, strict=True)


class ImageUpload(Frozen):
    """Where to send a picture, once, with these headers; then name its key to `set_item_image`."""

    key: str
    method: Literal["PUT"] = "PUT"
    url: str
    headers: dict[str, str]
    expires_at: datetime


class SetItemImage(Frozen):
    """The key of the picture that was uploaded for the item; none: it has no picture any more."""

    key: str | None = Field(max_length=200, strict=True)
