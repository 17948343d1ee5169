"""Each exchange's real answers are read, and nothing else is: errors, limits, maintenance, wrong pairs, nonsense."""

import gzip
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.feeds.formats import FORMATS
from shared.adapters.feeds.http import QUIET_S, HttpFeed
from shared.adapters.feeds.reading import Answered, NoPrice
from shared.adapters.resilience import Limits, Outage
from shared.kernel.money import Asset
from shared.prices.model import Pair
from shared.settings import FeedSettings, Misconfigured, PricesSettings

GOLDENS: Final = Path(__file__).parents[1] / "goldens" / "feeds"
CASES: Final[list[dict[str, Any]]] = json.loads((GOLDENS / "cases.json").read_text())
NAMES: Final = [f"{case['feed']}-{case['file']}-{case['status']}-{case['pairs'][0]}" for case in CASES]
GOOD: Final = {case["feed"]: case for case in reversed(CASES) if case["says"] not in ({}, "outage")}
OTHER_NUMBERS: Final = (" 1", "1 ", "12,5", "")
"""Nonsense as a text; where a number stands they are another number, or the next one."""
PATIENCE: Final = Limits(timeout_s=3.0, attempts=2, first_pause_s=0.001, concurrent=4, failures=1000)


def pair_of(name: str) -> Pair:
    asset, _, currency = name.partition("-")
    return Pair(Asset(asset), currency)


def pairs_of(case: Mapping[str, Any]) -> tuple[Pair, ...]:
    return tuple(pair_of(name) for name in case["pairs"])


def body_of(case: Mapping[str, Any]) -> bytes:
    return Path(GOLDENS / case["feed"] / case["file"]).read_bytes()


def said(case: Mapping[str, Any]) -> dict[Pair, Answered]:
    if case["says"] == "outage":
        return {}
    return {
        pair_of(name): Answered(Decimal(price), datetime.fromisoformat(at) if at else None)
        for name, (price, at) in case["says"].items()
    }


def read(feed: str, body: bytes, pairs: tuple[Pair, ...]) -> dict[Pair, Answered]:
    try:
        return dict(FORMATS[feed].prices(body, pairs))
    except NoPrice:
        return {}


def test_every_feed_has_goldens_of_all_kinds_and_every_golden_is_used() -> None:
    assert set(GOOD) == set(FORMATS)
    assert {path.relative_to(GOLDENS).as_posix() for path in GOLDENS.glob("*/*")} == {
        f"{case['feed']}/{case['file']}" for case in CASES
    }
    assert {case["feed"] for case in CASES if "limited" in case["file"]} == set(FORMATS)
    assert {case["feed"] for case in CASES if "unknown" in case["file"]} == set(FORMATS)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_a_recorded_answer_says_its_prices_and_nothing_else(case: dict[str, Any]) -> None:
    assert read(case["feed"], body_of(case), pairs_of(case)) == (said(case) if case["status"] == 200 else {})


@pytest.mark.parametrize("feed", FORMATS)
@pytest.mark.parametrize(
    "nonsense",
    ["NaN", "sNaN", "Infinity", "-Infinity", "-59241", "0", "-0", "1e400", "1e-400", "1E+12", "9" * 41, "12,5", "0x1f"]
    + ["", " 1", "1 ", "1_000", "٥٩٢٤١", "+", "1" + "0" * 12, "0.0000000000001", "null", "true", "[]", "{}", '"', "1e"],
)
def test_a_price_that_can_be_none_is_no_price(feed: str, nonsense: str) -> None:
    case = GOOD[feed]
    pair = pairs_of(case)[0]
    price = case["says"][case["pairs"][0]][0].encode()
    whole = body_of(case)
    assert price in whole
    bare = b'"' + price + b'"' not in whole
    spoiled = [whole.replace(price if bare else b'"' + price + b'"', json.dumps(nonsense).encode())]
    if not (bare and nonsense in OTHER_NUMBERS):
        spoiled.append(whole.replace(price, nonsense.encode()))
    for body in spoiled:
        assert body != whole
        assert pair not in read(feed, body, (pair,))


@pytest.mark.parametrize("feed", FORMATS)
@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{}", b"0", b'""', b"<html>", b"\xff\xfe", b"\x00", b'{"data":{}}', b'{"result":{}}']
    + [b'{"error":[]}', b"[[]]", b'[["tBTCEUR"]]', b'{"code":"0","data":[]}', b"[" * 10_000, b'{"bitcoin":[]}'],
)
def test_an_answer_of_another_shape_is_no_price(feed: str, body: bytes) -> None:
    assert read(feed, body, pairs_of(GOOD[feed])[:1]) == {}


