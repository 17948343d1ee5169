"""import_menu_csv: replace a shop's whole menu by a table, as export_menu writes it; a new version of the menu."""

from shared.catalog import menu_csv
from shared.catalog.import_menu import import_menu
from shared.catalog.model import ImportMenuCsv, MenuChange
from shared.catalog.ports import Catalog
from shared.kernel.decision import By
from shared.kernel.ids import ShopId
from shared.kernel.reply import Reply


async def import_menu_csv(
    shop_id: ShopId, command: ImportMenuCsv, *, if_match: int | None, by: By, using: Catalog
) -> Reply[MenuChange]:
    """Return the menu's new version. `if_match` is a version of the menu.

    Raises Invalid with the rows that are not understood, and what import_menu raises.
    """
    return await import_menu(shop_id, menu_csv.read(command.csv), if_match=if_match, by=by, using=using)
