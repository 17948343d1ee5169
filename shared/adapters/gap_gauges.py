"""How wide the gaps of unpaid addresses are, as Prometheus sees it."""

from typing import Final

from prometheus_client import Gauge

WIDEST: Final = Gauge(
    "address_gap_widest", "Unused addresses in a row since the last one paid to, of the worst account"
)
NEAR: Final = Gauge("address_gap_accounts_near_limit", "Accounts at 80 % of their wallet's gap limit or beyond")


class GapGauges:
    """Fulfils `shared.shops.watch_gap_limits.GapMeter`."""

    def measured(self, widest: int, near: int) -> None:
        """Set the gauges."""
        WIDEST.set(widest)
        NEAR.set(near)
