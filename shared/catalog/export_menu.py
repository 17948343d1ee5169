"""export_menu: a shop's menu as a document that import_menu takes, or as a table for spreadsheets."""

from shared.catalog import lifecycle, menu_csv
from shared.catalog.model import ExportMenu, ImportMenu, Menu
from shared.catalog.ports import Catalog
from shared.kernel.decision import By
from shared.kernel.errors import NotFound
from shared.kernel.ids import MenuId
from shared.kernel.reply import Reply


async def export_menu(asked: ExportMenu, *, by: By, using: Catalog) -> Reply[bytes]:
    """Return the present menu as JSON or CSV, its version as ETag. Raises NotFound, Forbidden."""
    shop = await using.shops.terms(asked.shop_id)
    lifecycle.run_by(shop, by)
    found = await using.store.load(MenuId.like(asked.shop_id))
    if found is None:
        raise NotFound("This shop has no menu yet.")
    document = document_of(found.state)
    if asked.format == "csv":
        body, media = menu_csv.written(document).encode(), menu_csv.MEDIA_TYPE
        name = {"content-disposition": f'attachment; filename="menu-{asked.shop_id}.csv"'}
        return Reply(body, version=found.version, content_type=media, headers=name)
    return Reply(document.model_dump_json().encode(), version=found.version)


def document_of(menu: Menu) -> ImportMenu:
    """Return a menu as the command that makes it. What is sold out, and pictures, are not part of it."""
    plain = menu.model_dump(mode="json")
    items = {item.pop("item_id"): item for item in plain["items"]}
    groups = {group.pop("group_id"): group for group in plain["groups"]}
    return ImportMenu.model_validate(
        {"items": items, "groups": groups, "dayparts": plain["dayparts"], "taxes": plain["taxes"]}
    )
