"""What importing the Redis adapter loads, and what it leaves for others to load."""

import subprocess
import sys

PROGRAM = """
import sys
import shared.adapters.redis.cache
assert "redis.asyncio" in sys.modules
assert "opentelemetry.sdk.metrics" not in sys.modules
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
assert MeterProvider and metrics
"""


def test_redis_comes_without_opentelemetrys_metrics_and_others_get_them() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
