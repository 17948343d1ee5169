"""The calls of catalog. Written by `python -m triggers docs` from the registry; not to be edited."""

from shared.catalog.discount_model import DiscountPage, DiscountView, PutDiscount
from shared.catalog.image_model import SetItemImage
from shared.catalog.model import (
    ImportMenu,
    ImportMenuCsv,
    MenuChange,
    MenuView,
    PutMenuItem,
    PutModifierGroup,
    SearchView,
    SetDayparts,
    SetItemAvailability,
    SetTaxes,
)
from shared.client.call import Call, Scalar, call, segment
from shared.kernel.pictures import ImageUpload, RequestImageUpload


def archive_menu_item(
    shop_id: str, item_id: str, *, key: str | None = None, if_match: int | None = None
) -> Call[MenuChange]:
    """DELETE /v1/shops/{shop_id}/menu/items/{item_id}: sell an item no more."""
    return call(
        "archive_menu_item",
        "DELETE",
        f"/v1/shops/{segment(shop_id)}/menu/items/{segment(item_id)}",
        MenuChange,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def export_menu(shop_id: str, *, format: Scalar = None) -> Call[bytes]:
    """GET /v1/shops/{shop_id}/menu/export: the menu as JSON that can be imported, or as CSV."""
    return call(
        "export_menu", "GET", f"/v1/shops/{segment(shop_id)}/menu/export", bytes, query={"format": format}, accept="*/*"
    )


def get_menu(shop_id: str) -> Call[MenuView]:
    """GET /v1/shops/{shop_id}/menu: what is sold, at fiat prices and live prices in coins."""
    return call("get_menu", "GET", f"/v1/shops/{segment(shop_id)}/menu", MenuView)


def import_menu(
    shop_id: str, body: ImportMenu, *, key: str | None = None, if_match: int | None = None
) -> Call[MenuChange]:
    """PUT /v1/shops/{shop_id}/menu: replace the whole menu."""
    return call(
        "import_menu",
        "PUT",
        f"/v1/shops/{segment(shop_id)}/menu",
        MenuChange,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def import_menu_csv(
    shop_id: str, body: ImportMenuCsv, *, key: str | None = None, if_match: int | None = None
) -> Call[MenuChange]:
    """PUT /v1/shops/{shop_id}/menu/csv: replace the whole menu by a table, as the export has it."""
    return call(
        "import_menu_csv",
        "PUT",
        f"/v1/shops/{segment(shop_id)}/menu/csv",
        MenuChange,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def list_discounts(shop_id: str, *, cursor: Scalar = None, limit: Scalar = None) -> Call[DiscountPage]:
    """GET /v1/shops/{shop_id}/discounts: what the shop gives off, and how often that was used."""
    return call(
        "list_discounts",
        "GET",
        f"/v1/shops/{segment(shop_id)}/discounts",
        DiscountPage,
        query={"cursor": cursor, "limit": limit},
    )


def put_discount(
    shop_id: str, discount_id: str, body: PutDiscount, *, key: str | None = None, if_match: int | None = None
) -> Call[DiscountView]:
    """PUT /v1/shops/{shop_id}/discounts/{discount_id}: give a discount, or give it otherwise."""
    return call(
        "put_discount",
        "PUT",
        f"/v1/shops/{segment(shop_id)}/discounts/{segment(discount_id)}",
        DiscountView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def put_menu_item(
    shop_id: str, item_id: str, body: PutMenuItem, *, key: str | None = None, if_match: int | None = None
) -> Call[MenuChange]:
    """PUT /v1/shops/{shop_id}/menu/items/{item_id}: add an item to the menu, or replace it."""
    return call(
        "put_menu_item",
        "PUT",
        f"/v1/shops/{segment(shop_id)}/menu/items/{segment(item_id)}",
        MenuChange,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def put_modifier_group(
    shop_id: str, group_id: str, body: PutModifierGroup, *, key: str | None = None, if_match: int | None = None
) -> Call[MenuChange]:
    """PUT /v1/shops/{shop_id}/menu/groups/{group_id}: add a group of choices, or replace it."""
    return call(
        "put_modifier_group",
        "PUT",
        f"/v1/shops/{segment(shop_id)}/menu/groups/{segment(group_id)}",
        MenuChange,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def request_image_upload(
    shop_id: str, item_id: str, body: RequestImageUpload, *, if_match: int | None = None
) -> Call[ImageUpload]:
    """POST /v1/shops/{shop_id}/menu/items/{item_id}/image-uploads: say where its picture may be uploaded to."""
    return call(
        "request_image_upload",
        "POST",
        f"/v1/shops/{segment(shop_id)}/menu/items/{segment(item_id)}/image-uploads",
        ImageUpload,
        body=body,
        if_match=if_match,
    )


def search_menu(shop_id: str, *, q: Scalar, on_sale: Scalar = None, limit: Scalar = None) -> Call[SearchView]:
    """GET /v1/shops/{shop_id}/menu/search: find items of a menu, typos forgiven."""
    return call(
        "search_menu",
        "GET",
        f"/v1/shops/{segment(shop_id)}/menu/search",
        SearchView,
        query={"q": q, "on_sale": on_sale, "limit": limit},
    )


def set_dayparts(
    shop_id: str, body: SetDayparts, *, key: str | None = None, if_match: int | None = None
) -> Call[MenuChange]:
    """PUT /v1/shops/{shop_id}/menu/dayparts: say at which hours things are sold."""
    return call(
        "set_dayparts",
        "PUT",
        f"/v1/shops/{segment(shop_id)}/menu/dayparts",
        MenuChange,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def set_item_availability(
    shop_id: str, item_id: str, body: SetItemAvailability, *, key: str | None = None, if_match: int | None = None
) -> Call[MenuChange]:
    """PUT /v1/shops/{shop_id}/menu/items/{item_id}/availability: mark an item as sold out, or as there again."""
    return call(
        "set_item_availability",
        "PUT",
        f"/v1/shops/{segment(shop_id)}/menu/items/{segment(item_id)}/availability",
        MenuChange,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def set_item_image(
    shop_id: str, item_id: str, body: SetItemImage, *, key: str | None = None, if_match: int | None = None
) -> Call[MenuChange]:
    """PUT /v1/shops/{shop_id}/menu/items/{item_id}/image: give the item the picture that was uploaded, or none."""
    return call(
        "set_item_image",
        "PUT",
        f"/v1/shops/{segment(shop_id)}/menu/items/{segment(item_id)}/image",
        MenuChange,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def set_taxes(shop_id: str, body: SetTaxes, *, key: str | None = None, if_match: int | None = None) -> Call[MenuChange]:
    """PUT /v1/shops/{shop_id}/menu/taxes: say how what is sold is taxed."""
    return call(
        "set_taxes",
        "PUT",
        f"/v1/shops/{segment(shop_id)}/menu/taxes",
        MenuChange,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )
