"""Orders, composed."""

from functools import cache

from shared.adapters.postgres.discounts import PostgresOfferedDiscounts
from shared.adapters.postgres.histories import PostgresHistories
from shared.adapters.postgres.kitchens import PostgresKitchens
from shared.adapters.postgres.order_slots import PostgresOrderSlots
from shared.adapters.postgres.order_terms import PostgresMenus, PostgresShopTerms
from shared.adapters.postgres.orders import PostgresOrders, PostgresPaymentStandings
from shared.adapters.postgres.purchases import PostgresPurchases
from shared.adapters.postgres.recipes import PostgresOrderRecipes
from shared.orders.ports import Orders
from shared.wiring.resources import clock, database, region


@cache
def orders() -> Orders:
    """Return everything the operations of orders are given."""
    db = database()
    return Orders(
        store=PostgresOrders(db, region=region()),
        shops=PostgresShopTerms(db),
        menus=PostgresMenus(db),
        recipes=PostgresOrderRecipes(db),
        payments=PostgresPaymentStandings(db),
        clock=clock(),
        discounts=PostgresOfferedDiscounts(db),
    )


@cache
def histories() -> PostgresHistories:
    """Return the reader of an order's facts."""
    return PostgresHistories(database())


@cache
def purchases() -> PostgresPurchases:
    """Return the reader of what receipts show."""
    return PostgresPurchases(database())


@cache
def order_slots() -> PostgresOrderSlots:
    """Return the reader of what is taken of slots."""
    return PostgresOrderSlots(database())


@cache
def kitchens() -> PostgresKitchens:
    """Return the reader of kitchens."""
    return PostgresKitchens(database())
