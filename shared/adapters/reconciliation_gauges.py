"""How reconciliation stands, as Prometheus sees it."""

from typing import Final

from prometheus_client import Gauge

from shared.payments.reconcile_payments import Summary
from shared.payments.reconciliation import Kind

OPEN: Final = Gauge(
    "reconciliation_open_differences", "Differences that are not gone yet, acknowledged or not", ["scope", "kind"]
)
LAST_COMPLETE: Final = Gauge(
    "reconciliation_last_complete_timestamp_seconds", "When the last run ended that compared everything", ["scope"]
)


def measure(summary: Summary) -> None:
    """Set the gauges of a scope after its run."""
    for kind in Kind:
        OPEN.labels(summary.scope, kind.value).set(summary.open.get(kind, 0))
    if summary.complete:
        LAST_COMPLETE.labels(summary.scope).set_to_current_time()
