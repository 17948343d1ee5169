"""search_menu: what of a shop's menu somebody may have meant, typos forgiven."""

from shared.catalog import searching
from shared.catalog.model import FoundItem, MenuView, SearchMenu, SearchView
from shared.catalog.ports import Catalog
from shared.kernel.reply import Reply


async def search_menu(asked: SearchMenu, *, using: Catalog) -> Reply[SearchView]:
    """Return the items that answer the query, best first, at most some seconds out of date. Raises NotFound."""
    menu = MenuView.model_validate_json((await using.documents.of(asked.shop_id)).body)
    items = [item for item in menu.items if item.on_sale] if asked.on_sale else menu.items
    found = searching.search(items, asked.q, limit=asked.limit)
    view = SearchView(
        shop_id=menu.shop_id,
        version=menu.version,
        currency=menu.currency,
        found=tuple(FoundItem(item=item, score=score) for item, score in found),
    )
    return Reply(view)
