"""How watching goes, for Prometheus; what somebody must look at goes into the log too, once each time it begins."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import structlog
from prometheus_client import Gauge

from shared.kernel.money import Asset

_BLOCKS: Final = Gauge("chain_behind_blocks", "Blocks of the chain not read yet", ["chain"])
_SECONDS: Final = Gauge("chain_behind_seconds", "Since when the tip has not been reached", ["chain"])
_READ_AT: Final = Gauge("chain_read_timestamp_seconds", "When the last pass over the chain ended", ["chain"])
_MISSING: Final = Gauge("chain_node_missing", "1 while one of two nodes does not answer", ["chain"])
_APART: Final = Gauge("chain_nodes_apart_blocks", "Blocks that two nodes contradict each other about", ["chain"])
_WAITING: Final = Gauge("chain_unconfirmed_by_second_blocks", "Blocks that one node alone has confirmed", ["chain"])
_SHORT: Final = Gauge("chain_short_receivers", "Receivers with less than came and left by the blocks", ["chain"])
_HELD: Final = Gauge("chain_asset_held", "1 while nothing settles in the asset", ["chain", "asset"])
_log = structlog.get_logger()


class PrometheusGauges:
    """Fulfils `shared.payments.watch_ports.Gauges`."""

    def __init__(self) -> None:
        self._alarmed: dict[tuple[str, str], bool] = {}
        self._held: dict[str, set[Asset]] = {}

    def read(self, chain: str, *, blocks: int, seconds: float, at: datetime) -> None:
        """Show how far behind the tip a pass ended."""
        _BLOCKS.labels(chain).set(blocks)
        _SECONDS.labels(chain).set(seconds)
        _READ_AT.labels(chain).set(at.timestamp())

    def nodes(self, chain: str, *, missing: bool, apart: int, unsettled: int) -> None:
        """Show how two nodes get on."""
        _MISSING.labels(chain).set(missing)
        _APART.labels(chain).set(apart)
        _WAITING.labels(chain).set(unsettled)
        self._alarm(chain, "one node is missing: payments need more confirmations", raised=missing, blocks=unsettled)
        self._alarm(chain, "the nodes contradict each other: nothing settles", raised=bool(apart), blocks=apart)

    def held(self, chain: str, reasons: Mapping[Asset, str]) -> None:
        """Show in which assets nothing settles."""
        held = self._held.setdefault(chain, set())
        for asset in held | reasons.keys():
            _HELD.labels(chain, asset).set(asset in reasons)
            what = f"nothing settles in {asset}: {reasons[asset]}" if asset in reasons else f"{asset} settles again"
            if (asset in held) != (asset in reasons):
                (_log.error if asset in reasons else _log.info)(what, chain=chain)
        self._held[chain] = set(reasons)

    def short(self, chain: str, receivers: int) -> None:
        """Show that receivers have less than they should."""
        _SHORT.labels(chain).set(receivers)
        self._alarm(chain, "coins left receivers that no block shows", raised=bool(receivers), receivers=receivers)

    def _alarm(self, chain: str, what: str, *, raised: bool, **figures: int) -> None:
        if self._alarmed.get((chain, what), False) != raised:
            self._alarmed[chain, what] = raised
            (_log.error if raised else _log.info)(what if raised else f"over: {what}", chain=chain, **figures)
