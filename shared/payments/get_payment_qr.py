"""get_payment_qr: the payment link as a QR code."""

from collections.abc import Callable
from typing import Final

from shared.kernel.decision import By
from shared.kernel.errors import Invalid
from shared.kernel.ids import PaymentId
from shared.kernel.reply import Reply
from shared.payments.get_payment import own
from shared.payments.links import link
from shared.payments.ports import Payments

SVG: Final = "image/svg+xml"
PNG: Final = "image/png"
Draw = Callable[[str, str], bytes]
"""Draws a text as a QR code of a content type."""


async def get_payment_qr(payment_id: PaymentId, accept: str, *, by: By, using: Payments, draw: Draw) -> Reply[bytes]:
    """Return the code as SVG, or PNG where that is what is accepted. Raises NotFound, Invalid."""
    kind = _kind(accept)
    found = await own(payment_id, by=by, using=using)
    return Reply(draw(link(found.state), kind), content_type=kind, headers={"vary": "accept"})


def _kind(accept: str) -> str:
    """Return the first of the two that the Accept header names, SVG where it takes anything."""
    for part in accept.split(","):
        media = part.partition(";")[0].strip().lower()
        if media in (SVG, PNG):
            return media
        if media in ("", "*/*", "image/*"):
            return SVG
    raise Invalid(f"The code is drawn as {SVG} or {PNG}; accept one of them.")
