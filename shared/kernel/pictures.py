"""Pictures that people upload: announced here, sent to a bucket directly, named by their key afterwards.

The bytes never pass through a function. A key belongs to one place (an item, a shop), and is taken only when what lies
under it is what was announced.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol

from pydantic import Field

from shared.kernel.errors import Conflict, Invalid
from shared.kernel.ids import uuid7_hex
from shared.kernel.money import Frozen
from shared.kernel.reply import Reply

MAX_IMAGE_BYTES: Final = 5_000_000
LIFETIME: Final = timedelta(minutes=10)
_ENDINGS: Final = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}
_TYPES: Final = {ending: type_ for type_, ending in _ENDINGS.items()}
_NAME: Final = re.compile(r"[0-9a-f]{32}\.(jpg|png|webp)\Z")


class NoSuchImage(Conflict):
    """Nothing was uploaded under this key, or not what was announced."""

    type = "image-not-uploaded"
    title = "The picture was not uploaded"


class RequestImageUpload(Frozen):
    """A picture that is about to be uploaded: what it is, and how many bytes it has."""

    content_type: Literal["image/jpeg", "image/png", "image/webp"]
    size: int = Field(ge=1, le=MAX_IMAGE_BYTES, strict=True)


class ImageUpload(Frozen):
    """Where to send a picture, once, with these headers; then name its key where the picture is to be shown."""

    key: str
    method: Literal["PUT"] = "PUT"
    url: str
    headers: dict[str, str]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SignedUpload:
    """Where something may be uploaded, once and soon, with exactly these headers."""

    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What lies in the bucket."""

    content_type: str
    size: int
    """In bytes."""


class Bucket(Protocol):
    """Keeps pictures, by key. Whoever uploads one speaks to it directly."""

    async def sign(self, key: str, content_type: str, size: int, *, lifetime: timedelta) -> SignedUpload:
        """Return where so many bytes of this type may be uploaded under a key. Nothing is asked of the bucket."""
        ...

    async def look(self, key: str) -> Uploaded | None:
        """Return what lies under a key, or None. Raises Transient."""
        ...


async def announced(place: str, command: RequestImageUpload, *, bucket: Bucket, now: datetime) -> Reply[ImageUpload]:
    """Return 201 with a URL that takes this many bytes of this type, for ten minutes, under a key of the place."""
    key = f"{place}{uuid7_hex()}.{_ENDINGS[command.content_type]}"
    signed = await bucket.sign(key, command.content_type, command.size, lifetime=LIFETIME)
    view = ImageUpload(key=key, url=signed.url, headers=dict(signed.headers), expires_at=now + LIFETIME)
    return Reply(view, status=201, headers={"cache-control": "no-store"})


async def must_lie_there(place: str, key: str, *, bucket: Bucket) -> None:
    """Raise Invalid for a key of another place, NoSuchImage where not what was announced lies under it."""
    name = _NAME.match(key.removeprefix(place))
    if not key.startswith(place) or name is None:
        raise Invalid("The key is not one that an upload was announced for here.")
    lies = await bucket.look(key)
    if lies is None:
        raise NoSuchImage("Upload the picture first.")
    if lies.content_type != _TYPES[name[1]] or not 0 < lies.size <= MAX_IMAGE_BYTES:
        raise NoSuchImage("What was uploaded is not what was announced.")
