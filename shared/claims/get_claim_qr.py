"""get_claim_qr: the code as a picture that the shop scans."""

from typing import Literal, Protocol

from shared.claims import lifecycle
from shared.claims.get_claim import own_claim
from shared.claims.ports import Claims
from shared.kernel.decision import By
from shared.kernel.ids import OrderId
from shared.kernel.reply import Reply

MEDIA_TYPE = {"svg": "image/svg+xml", "png": "image/png"}


class Pictures(Protocol):
    """Draws QR codes."""

    def draw(self, text: str, format: Literal["svg", "png"]) -> bytes:
        """Return the QR code of `text` as a file of this format."""
        ...


async def get_claim_qr(
    order_id: OrderId, format: Literal["svg", "png"], *, by: By, pictures: Pictures, using: Claims
) -> Reply[bytes]:
    """Return the picture of the code. Raises NotFound, and Withheld while nothing can be picked up with it."""
    _, code, _ = await own_claim(order_id, by=by, using=using)
    if code is None:
        raise lifecycle.Withheld("The order was handed over, called off, or waits for its payment to settle again.")
    return Reply(pictures.draw(code, format), content_type=MEDIA_TYPE[format], headers={"cache-control": "no-store"})
