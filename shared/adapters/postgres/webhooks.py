"""Webhooks in Postgres: their streams."""

from collections.abc import Sequence
from typing import Final

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.statement import StateTable, rows_sql
from shared.adapters.postgres.store import StateStore, stored
from shared.kernel.decision import Stored
from shared.kernel.ids import MerchantId, ShopId
from shared.notifications.webhook_lifecycle import evolve
from shared.notifications.webhook_model import MOST_WEBHOOKS, Webhook

TABLE: Final = StateTable(name="webhooks", key="webhook_id", model=Webhook, evolve=evolve)

_OF_MERCHANT: Final = rows_sql(
    TABLE,
    "where merchant_id = :merchant_id and deleted_at is null and (:shop_id::text is null or shop_id = :shop_id::text)"
    " order by webhook_id desc limit :limit::int",
)


class PostgresWebhooks(StateStore[Webhook]):
    """Fulfils `shared.notifications.webhook_ports.WebhookStore`."""

    def __init__(self, db: Database, *, region: str) -> None:
        super().__init__(db, TABLE, region=region)

    async def of_merchant(self, merchant_id: MerchantId, shop_id: ShopId | None) -> Sequence[Stored[Webhook]]:
        """Return the webhooks that are not deleted, newest first; with `shop_id` those of this shop alone."""
        rows = await self._db.run(
            _OF_MERCHANT, merchant_id=merchant_id, shop_id=shop_id, limit=MOST_WEBHOOKS + MOST_WEBHOOKS
        )
        return [stored(Webhook, row) for row in rows]
