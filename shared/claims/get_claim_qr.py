"""get_claim_qr: the right to pick up as a picture that the shop scans, another one every half minute."""

from typing import Literal, Protocol

from shared.claims import lifecycle, tokens
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
    order_id: OrderId,
    format: Literal["svg", "png"],
    *,
    by: By,
    pictures: Pictures,
    signer: tokens.ClaimSigner,
    using: Claims,
) -> Reply[bytes]:
    """Return the picture of the present token: the code itself is not in it, so that an old picture opens nothing.

    `refresh` (seconds) says when there is a newer one. Raises NotFound, and Withheld while nothing can be picked up.
    """
    claim, code, _ = await own_claim(order_id, by=by, using=using)
    if code is None:
        raise lifecycle.Withheld("The order was handed over, called off, is somebody else's to pick up, or not paid.")
    now = using.clock.now()
    token = tokens.token_of(claim.claim_id, claim.shop_id, claim.serial, now=now, signer=signer)
    left_s = max(1, int((tokens.times(now)[1] - now).total_seconds()))
    headers = {"cache-control": "no-store", "refresh": str(left_s)}
    return Reply(pictures.draw(token, format), content_type=MEDIA_TYPE[format], headers=headers)
