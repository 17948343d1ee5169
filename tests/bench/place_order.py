"""Placing an order: through HTTP against the function as it is deployed, 64 customers' requests at a time.

The order is committed durably: state, two lines, fact, outbox, idempotency key, stock, stored reply. Its floors are
the very same statement by pgbench, one order each, and the hello function, served by the framework and as images do.
"""

import json
import random
from collections.abc import Iterator, Sequence

from shared.edge.tokens import CustomerTokens
from shared.kernel.ids import ItemId, UserId, uuid7_hex
from shared.settings import CustomerTokenSettings
from tests.bench.furnish import ITEMS, numbered, shop_id
from tests.bench.ground import Ground
from tests.bench.hello import hello, served
from tests.bench.load import CLIENTS, load
from tests.bench.pgbench import same_statement
from tests.bench.row import Claim, Probe, Row
from triggers.registry import load as registry

CUSTOMERS = 1000
_CLAIMED = Claim("go-coffee's claim", 1200.0)
_CLAIMED_P99_MS = Claim("go-coffee's claim", 100.0)


def tokens(env: dict[str, str], customers: int = CUSTOMERS) -> list[str]:
    """Return a token for each customer, signed as signing in does."""
    issuer = CustomerTokens(CustomerTokenSettings.from_env(env))
    return [issuer.issue(UserId(numbered(UserId, number))).token for number in range(1, customers + 1)]


def orders(tokens: Sequence[str], shops: int) -> Iterator[bytes]:
    """Yield requests without end: any customer, any shop, two of its items."""
    heads = [
        f"POST /v1/orders HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {token}\r\nidempotency-key: ".encode()
        for token in tokens
    ]
    bodies = [_body(shop) for shop in range(1, shops + 1) for _ in range(20)]
    while True:
        yield b"%b%b%b" % (random.choice(heads), uuid7_hex().encode(), random.choice(bodies))


def _body(shop: int) -> bytes:
    lines = [{"item_id": numbered(ItemId, number), "quantity": 1} for number in random.sample(range(1, ITEMS + 1), 2)]
    body = json.dumps({"shop_id": shop_id(shop), "lines": lines, "note": ""}).encode()
    return b"\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def function(ground: Ground) -> int:
    """Return the port of one process of the function."""
    entry = registry()["create_order"]
    return ground.once(entry.target, lambda: ground.function(entry.target, entry.source, ground.env))


def placing(ground: Ground) -> Probe:
    """Return the probe: that process, kept busy."""
    port, requests = function(ground), orders(tokens(ground.env), ground.shops)
    return Probe("orders through HTTP", "orders/s", lambda seconds: load(port, requests, seconds))


def rows(ground: Ground) -> Sequence[Row]:
    """Return the rows."""
    probe, pgbench = placing(ground), same_statement(ground)
    placed = f"place an order, durable, {CLIENTS} clients"
    return [
        Row(f"{placed}: of pgbench", probe, pgbench, goal=0.75),
        Row(f"{placed}: of hello", probe, hello(ground), goal=0.45),
        Row(f"{placed}: of hello served alike", probe, served(ground), goal=0.45),
        Row("order throughput", probe, _CLAIMED, goal=round(5000 / _CLAIMED.value, 2)),
        Row(
            "order p99",
            probe,
            _CLAIMED_P99_MS,
            goal=0.45,
            less_is_better=True,
            reading="p99_ms",
            unit="ms",
        ),
    ]
