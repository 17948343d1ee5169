"""Webhooks, composed. What calls endpoints is built only for the functions that make, change or call one."""

from functools import cache

from shared.adapters.postgres.notifications import PostgresOrderNews
from shared.adapters.postgres.webhook_deliveries import PostgresDeliveries
from shared.adapters.postgres.webhooks import PostgresWebhooks
from shared.notifications.webhook_ports import Issuing, Webhooks
from shared.wiring.resources import clock, database, region


@cache
def webhooks() -> Webhooks:
    """Return everything the operations of webhooks are given, but who calls."""
    db = database()
    return Webhooks(
        store=PostgresWebhooks(db, region=region()),
        deliveries=PostgresDeliveries(db, region=region()),
        orders=PostgresOrderNews(db),
        clock=clock(),
    )


@cache
def issuing() -> Issuing:
    """Return the safe for secrets, and who calls."""
    from shared.adapters.sealing import Sealer
    from shared.adapters.webhooks.secrets import SealedSecrets
    from shared.adapters.webhooks.sending import WebhookEndpoints
    from shared.settings import SealingSettings, WebhookSettings

    return Issuing(
        secrets=SealedSecrets(Sealer(SealingSettings.from_env())),
        endpoints=WebhookEndpoints(WebhookSettings.from_env()),
    )
