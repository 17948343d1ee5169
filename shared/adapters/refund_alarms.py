"""Alarms of refunds: a line in the log, a counter and a gauge that an alert is set on."""

from collections.abc import Mapping
from typing import Final

import structlog
from prometheus_client import Counter, Gauge

from shared.kernel.ids import RefundId
from shared.payments.facts import RefundDelay
from shared.payments.refund_model import OPEN

_ALARMS: Final = Counter("refund_alarms_total", "Looks at a refund that found it in trouble", ["chain", "what"])
_WAITING: Final = Gauge(
    "refunds_waiting", "Refunds that are agreed to and not final, by what they wait for", ["chain", "reason"]
)
_REASONS: Final = (*(str(delay) for delay in RefundDelay), *(str(state) for state in OPEN))


class LoggedAlarms:
    """Fulfils `shared.payments.refund_ports.Alarms`."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("refunds")

    def raised(self, chain: str, refund_id: RefundId, what: str, detail: str) -> None:
        """Tell that somebody should look at this refund."""
        _ALARMS.labels(chain, what).inc()
        self._log.warning("refund in trouble", chain=chain, refund_id=refund_id, what=what, detail=detail)

    def waiting(self, chain: str, by_reason: Mapping[str, int]) -> None:
        """Tell how many refunds of the chain are not confirmed, by what they wait for."""
        for reason in _REASONS:
            _WAITING.labels(chain, reason).set(by_reason.get(reason, 0))