@pytest.mark.parametrize("feed", FORMATS)
def test_an_answer_is_believed_only_about_the_pair_that_was_asked_for(feed: str) -> None:
    case = GOOD[feed]
    for other in (Pair(Asset("DAI"), "EUR"), Pair(Asset.BTC, "GBP")):
        if feed != "bitstamp":  # whose answer names no pair
            assert other not in read(feed, body_of(case), (other,) if feed != "coingecko" else pairs_of(case)[:1])


@pytest.mark.parametrize("feed", FORMATS)
@given(
    body=st.binary(max_size=300)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["data", "result", "error", "last", "c", "price", "amount", "bitcoin", "eur", "volume"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode())
)
def test_whatever_a_feed_answers_is_a_sensible_price_or_none(feed: str, body: bytes) -> None:
    for answer in read(feed, body, pairs_of(GOOD[feed])[:1]).values():
        assert answer.price > 0


@pytest.mark.parametrize("said_at", ["0", "-1", "", "99999999999999999999999", "now", "null", "٣"])
@pytest.mark.parametrize("feed", ["bitstamp", "okx", "gemini", "coingecko"])
def test_a_time_that_can_be_none_makes_no_price(feed: str, said_at: str) -> None:
    case = GOOD[feed]
    whole, pair = body_of(case), pairs_of(case)[:1]
    for time in (b'"1778068800"', b'"1778068799412"', b"1778068800000", b"1778068745"):
        body = whole.replace(time, said_at.encode())
        if body != whole:
            assert read(feed, body, pair) == {}
        body = whole.replace(time, f'"{said_at}"'.encode())
        if body != whole:
            assert read(feed, body, pair) == {}


def test_nonsense_about_one_pair_does_not_silence_the_others() -> None:
    btc, eth = Pair(Asset.BTC, "EUR"), Pair(Asset.ETH, "EUR")
    kraken = body_of(GOOD["kraken"]).replace(b"2962.58000", b"0.00000")
    assert set(read("kraken", kraken, (btc, eth))) == {btc}
    bitfinex = body_of(GOOD["bitfinex"]).replace(b"2962.4,", b"-1,")
    assert set(read("bitfinex", bitfinex, (btc, eth))) == {btc}


def test_kraken_is_asked_for_each_currency_and_for_each_rare_coin_apart() -> None:
    rare = Pair(Asset("EURX"), "EUR")
    pairs = (Pair(Asset.BTC, "EUR"), Pair(Asset.ETH, "EUR"), Pair(Asset.BTC, "CZK"), rare)
    asked = FORMATS["kraken"].questions(pairs)
    assert asked == {
        "/0/public/Ticker?pair=XBTEUR,ETHEUR": [pairs[0], pairs[1]],
        "/0/public/Ticker?pair=XBTCZK": [pairs[2]],
        "/0/public/Ticker?pair=EURXEUR": [rare],
    }


def test_coingecko_is_not_asked_for_coins_of_unknown_name() -> None:
    assert FORMATS["coingecko"].questions((Pair(Asset("EURX"), "EUR"),)) == {}


class Replay(ThreadingHTTPServer):
    """Gives the same answer to every question, and counts them."""

    daemon_threads = True
    status = 200
    sent_headers: Mapping[str, str] = {}
    body = b""
    asked = 0


