"""The calls of shops. Written by `python -m triggers docs` from the registry; not to be edited."""

from shared.client.call import Call, Scalar, call, segment
from shared.kernel.pictures import ImageUpload, RequestImageUpload
from shared.shops.model import (
    NearbyShops,
    OwnShopView,
    PauseShop,
    RegisterShop,
    SetCapacity,
    SetConfirmations,
    SetDelivery,
    SetOpeningHours,
    SetPhotos,
    SetSpecialHours,
    SetSpreads,
    ShopView,
    UpdateShop,
)
from shared.shops.payout import (
    ChallengeView,
    ConfirmPayout,
    PayoutChangeView,
    PayoutView,
    ProposePayout,
    ProvePayout,
    RequestPayoutChallenge,
)
from shared.shops.rating import RateShop, RatingPage, RatingView


def cancel_payout(
    shop_id: str, change_id: str, *, key: str | None = None, if_match: int | None = None
) -> Call[PayoutChangeView]:
    """POST /v1/shops/{shop_id}/payout/changes/{change_id}/cancel: call off an account that is not in effect yet."""
    return call(
        "cancel_payout",
        "POST",
        f"/v1/shops/{segment(shop_id)}/payout/changes/{segment(change_id)}/cancel",
        PayoutChangeView,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def confirm_payout(
    shop_id: str, change_id: str, body: ConfirmPayout, *, key: str | None = None, if_match: int | None = None
) -> Call[PayoutChangeView]:
    """POST /v1/shops/{shop_id}/payout/changes/{change_id}/confirm: agree to an account that somebody else proposed."""
    return call(
        "confirm_payout",
        "POST",
        f"/v1/shops/{segment(shop_id)}/payout/changes/{segment(change_id)}/confirm",
        PayoutChangeView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def find_nearby_shops(
    *,
    lat: Scalar,
    lon: Scalar,
    radius_m: Scalar = None,
    open_now: Scalar = None,
    limit: Scalar = None,
    cursor: Scalar = None,
) -> Call[NearbyShops]:
    """GET /v1/shops: shops around a point, nearest first."""
    return call(
        "find_nearby_shops",
        "GET",
        "/v1/shops",
        NearbyShops,
        query={"lat": lat, "lon": lon, "radius_m": radius_m, "open_now": open_now, "limit": limit, "cursor": cursor},
    )


def get_payout_changes(shop_id: str) -> Call[PayoutView]:
    """GET /v1/shops/{shop_id}/payout: a shop's payout accounts, and the changes of them."""
    return call("get_payout_changes", "GET", f"/v1/shops/{segment(shop_id)}/payout", PayoutView)


def get_shop(shop_id: str) -> Call[ShopView]:
    """GET /v1/shops/{shop_id}: a shop, its hours, and whether it is open now."""
    return call("get_shop", "GET", f"/v1/shops/{segment(shop_id)}", ShopView)


def list_ratings(shop_id: str, *, cursor: Scalar = None, limit: Scalar = None) -> Call[RatingPage]:
    """GET /v1/shops/{shop_id}/ratings: what customers think of a shop."""
    return call(
        "list_ratings",
        "GET",
        f"/v1/shops/{segment(shop_id)}/ratings",
        RatingPage,
        query={"cursor": cursor, "limit": limit},
    )


def pause_shop(
    shop_id: str, body: PauseShop, *, key: str | None = None, if_match: int | None = None
) -> Call[OwnShopView]:
    """POST /v1/shops/{shop_id}/pause: take no orders for a while."""
    return call(
        "pause_shop",
        "POST",
        f"/v1/shops/{segment(shop_id)}/pause",
        OwnShopView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def propose_payout(
    shop_id: str, body: ProposePayout, *, key: str | None = None, if_match: int | None = None
) -> Call[PayoutChangeView]:
    """POST /v1/shops/{shop_id}/payout/changes: propose another payout account, and show that it is yours."""
    return call(
        "propose_payout",
        "POST",
        f"/v1/shops/{segment(shop_id)}/payout/changes",
        PayoutChangeView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def prove_payout(
    shop_id: str, body: ProvePayout, *, key: str | None = None, if_match: int | None = None
) -> Call[PayoutView]:
    """POST /v1/shops/{shop_id}/payout/proofs: show that the shop's payout account is yours."""
    return call(
        "prove_payout",
        "POST",
        f"/v1/shops/{segment(shop_id)}/payout/proofs",
        PayoutView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def rate_shop(
    order_id: str, body: RateShop, *, key: str | None = None, if_match: int | None = None
) -> Call[RatingView]:
    """PUT /v1/orders/{order_id}/rating: say what you think of an order that was handed over to you."""
    return call(
        "rate_shop",
        "PUT",
        f"/v1/orders/{segment(order_id)}/rating",
        RatingView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def register_shop(body: RegisterShop, *, key: str | None = None) -> Call[OwnShopView]:
    """POST /v1/shops: open a location, of which the caller becomes the owner."""
    return call("register_shop", "POST", "/v1/shops", OwnShopView, body=body, idempotent=True, key=key)


def request_payout_challenge(
    shop_id: str, body: RequestPayoutChallenge, *, if_match: int | None = None
) -> Call[ChallengeView]:
    """POST /v1/shops/{shop_id}/payout/challenges: the message that a payout account's wallet is to sign."""
    return call(
        "request_payout_challenge",
        "POST",
        f"/v1/shops/{segment(shop_id)}/payout/challenges",
        ChallengeView,
        body=body,
        if_match=if_match,
    )


def request_photo_upload(shop_id: str, body: RequestImageUpload, *, if_match: int | None = None) -> Call[ImageUpload]:
    """POST /v1/shops/{shop_id}/photo-uploads: say where a picture of the shop may be uploaded to."""
    return call(
        "request_photo_upload",
        "POST",
        f"/v1/shops/{segment(shop_id)}/photo-uploads",
        ImageUpload,
        body=body,
        if_match=if_match,
    )


def resume_shop(shop_id: str, *, key: str | None = None, if_match: int | None = None) -> Call[OwnShopView]:
    """POST /v1/shops/{shop_id}/resume: take orders again, in the shop's hours."""
    return call(
        "resume_shop",
        "POST",
        f"/v1/shops/{segment(shop_id)}/resume",
        OwnShopView,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def set_capacity(
    shop_id: str, body: SetCapacity, *, key: str | None = None, if_match: int | None = None
) -> Call[OwnShopView]:
    """PUT /v1/shops/{shop_id}/capacity: how much the shop makes in each quarter of an hour."""
    return call(
        "set_capacity",
        "PUT",
        f"/v1/shops/{segment(shop_id)}/capacity",
        OwnShopView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def set_confirmations(
    shop_id: str, body: SetConfirmations, *, key: str | None = None, if_match: int | None = None
) -> Call[OwnShopView]:
    """PUT /v1/shops/{shop_id}/confirmations: how deep in the chain payments must be, and what is risked."""
    return call(
        "set_confirmations",
        "PUT",
        f"/v1/shops/{segment(shop_id)}/confirmations",
        OwnShopView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def set_delivery(
    shop_id: str, body: SetDelivery, *, key: str | None = None, if_match: int | None = None
) -> Call[OwnShopView]:
    """PUT /v1/shops/{shop_id}/delivery: where and for how much the shop delivers."""
    return call(
        "set_delivery",
        "PUT",
        f"/v1/shops/{segment(shop_id)}/delivery",
        OwnShopView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def set_opening_hours(
    shop_id: str, body: SetOpeningHours, *, key: str | None = None, if_match: int | None = None
) -> Call[OwnShopView]:
    """PUT /v1/shops/{shop_id}/hours: replace the weekly opening hours."""
    return call(
        "set_opening_hours",
        "PUT",
        f"/v1/shops/{segment(shop_id)}/hours",
        OwnShopView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def set_photos(
    shop_id: str, body: SetPhotos, *, key: str | None = None, if_match: int | None = None
) -> Call[OwnShopView]:
    """PUT /v1/shops/{shop_id}/photos: show the shop by these pictures."""
    return call(
        "set_photos",
        "PUT",
        f"/v1/shops/{segment(shop_id)}/photos",
        OwnShopView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def set_special_hours(
    shop_id: str, body: SetSpecialHours, *, key: str | None = None, if_match: int | None = None
) -> Call[OwnShopView]:
    """PUT /v1/shops/{shop_id}/special-hours: replace the dates on which other hours hold."""
    return call(
        "set_special_hours",
        "PUT",
        f"/v1/shops/{segment(shop_id)}/special-hours",
        OwnShopView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def set_spreads(
    shop_id: str, body: SetSpreads, *, key: str | None = None, if_match: int | None = None
) -> Call[OwnShopView]:
    """PUT /v1/shops/{shop_id}/spreads: how far below the market the shop quotes each coin."""
    return call(
        "set_spreads",
        "PUT",
        f"/v1/shops/{segment(shop_id)}/spreads",
        OwnShopView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def update_shop(
    shop_id: str, body: UpdateShop, *, key: str | None = None, if_match: int | None = None
) -> Call[OwnShopView]:
    """PATCH /v1/shops/{shop_id}: change a shop's name, address, place or coins."""
    return call(
        "update_shop",
        "PATCH",
        f"/v1/shops/{segment(shop_id)}",
        OwnShopView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )
