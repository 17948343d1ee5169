"""The catalog, composed."""

from functools import cache, partial

from shared.adapters.postgres.catalog import PostgresMenus, PostgresRates, PostgresShopTerms
from shared.adapters.postgres.inbox import PostgresInbox
from shared.adapters.redis.documents import CachedDocuments
from shared.catalog.get_menu import menu_document
from shared.catalog.ports import Catalog
from shared.settings import ImageSettings
from shared.wiring.cache import document_cache
from shared.wiring.resources import clock, database, region


@cache
def catalog() -> Catalog:
    """Return everything the operations of the catalog are given."""
    db = database()
    store, shops = PostgresMenus(db, region=region()), PostgresShopTerms(db)
    build = partial(
        menu_document,
        store=store,
        shops=shops,
        rates=PostgresRates(db),
        clock=clock(),
        images_at=ImageSettings.public_from_env(),
    )
    return Catalog(
        store=store,
        shops=shops,
        documents=CachedDocuments(document_cache(), "menu", build, clock=clock()),
        inbox=PostgresInbox(db),
        clock=clock(),
    )
