"""Prices from aggregator contracts on a real node: what Chainlink's consumers were hurt by is no price here."""

import itertools
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import pytest

from emulators import chainlink
from emulators.chainlink import Oracle, answer_of, creation, deployed
from emulators.component import Running
from emulators.ethereum import USDC
from emulators.json_rpc import call
from emulators.platform import Platform
from shared.adapters.feeds.chainlink import HEARTBEAT, LATE, RECOVERING, ChainlinkFeed
from shared.adapters.resilience import Limits
from shared.kernel.errors import Transient
from shared.kernel.money import Asset
from shared.prices.model import Pair, Reading
from shared.settings import FeedSettings, Misconfigured

BTC_USD, BTC_EUR = Pair(Asset.BTC, "USD"), Pair(Asset.BTC, "EUR")
ONCE: Final = Limits(timeout_s=3.0, attempts=1, concurrent=2, failures=1000)
_salts = itertools.count(1)


class Chain:
    """A node with aggregators of this test's own."""

    def __init__(self, node: Running) -> None:
        self.url = node.env["EVM_RPC_URL"]

    def aggregator(self, description: str, price: str, *, decimals: int = 8) -> Oracle:
        code = creation(description, int(Decimal(price).scaleb(decimals)), decimals=decimals)
        return Oracle(self.url, deployed(self.url, code, next(_salts)))

    def now(self) -> int:
        return int(time.time())

    @asynccontextmanager
    async def feed(self, contracts: Mapping[str, Any], **settings: Any) -> AsyncIterator[ChainlinkFeed]:
        named = {pair: told.address if isinstance(told, Oracle) else told for pair, told in contracts.items()}
        settings = {"url": self.url, "chain": "evm:31337", **settings}
        feed = ChainlinkFeed(FeedSettings("chainlink", "chainlink", contracts=named, **settings), ONCE)
        try:
            yield feed
        finally:
            await feed.close()

    async def reading(self, contracts: Mapping[str, Any], pair: Pair = BTC_USD, **settings: Any) -> Reading | None:
        async with self.feed(contracts, **settings) as feed:
            return (await feed.read((pair,))).get(pair)


@pytest.fixture
def chain(ethereum: Running) -> Chain:
    return Chain(ethereum)


async def test_a_price_is_read_and_follows_what_is_written(chain: Chain) -> None:
    oracle = chain.aggregator("BTC / USD", "64000.12345678")
    async with chain.feed({"BTC-USD": oracle}) as feed:
        first = (await feed.read((BTC_USD, BTC_EUR)))[BTC_USD]
        assert (first.feed, first.price) == ("chainlink", Decimal("64000.12345678"))
        assert abs(first.at.timestamp() - oracle.updated_at) == 0
        assert first.fresh_for == HEARTBEAT + LATE
        oracle.post(answer_of(Decimal("61500.5")))
        assert (await feed.read((BTC_USD,)))[BTC_USD].price == Decimal("61500.5")


async def test_a_pair_without_a_contract_is_made_of_two_and_is_as_old_as_the_older(chain: Chain) -> None:
    bitcoin, euro = chain.aggregator("BTC / USD", "64800"), chain.aggregator("EUR / USD", "1.08")
    long_ago = chain.now() - 40_000
    euro.put(7, answer_of(Decimal("1.08")), long_ago, long_ago, 7)
    told: dict[str, Any] = {"BTC-USD": bitcoin, "EUR-USD": {"address": euro.address, "heartbeat_s": 86_400}}
    found = await chain.reading(told, BTC_EUR)
    assert found is not None
    assert (found.price, found.at.timestamp()) == (Decimal(60_000), long_ago)
    assert found.fresh_for == timedelta(seconds=86_400) + LATE
    assert await chain.reading({**told, "EUR-USD": euro}, BTC_EUR) is None


async def test_a_pair_that_is_made_of_absurd_prices_is_none(chain: Chain) -> None:
    told = {
        "BTC-USD": chain.aggregator("BTC / USD", "999999999999"),
        "EUR-USD": chain.aggregator("EUR / USD", "0.00000001"),
    }
    assert await chain.reading(told, BTC_EUR) is None
    assert await chain.reading(told, Pair(Asset("EUR"), "USD")) is not None


@pytest.mark.parametrize("answer", [0, -1, -64_000 * 10**8, 2**255 - 1, 10**12 * 10**8])
async def test_an_answer_that_can_be_no_price_is_none(chain: Chain, answer: int) -> None:
    oracle = chain.aggregator("BTC / USD", "64000")
    oracle.post(answer)
    assert await chain.reading({"BTC-USD": oracle}) is None


async def test_an_answer_older_than_the_heartbeat_is_none(chain: Chain) -> None:
    oracle = chain.aggregator("BTC / USD", "64000")
    for age, is_read in ((3500, True), (3600 + 115, True), (3600 + 125, False), (90_000, False)):
        then = chain.now() - age
        oracle.put(9, answer_of(Decimal(64_000)), then, then, 9)
        assert (await chain.reading({"BTC-USD": oracle}) is not None) == is_read, age
    assert await chain.reading({"BTC-USD": oracle}, stale_s=100_000) is not None


