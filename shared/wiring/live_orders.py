"""The live documents of orders, composed: apart from orders, so that no other function carries Firestore's client."""

from functools import cache

from shared.adapters.firestore.live_orders import FirestoreLiveOrders
from shared.adapters.postgres.inbox import PostgresInbox
from shared.adapters.postgres.orders import PostgresLiveReads
from shared.orders.ports import LiveProjection
from shared.settings import GoogleSettings
from shared.wiring.resources import database


@cache
def live_projection() -> LiveProjection:
    """Return everything project_live_order is given."""
    db = database()
    return LiveProjection(
        reads=PostgresLiveReads(db),
        documents=FirestoreLiveOrders(GoogleSettings.from_env()),
        inbox=PostgresInbox(db),
    )
