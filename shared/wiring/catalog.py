"""The catalog, composed."""

from functools import cache, partial

from shared.adapters.postgres.catalog import (
    PostgresMenus,
    PostgresPopular,
    PostgresRates,
    PostgresShelf,
    PostgresShopTerms,
)
from shared.adapters.postgres.inbox import PostgresInbox
from shared.adapters.redis.documents import CachedDocuments
from shared.catalog.get_menu import menu_document
from shared.catalog.model import MenuView
from shared.catalog.ports import Catalog, MenuSources, Warming
from shared.settings import ImageSettings
from shared.wiring.cache import document_cache
from shared.wiring.resources import clock, database, region


@cache
def catalog() -> Catalog:
    """Return everything the operations of the catalog are given."""
    db = database()
    return Catalog(
        store=PostgresMenus(db, region=region()),
        shops=PostgresShopTerms(db),
        documents=documents(),
        inbox=PostgresInbox(db),
        clock=clock(),
    )


@cache
def documents() -> CachedDocuments[MenuView]:
    """Return the menus as customers see them."""
    db = database()
    sources = MenuSources(
        store=PostgresMenus(db, region=region()),
        shops=PostgresShopTerms(db),
        rates=PostgresRates(db),
        shelves=PostgresShelf(db),
        clock=clock(),
        images_at=ImageSettings.public_from_env(),
    )
    build = partial(menu_document, using=sources)
    return CachedDocuments(document_cache(), "menu", build, clock=clock())


@cache
def warming() -> Warming:
    """Return everything warm_menus is given."""
    return Warming(documents=documents(), popular=PostgresPopular(database()), clock=clock())
