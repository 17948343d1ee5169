"""The meters of this process as Prometheus sees them. Loaded when somebody asks for metrics, not at start."""

from collections.abc import Iterator
from functools import cache
from typing import Final

from prometheus_client import REGISTRY, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from shared.edge.telemetry import BOUNDS_S, METERS

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class CallMetrics(Collector):
    """Rate, errors, duration and concurrency of each function."""

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily]:
        """Yield the families as they stand now."""
        calls = CounterMetricFamily(
            "function_calls", "Calls by what became of them", labels=["function", "outcome", "problem"]
        )
        flight = GaugeMetricFamily("function_calls_in_flight", "Calls not yet answered", labels=["function"])
        seconds = HistogramMetricFamily(
            "function_call_seconds", "From the first header read to the answer made", labels=["function"]
        )
        for name, meter in sorted(METERS.items()):
            for (outcome, problem), count in sorted(meter.calls.items()):
                calls.add_metric([name, outcome, problem], count)
            flight.add_metric([name], meter.in_flight)
            seconds.add_metric([name], _cumulative(meter.times), meter.sum_s)
        yield calls
        yield flight
        yield seconds


def _cumulative(times: list[int]) -> list[tuple[str, float]]:
    buckets, total = [], 0
    for bound, count in zip((*(str(bound) for bound in BOUNDS_S), "+Inf"), times, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets


@cache
def _register() -> None:
    REGISTRY.register(CallMetrics())


def exposition() -> bytes:
    """Return everything this process measures, in Prometheus' text format."""
    _register()
    return generate_latest(REGISTRY)
