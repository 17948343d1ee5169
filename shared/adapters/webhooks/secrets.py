"""What deliveries are signed with, sealed for its own webhook: moved to another one it does not open."""

from base64 import b64decode, b64encode

from shared.adapters.sealing import Sealer
from shared.kernel.ids import WebhookId


class SealedSecrets:
    """Fulfils `shared.notifications.webhook_ports.Secrets`."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def seal(self, webhook_id: WebhookId, secret: str) -> str:
        """Return a secret as a fact carries it, in base64."""
        return b64encode(self._sealer.seal(secret, context=f"webhook:{webhook_id}")).decode()

    def open(self, webhook_id: WebhookId, sealed: str) -> str:
        """Return the secret. Raises Bug when it was sealed for another webhook or with another key."""
        return self._sealer.open(b64decode(sealed), context=f"webhook:{webhook_id}")
