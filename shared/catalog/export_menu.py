"""export_menu: a shop's menu as a document that import_menu takes, or as a table for spreadsheets."""

from shared.catalog import lifecycle, menu_csv
from shared.catalog.model import ExportMenu, Menu
from shared.catalog.ports import Catalog
from shared.kernel.decision import By
from shared.kernel.encoding import to_json
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
    if asked.format == "csv":
        body, media = menu_csv.written(found.state).encode(), menu_csv.MEDIA_TYPE
        name = {"content-disposition": f'attachment; filename="menu-{asked.shop_id}.csv"'}
        return Reply(body, version=found.version, content_type=media, headers=name)
    return Reply(to_json(document_of(found.state)).encode(), version=found.version)


def document_of(menu: Menu) -> dict[str, object]:
    """Return a menu as the JSON of an `ImportMenu`. What is sold out, and pictures, are not part of it.

    It is what the menu has, as it is: what was put before a rule was made is exported, and told when it is imported.
    """
    return {
        "items": {item.item_id: item.model_dump(mode="json", exclude={"item_id"}) for item in menu.items},
        "groups": {group.group_id: group.model_dump(mode="json", exclude={"group_id"}) for group in menu.groups},
        "dayparts": [daypart.model_dump(mode="json") for daypart in menu.dayparts],
        "taxes": [tax.model_dump(mode="json") for tax in menu.taxes],
    }
