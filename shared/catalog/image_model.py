"""Values of pictures of items: which of them an item has. How they are uploaded: `shared/kernel/pictures.py`."""

from pydantic import Field

from shared.kernel.money import Frozen


class SetItemImage(Frozen):
    """The key of the picture that was uploaded for the item; none: it has no picture any more."""

    key: str | None = Field(max_length=200, strict=True)
