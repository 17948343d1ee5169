"""What the relay, the dispatcher and the ticker have in common as processes: log lines, metrics, an orderly end."""

import logging
import signal
import sys
from collections.abc import Callable

import structlog
from prometheus_client import start_http_server

from shared.settings import Misconfigured, WorkerSettings


def run(worker: Callable[[], None]) -> int:
    """Run a worker to its end and return the exit code. A wrong setting is one line; a bug is a trace and code 1."""
    try:
        _prepare(WorkerSettings.from_env())
        worker()
    except Misconfigured as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def on_stop(stop: Callable[[], object]) -> None:
    """Call `stop` when the process is asked to end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())


def _prepare(settings: WorkerSettings) -> None:
    """Write one JSON line per log entry to standard output, and serve metrics where the settings say."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _severity,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    if settings.metrics_port is not None:
        start_http_server(settings.metrics_port, addr=settings.metrics_host)


def _severity(_: object, method: str, entry: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Name the level as the functions' own log lines do."""
    entry["severity"] = method
    return entry
