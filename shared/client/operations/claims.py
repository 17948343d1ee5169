"""The calls of claims. Written by `python -m triggers docs` from the registry; not to be edited."""

from shared.claims.model import ClaimKeyView, ClaimView, DelegateClaim, RedeemClaim, Redeemed
from shared.client.call import Call, Scalar, call, segment


def delegate_claim(
    order_id: str, body: DelegateClaim, *, key: str | None = None, if_match: int | None = None
) -> Call[ClaimView]:
    """POST /v1/orders/{order_id}/claim/delegate: somebody else picks up, or a new code; the old one ends at once."""
    return call(
        "delegate_claim",
        "POST",
        f"/v1/orders/{segment(order_id)}/claim/delegate",
        ClaimView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def get_claim(order_id: str) -> Call[ClaimView]:
    """GET /v1/orders/{order_id}/claim: the code a customer picks up with."""
    return call("get_claim", "GET", f"/v1/orders/{segment(order_id)}/claim", ClaimView)


def get_claim_key() -> Call[ClaimKeyView]:
    """GET /v1/claims/key: the public keys that verify claim tokens."""
    return call("get_claim_key", "GET", "/v1/claims/key", ClaimKeyView)


def get_claim_qr(order_id: str, *, format: Scalar = None) -> Call[bytes]:
    """GET /v1/orders/{order_id}/claim/qr: what the shop scans, another picture every half minute."""
    return call(
        "get_claim_qr", "GET", f"/v1/orders/{segment(order_id)}/claim/qr", bytes, query={"format": format}, accept="*/*"
    )


def redeem_claim(shop_id: str, body: RedeemClaim, *, if_match: int | None = None) -> Call[Redeemed]:
    """POST /v1/shops/{shop_id}/claims/redeem: hand an order over against its code, exactly once."""
    return call(
        "redeem_claim", "POST", f"/v1/shops/{segment(shop_id)}/claims/redeem", Redeemed, body=body, if_match=if_match
    )


def revoke_claim(order_id: str, *, if_match: int | None = None) -> Call[ClaimView]:
    """POST /v1/orders/{order_id}/claim/revoke: a code in the wrong hands is good for nothing, at once."""
    return call("revoke_claim", "POST", f"/v1/orders/{segment(order_id)}/claim/revoke", ClaimView, if_match=if_match)
