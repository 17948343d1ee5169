"""get_payment_qr: the payment link as a QR code, which a wallet scans."""

from typing import Final, Literal, Protocol

from shared.kernel.decision import By
from shared.kernel.ids import PaymentId
from shared.kernel.reply import Reply
from shared.payments.get_payment import own
from shared.payments.links import link
from shared.payments.ports import Payments

Format = Literal["svg", "png"]
MEDIA_TYPE: Final[dict[Format, str]] = {"svg": "image/svg+xml", "png": "image/png"}


class Pictures(Protocol):
    """Draws QR codes."""

    def draw(self, text: str, format: Format) -> bytes:
        """Return the QR code of `text` as a file of this format."""
        ...


async def get_payment_qr(
    payment_id: PaymentId, format: Format | None, accept: str, *, by: By, pictures: Pictures, using: Payments
) -> Reply[bytes]:
    """Return the picture in the format that was asked for, else in the one the Accept header prefers.

    Raises NotFound.
    """
    found = await own(payment_id, by=by, using=using)
    chosen = format or accepted(accept)
    headers = {"cache-control": "no-store", "vary": "accept"}
    return Reply(pictures.draw(link(found.state), chosen), content_type=MEDIA_TYPE[chosen], headers=headers)


def accepted(accept: str) -> Format:
    """Return PNG where an Accept header names it before SVG, else SVG."""
    for part in accept.split(","):
        media = part.partition(";")[0].strip().lower()
        if media == MEDIA_TYPE["png"]:
            return "png"
        if media in (MEDIA_TYPE["svg"], "image/*", "*/*"):
            return "svg"
    return "svg"
