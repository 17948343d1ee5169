"""The calls of claims. Written by `python -m triggers docs` from the registry; not to be edited."""

from shared.claims.model import ClaimView, RedeemClaim, Redeemed
from shared.client.call import Call, Scalar, call, segment


def get_claim(order_id: str) -> Call[ClaimView]:
    """GET /v1/orders/{order_id}/claim: the code a customer picks up with."""
    return call("get_claim", "GET", f"/v1/orders/{segment(order_id)}/claim", ClaimView)


def get_claim_qr(order_id: str, *, format: Scalar = None) -> Call[bytes]:
    """GET /v1/orders/{order_id}/claim/qr: the code as a picture that the shop scans."""
    return call(
        "get_claim_qr", "GET", f"/v1/orders/{segment(order_id)}/claim/qr", bytes, query={"format": format}, accept="*/*"
    )


def redeem_claim(shop_id: str, body: RedeemClaim, *, if_match: int | None = None) -> Call[Redeemed]:
    """POST /v1/shops/{shop_id}/claims/redeem: hand an order over against its code, exactly once."""
    return call(
        "redeem_claim", "POST", f"/v1/shops/{segment(shop_id)}/claims/redeem", Redeemed, body=body, if_match=if_match
    )