async def test_a_round_that_was_not_answered_is_none(chain: Chain) -> None:
    oracle, now = chain.aggregator("BTC / USD", "64000"), chain.now()
    oracle.put(9, answer_of(Decimal(64_000)), now, now, 8)
    assert await chain.reading({"BTC-USD": oracle}) is None
    oracle.put(9, answer_of(Decimal(64_000)), now, 0, 9)  # the contract itself refuses: no data
    assert await chain.reading({"BTC-USD": oracle}) is None
    oracle.put(9, answer_of(Decimal(64_000)), now, now, 9)
    assert await chain.reading({"BTC-USD": oracle}) is not None


async def test_a_contract_with_other_decimals_or_of_another_pair_is_not_believed(chain: Chain) -> None:
    oracle = chain.aggregator("BTC / USD", "64000", decimals=18)
    assert await chain.reading({"BTC-USD": oracle}) is None
    told = {"BTC-USD": {"address": oracle.address, "decimals": 18}}
    found = await chain.reading(told)
    assert found is not None
    assert found.price == 64_000
    for decimals, description in ((8, "BTC / USD"), (18, "ETH / USD"), (18, "BTC / EUR"), (18, ""), (18, "B" * 70)):
        oracle.describe(decimals, description)
        assert await chain.reading(told) is None, description


async def test_an_address_without_a_contract_or_with_another_one_is_no_price(chain: Chain) -> None:
    for address in ("0x" + "5a" * 20, USDC):
        assert await chain.reading({"BTC-USD": address}) is None


async def test_what_is_wrong_of_one_contract_is_not_of_the_others(chain: Chain) -> None:
    bitcoin, ether = chain.aggregator("BTC / USD", "64000"), chain.aggregator("ETH / USD", "3200")
    bitcoin.post(0)
    async with chain.feed({"BTC-USD": bitcoin, "ETH-USD": ether}) as feed:
        assert set(await feed.read((BTC_USD, Pair(Asset.ETH, "USD")))) == {Pair(Asset.ETH, "USD")}


async def test_while_the_sequencer_is_down_and_an_hour_after_nothing_is_believed(chain: Chain) -> None:
    oracle = chain.aggregator("BTC / USD", "64000")
    uptime = chain.aggregator("L2 Sequencer Uptime Status Feed", "0", decimals=0)
    hour, now = int(RECOVERING.total_seconds()), chain.now()
    for status, since, is_up in ((1, now - 5, False), (0, now - hour + 60, False), (0, now - hour - 60, True)):
        uptime.put(3, status, since, since, 3)
        asked = chain.reading({"BTC-USD": oracle}, sequencer=uptime.address)
        if is_up:
            assert await asked is not None
        else:
            with pytest.raises(Transient):
                await asked
    uptime.put(3, 1, now - 2 * hour, now, 3)
    with pytest.raises(Transient):
        await chain.reading({"BTC-USD": oracle}, sequencer=uptime.address)
    with pytest.raises(Transient):
        await chain.reading({"BTC-USD": oracle}, sequencer="0x" + "5a" * 20)


async def test_a_node_of_another_chain_or_that_is_away_is_an_outage(chain: Chain) -> None:
    oracle = chain.aggregator("BTC / USD", "64000")
    with pytest.raises(Transient):
        await chain.reading({"BTC-USD": oracle}, chain="evm:1")
    with pytest.raises(Transient):
        await chain.reading({"BTC-USD": oracle}, url="http://127.0.0.1:9")


@pytest.mark.parametrize(
    "settings",
    [
        {"contracts": {}},
        {"contracts": {"BTCUSD": "0x" + "5a" * 20}},
        {"contracts": {"BTC-USD": "5a" * 21}},
        {"contracts": {"BTC-USD": "0x" + "zz" * 20}},
        {"contracts": {"BTC-USD": {"address": "0x" + "5a" * 20, "decimals": 99}}},
        {"contracts": {"BTC-USD": {"address": "0x" + "5a" * 20, "heartbeat_s": "soon"}}},
        {"contracts": {"BTC-USD": {"address": "0x" + "5a" * 20, "more": 1}}},
        {"chain": "bitcoin"},
    ],
)
def test_contracts_that_can_be_none_are_told(settings: dict[str, Any]) -> None:
    good: dict[str, Any] = {"contracts": {"BTC-USD": "0x" + "5a" * 20}, "chain": "evm:1", "url": "http://127.0.0.1:9"}
    with pytest.raises(Misconfigured, match="FEEDS"):
        ChainlinkFeed(FeedSettings("chainlink", "chainlink", **{**good, **settings}))


async def test_the_local_platforms_contracts_are_deployed_once_and_agree_with_its_other_feeds(chain: Chain) -> None:
    chainlink.deploy({"EVM_RPC_URL": chain.url})
    height = call(chain.url, "eth_blockNumber")
    assert chainlink.deploy({"EVM_RPC_URL": chain.url}) == "all price contracts are there"
    assert call(chain.url, "eth_blockNumber") == height
    feed = ChainlinkFeed(FeedSettings(**{**chainlink.feed(), "url": chain.url}))  # type: ignore[arg-type]
    pairs = tuple(Pair(asset, currency) for asset in Asset.known()[:4] for currency in ("EUR", "USD"))
    found = await feed.read(pairs)
    await feed.close()
    assert set(found) == set(pairs)
    assert found[BTC_EUR].price == pytest.approx(Decimal(64_000) / Decimal("1.08"))


def test_the_platform_asks_them_too(platform: Platform) -> None:
    assert "chainlink" in {feed["name"] for feed in json.loads(platform.env["FEEDS"])}
