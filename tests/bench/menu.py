"""A menu out of the cache, through the function as it is deployed, against the hello function."""

from collections.abc import Sequence
from itertools import cycle

from tests.bench.furnish import shop_id
from tests.bench.ground import Ground
from tests.bench.hello import hello, served
from tests.bench.load import get, load
from tests.bench.row import Probe, Row
from triggers.registry import load as registry


def rows(ground: Ground) -> Sequence[Row]:
    """Return the rows."""
    entry = registry()["get_menu"]
    port = ground.function(entry.target, entry.source, ground.env)
    menus = cycle([get(entry.path.replace("{shop_id}", shop_id(number))) for number in range(1, ground.shops + 1)])
    menu = Probe("cached menu", "requests/s", lambda seconds: load(port, menus, seconds))
    return [
        Row("cached menu", menu, hello(ground), goal=0.97),
        Row("cached menu: of hello served alike", menu, served(ground), goal=0.97),
    ]
