"""Price feeds die and lie while people order: no wrong price, a clear refusal, and who has a quote is served."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import httpx
import pytest

from emulators.feeds import FEEDS, Control
from emulators.people import Barista, Customer, until
from emulators.platform import Platform
from emulators.wallets import EvmWallet
from shared.adapters.postgres.database import Sql
from tests.journeys.cast import rows_of, token_of

JSON = dict[str, Any]
_AGED = Sql(
    "update price_latest set at = at - interval '2 minutes', published_at = published_at - interval '2 minutes'"
    " where asset = 'USDC'"
)
_SAID = Sql(
    "select (select jsonb_agg(said)::text from jsonb_array_elements(feeds) as said where said -> 'left_out' is null),"
    " rate, extract(epoch from at)::float8 from price_latest where asset = :asset and currency = 'EUR'"
)
NEAR = Decimal("0.01")


@pytest.fixture
def feeds(env: Mapping[str, str]) -> Iterator[Control]:
    """The platform's price feeds; afterwards they answer again as before, and there are prices again."""
    control = Control(env["FEEDS_CONTROL_URL"])
    yield control
    control.reset()
    wait_for_a_poll(env, lambda found: len(found) > len(FEEDS) // 2)


def wait_for_a_poll(env: Mapping[str, str], as_wanted: Callable[[set[str]], bool], asset: str = "USDC") -> None:
    """Return once a poll that ended later than now has made a rate of the asset of feeds that are as wanted."""
    before = max((at for _, _, at in rows_of(env, _SAID, asset=asset)), default=0.0)

    def polled() -> bool | None:
        rows = rows_of(env, _SAID, asset=asset)
        if not rows:
            return None
        ((said, _, at),) = rows
        found = {feed for feed in (*FEEDS, "chainlink") if f'"{feed}"' in said}
        return True if at > before and as_wanted(found) else None

    until("a poll of prices", polled)


class Counter:
    """Somebody who orders one thing after the other, to be paid in USDC."""

    def __init__(self, platform: Platform, shop: JSON) -> None:
        self.customer = Customer(platform.url)
        self.shop_id = shop["shop_id"]
        self.url = platform.url
        self.item_id = next(each for each in self.customer.menu(self.shop_id)["items"] if each["available"])["item_id"]

    def order(self) -> str:
        return str(self.customer.order(self.shop_id, [{"item_id": self.item_id}])["order_id"])

    def quoted(self) -> JSON:
        """Return a payment for a fresh order."""
        return self.customer.request_payment(self.order(), "USDC")

    def refused(self) -> httpx.Response:
        """Return what is answered to the request for a payment, at once."""
        headers = {"authorization": f"Bearer {token_of(self.customer.api)}", "idempotency-key": uuid.uuid4().hex}
        path = f"{self.url}/v1/orders/{self.order()}/payments"
        return httpx.post(path, json={"asset": "USDC"}, headers=headers, timeout=10.0)


def test_feeds_die_one_by_one_and_nobody_pays_a_wrong_price(
    platform: Platform,
    env: Mapping[str, str],
    feeds: Control,
    shop: JSON,
    barista: Barista,
    evm_wallet: EvmWallet,
) -> None:
    counter = Counter(platform, shop)
    wait_for_a_poll(env, lambda found: len(found) == len(FEEDS) + 1)
    whole = counter.quoted()
    rate = Decimal(whole["quote"]["rate"])
    assert "chainlink" in {said["feed"] for said in whole["quote"]["feeds"]}

    # One lies, two are down, one answers with errors: the others' median goes on.
    liar, silent, broken, late = FEEDS[0], FEEDS[1], FEEDS[2], FEEDS[3]
    feeds.price(liar, "USDC", "EUR", Decimal(9))
    feeds.silence(silent)
    feeds.fail(broken, 503)
    feeds.fail(late, 429)
    wait_for_a_poll(env, lambda found: not found & {liar, silent, broken, late})
    fewer = counter.quoted()["quote"]
    assert abs(Decimal(fewer["rate"]) - rate) < rate * NEAR
    assert {said["feed"] for said in fewer["feeds"]} <= {*FEEDS[4:], "chainlink"}

    # All that lie say the same now, and outvote those that are left: no rate is made of them.
    for feed in FEEDS[:-1]:
        feeds.price(feed, "USDC", "EUR", Decimal(9))
    for feed in FEEDS[1:4]:
        feeds.fail(feed, 200)
    for _ in range(2):  # the first may have begun before
        wait_for_a_poll(env, bool, "BTC")
    ((_, kept, _),) = rows_of(env, _SAID, asset="USDC")
    assert abs(Decimal(kept) - rate) < rate * NEAR
    rows_of(env, _AGED)  # as if the liars had kept at it for two minutes
    answer = counter.refused()
    problem = answer.json()
    assert (answer.status_code, problem["type"].rpartition("/")[2]) == (503, "no-fresh-price")
    assert answer.headers["retry-after"] == "10"

    # Whoever has a quote pays it, and is served.
    evm_wallet.pay("USDC", whole["address"], int(whole["due"]["units"]))
    evm_wallet.mine(int(whole["confirmations"]))
    order_id = whole["order_id"]
    counter.customer.wait_for(order_id, "confirmed")
    claim = counter.customer.claim(order_id)
    barista.prepare(order_id)
    barista.ready(order_id)
    barista.redeem(claim["code"])
    counter.customer.wait_for(order_id, "completed")
    assert counter.refused().status_code == 503

    # They come to their senses, and so do prices, without anybody doing anything.
    feeds.reset()
    wait_for_a_poll(env, lambda found: len(found) > len(FEEDS) // 2)
    again = counter.quoted()["quote"]
    assert abs(Decimal(again["rate"]) - rate) < rate * NEAR