class _Handler(BaseHTTPRequestHandler):
    server: Replay

    def do_GET(self) -> None:
        self.server.asked += 1
        self.send_response(self.server.status)
        for name, value in self.server.sent_headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def replay() -> Iterator[Replay]:
    server = Replay(("127.0.0.1", 0), _Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def feed_at(server: Replay, name: str, **settings: Any) -> FeedSettings:
    return FeedSettings(name, name, f"http://127.0.0.1:{server.server_address[1]}", **settings)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
async def test_over_http_a_recorded_answer_is_read_or_an_outage(replay: Replay, case: dict[str, Any]) -> None:
    replay.status, replay.body, replay.asked = case["status"], body_of(case), 0
    replay.sent_headers = case.get("headers", {})
    now = [1000.0]
    feed = HttpFeed(feed_at(replay, case["feed"]), PATIENCE, clock=lambda: now[0])
    pairs = pairs_of(case)
    try:
        if case["says"] != "outage":
            readings = await feed.read(pairs)
            assert {pair: reading.price for pair, reading in readings.items()} == {
                pair: answer.price for pair, answer in said(case).items()
            }
            expected = timedelta(seconds=180 if case["feed"] == "coingecko" else 60)
            assert all(reading.fresh_for == expected for reading in readings.values())
            return
        with pytest.raises(Outage):
            await feed.read(pairs)
        if quiet_s := case.get("quiet_s"):
            assert replay.asked == 1
            for later, asks in ((quiet_s - 1, 1), (quiet_s + 1, 2)):
                now[0] = 1000.0 + later
                with pytest.raises(Outage):
                    await feed.read(pairs)
                assert replay.asked == asks
        else:
            assert replay.asked == PATIENCE.attempts
    finally:
        await feed.close()


@pytest.mark.parametrize(("asks", "quiet_s"), [("0", 10), ("7", 10), ("299", 299), ("9999", 300), ("soon", 10)])
async def test_a_feed_is_left_alone_as_long_as_it_asks_within_bounds(replay: Replay, asks: str, quiet_s: int) -> None:
    replay.status, replay.body, replay.sent_headers = 429, b"", {"retry-after": asks}
    assert QUIET_S == (10.0, 300.0)
    now = [0.0]
    feed = HttpFeed(feed_at(replay, "kraken"), PATIENCE, clock=lambda: now[0])
    pair = (Pair(Asset.BTC, "EUR"),)
    with pytest.raises(Outage):
        await feed.read(pair)
    replay.asked, now[0] = 0, quiet_s - 0.1
    with pytest.raises(Outage):
        await feed.read(pair)
    assert replay.asked == 0
    replay.status, replay.body, replay.sent_headers = 200, body_of(GOOD["kraken"]), {}
    now[0] = quiet_s + 0.1
    assert set(await feed.read(pair)) == set(pair)
    await feed.close()


async def test_how_old_a_feeds_prices_may_be_can_be_set(replay: Replay) -> None:
    replay.status, replay.body, replay.sent_headers = 200, body_of(GOOD["okx"]), {}
    feed = HttpFeed(feed_at(replay, "okx", stale_s=15), PATIENCE)
    (reading,) = (await feed.read((Pair(Asset.BTC, "EUR"),))).values()
    assert (reading.fresh_for, reading.at) == (
        timedelta(seconds=15),
        datetime(2026, 5, 6, 11, 59, 59, 412_000, tzinfo=UTC),
    )
    await feed.close()


async def test_an_answer_that_is_packed_wrongly_or_leads_elsewhere_is_no_price(replay: Replay) -> None:
    pair = (Pair(Asset.BTC, "EUR"),)
    feed = HttpFeed(feed_at(replay, "coinbase"), PATIENCE)
    replay.status, replay.body = 200, body_of(GOOD["coinbase"])
    replay.sent_headers = {"content-encoding": "gzip"}
    with pytest.raises(Outage):
        await feed.read(pair)
    replay.body = gzip.compress(body_of(GOOD["coinbase"])[:-1] + b" " * 50_000_000 + b"}")
    assert await feed.read(pair) == {}
    replay.status, replay.sent_headers = 302, {"location": "/elsewhere"}
    assert await feed.read(pair) == {}
    await feed.close()


async def test_an_endless_answer_is_cut_off(replay: Replay) -> None:
    replay.status, replay.sent_headers = 200, {}
    replay.body = body_of(GOOD["coinbase"])[:-1] + b" " * 600_000 + b"}"
    feed = HttpFeed(feed_at(replay, "coinbase"), PATIENCE)
    assert await feed.read((Pair(Asset.BTC, "EUR"),)) == {}
    await feed.close()


@pytest.mark.parametrize(
    "feeds",
    [
        '[{"name": "a", "url": "http://x", "format": "kraken", "more": 1}]',
        '[{"name": "a", "url": "http://x", "format": "kraken"}, {"name": "a", "url": "http://y", "format": "okx"}]',
        '[{"name": "a", "format": "kraken"}]',
        '[{"name": "a", "format": "chainlink", "chain": "evm:5"}]',
        "{}x",
    ],
)
def test_settings_that_make_no_sense_are_told(feeds: str) -> None:
    chains = '{"evm:1": {"kind": "evm", "chain_id": 1, "rpc": "http://z", "native": "ETH"}}'
    with pytest.raises(Misconfigured, match="FEEDS"):
        PricesSettings.from_env({"FEEDS": feeds, "CHAINS": chains})


def test_a_feed_on_a_chain_is_asked_at_that_chains_node() -> None:
    chains = '{"evm:1": {"kind": "evm", "chain_id": 1, "rpc": "http://z", "native": "ETH"}}'
    feeds = '[{"name": "c", "format": "chainlink", "chain": "evm:1", "contracts": {"BTC-USD": "0x1"}}]'
    (feed,) = PricesSettings.from_env({"FEEDS": feeds, "CHAINS": chains}).feeds
    assert feed.url == "http://z"


def test_a_format_that_nobody_knows_is_told() -> None:
    with pytest.raises(Misconfigured, match="FEEDS"):
        HttpFeed(FeedSettings("a", "mtgox", "http://x"))
