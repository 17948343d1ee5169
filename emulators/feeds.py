"""Eight price feeds as the world's exchanges answer them, on one local server, and a way to disturb them.

Under `/coinbase`, `/kraken`, `/binance`, `/bitstamp`, `/okx`, `/bitfinex`, `/gemini` and `/coingecko` lie their public
paths with their own formats and their own errors, for BTC, ETH, USDC and USDT in EUR and USD. Values start from a seed,
differ a little between feeds and drift slowly, so that a median has something to do. `Control` sets a price, and
silences, slows or breaks a feed, for tests. Standard library only: it starts in a tenth of a second.
"""

from __future__ import annotations

import json
import math
import random
import re
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from emulators.component import HOST, ROOT, Process, Running, port_for, port_open

FEEDS = ("coinbase", "kraken", "binance", "bitstamp", "okx", "bitfinex", "gemini", "coingecko")
_USD_PER_EUR = Decimal("1.08")
_IN_USD = {"BTC": Decimal(64_000), "ETH": Decimal(3_200), "USDC": Decimal("0.9999"), "USDT": Decimal("1.0002")}
_DRIFT = {"BTC": 0.004, "ETH": 0.006, "USDC": 0.0002, "USDT": 0.0003}  # of the price, up and down
_SPREAD = 0.0004  # how far a feed's own view may lie from the others', of the price
_PERIOD_S = 900


def in_usd(asset: str) -> Decimal:
    """Return what an asset, or EUR, is worth around which the feeds drift."""
    return _USD_PER_EUR if asset == "EUR" else _IN_USD[asset]


@dataclass
class Feeds:
    """The local exchanges. `seed` decides the starting point of every drift."""

    name: str = "feeds"
    port: int | None = None
    seed: int = 1

    def start(self, workdir: Path) -> Running:
        port = port_for(self.name, self.port)
        server = Process(
            self.name,
            [sys.executable, "-m", "emulators.feeds", str(port), str(self.seed)],
            workdir=workdir,
            ready=lambda: port_open(port),
            cwd=ROOT,
            grace_s=1,
        )
        server.start()
        base = f"http://{HOST}:{port}"
        feeds = [{"name": name, "url": f"{base}/{name}", "format": name} for name in FEEDS]
        env = {"FEEDS": json.dumps(feeds), "FEEDS_CONTROL_URL": base}
        return Running(self.name, f"{', '.join(FEEDS)} on {port}", env, (server,))


@dataclass(frozen=True)
class Control:
    """Disturb the feeds from a test. `feed` is one of FEEDS."""

    url: str

    def price(self, feed: str, asset: str, fiat: str, price: Decimal) -> None:
        """Hold one price of one feed."""
        self._send("PUT", f"/control/{feed}/{asset}-{fiat}", {"price": str(price)})

    def silence(self, feed: str) -> None:
        """Close every connection without an answer."""
        self._send("PUT", f"/control/{feed}", {"silent": True})

    def fail(self, feed: str, status: int = 503) -> None:
        """Answer with an HTTP error."""
        self._send("PUT", f"/control/{feed}", {"status": status})

    def delay(self, feed: str, seconds: float) -> None:
        """Answer late."""
        self._send("PUT", f"/control/{feed}", {"delay_s": seconds})

    def reset(self) -> None:
        """Let every feed answer as it did at the start."""
        self._send("DELETE", "/control", {})

    def _send(self, method: str, path: str, body: dict[str, object]) -> None:
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), method=method)
        with urllib.request.urlopen(request, timeout=5):
            return


@dataclass
class _Disturbance:
    silent: bool = False
    status: int = 200
    delay_s: float = 0.0


@dataclass
class _Market:
    """What the feeds say at a moment, and how they are disturbed."""

    seed: int
    held: dict[tuple[str, str, str], Decimal] = field(default_factory=dict)
    disturbed: dict[str, _Disturbance] = field(default_factory=dict)

    def price(self, feed: str, asset: str, fiat: str, at_s: float) -> Decimal:
        if held := self.held.get((feed, asset, fiat)):
            return held
        base = _IN_USD[asset] / (_USD_PER_EUR if fiat == "EUR" else 1)
        phase = random.Random(f"{self.seed}/{asset}").uniform(0, 2 * math.pi)
        bias = random.Random(f"{self.seed}/{asset}/{feed}").uniform(-_SPREAD, _SPREAD)
        wave = _DRIFT[asset] * math.sin(2 * math.pi * at_s / _PERIOD_S + phase)
        places = Decimal("0.01") if base > 100 else Decimal("0.00001")
        return (base * Decimal(1 + wave + bias)).quantize(places)


class _Unknown(Exception):
    """A pair or path that the exchange does not have; carries its own answer."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def _pair(text: str, pattern: str, unknown: _Unknown) -> tuple[str, str]:
    found = re.fullmatch(pattern, text)
    if not found or found[1] not in {*_IN_USD, "XBT"}:
        raise unknown
    return ("BTC" if found[1] == "XBT" else found[1]), found[2]


def _coinbase(market: _Market, path: str, _: dict[str, list[str]], now: float) -> object:
    unknown = _Unknown(404, {"errors": [{"id": "not_found", "message": "Invalid base currency"}]})
    asset, fiat = _pair(path, r"/v2/prices/([A-Z]+)-(EUR|USD)/spot", unknown)
    amount = str(market.price("coinbase", asset, fiat, now))
    return {"data": {"amount": amount, "base": asset, "currency": fiat}}


def _kraken(market: _Market, path: str, query: dict[str, list[str]], now: float) -> object:
    unknown = _Unknown(200, {"error": ["EQuery:Unknown asset pair"]})  # Kraken's errors are 200s
    if path != "/0/public/Ticker":
        raise unknown
    result: dict[str, object] = {}
    for name in query.get("pair", [""])[0].split(","):
        asset, fiat = _pair(name, r"([A-Z]+?)/?(EUR|USD)", unknown)
        price = str(market.price("kraken", asset, fiat, now))
        shown = {"BTC": f"XXBTZ{fiat}", "ETH": f"XETHZ{fiat}"}.get(asset, f"{asset}{fiat}")
        if (asset, fiat) == ("USDT", "USD"):
            shown = "USDTZUSD"
        top, day = [price, "1", "1.000"], [price, price]  # of the order book; today and 24 hours
        last = {"a": top, "b": top, "c": [price, "0.01000000"], "o": price}
        result[shown] = last | {"v": ["1.0", "2.0"], "p": day, "t": [10, 20], "l": day, "h": day}
    return {"error": [], "result": result}


def _binance(market: _Market, path: str, query: dict[str, list[str]], now: float) -> object:
    unknown = _Unknown(400, {"code": -1121, "msg": "Invalid symbol."})
    if path != "/api/v3/ticker/price":
        raise _Unknown(404, {"code": 404, "msg": "Not Found"})
    symbol = query.get("symbol", [""])[0]
    asset, fiat = _pair(symbol, r"([A-Z]+?)(EUR|USD)", unknown)
    return {"symbol": symbol, "price": f"{market.price('binance', asset, fiat, now):.8f}"}


def _bitstamp(market: _Market, path: str, _: dict[str, list[str]], now: float) -> object:
    unknown = _Unknown(404, {"code": "404", "errors": [{"field": "", "message": "not found"}]})
    asset, fiat = _pair(path.upper(), r"/API/V2/TICKER/([A-Z]+?)(EUR|USD)/", unknown)
    price = str(market.price("bitstamp", asset, fiat, now))
    same = dict.fromkeys(("open", "high", "low", "last", "vwap", "bid", "ask", "open_24"), price)
    return {**same, "timestamp": str(int(now)), "volume": "12.5", "side": "0", "percent_change_24": "0.00"}


def _okx(market: _Market, path: str, query: dict[str, list[str]], now: float) -> object:
    unknown = _Unknown(200, {"code": "51001", "msg": "Instrument ID doesn't exist", "data": []})
    if path != "/api/v5/market/ticker":
        raise _Unknown(404, {"code": "404", "msg": "Not Found", "data": []})
    name = query.get("instId", [""])[0]
    asset, fiat = _pair(name, r"([A-Z]+)-(EUR|USD)", unknown)
    price = str(market.price("okx", asset, fiat, now))
    same = dict.fromkeys(("last", "askPx", "bidPx", "open24h", "high24h", "low24h", "sodUtc0", "sodUtc8"), price)
    sizes = dict.fromkeys(("lastSz", "askSz", "bidSz", "volCcy24h", "vol24h"), "1.5")
    ticker = {"instType": "SPOT", "instId": name, **same, **sizes, "ts": str(int(now * 1000))}
    return {"code": "0", "msg": "", "data": [ticker]}


def _bitfinex(market: _Market, path: str, query: dict[str, list[str]], now: float) -> object:
    if path != "/v2/tickers":
        raise _Unknown(404, ["error", 10020, "not found"])
    rows: list[list[object]] = []
    for symbol in query.get("symbols", [""])[0].split(","):
        found = re.fullmatch(r"t(BTC|ETH|UDC|UST)(EUR|USD)", symbol)
        if found:  # others are left out
            asset = {"UDC": "USDC", "UST": "USDT"}.get(found[1], found[1])
            price = float(market.price("bitfinex", asset, found[2], now))
            rows.append([symbol, price, 12.5, price, 9.75, -0.5, -0.0001, price, 1234.5, price, price])
    return rows


def _gemini(market: _Market, path: str, _: dict[str, list[str]], now: float) -> object:
    refusal = {"result": "error", "reason": "Bad Request", "message": "Supplied value is not a valid symbol"}
    asset, fiat = _pair(path.upper(), r"/V1/PUBTICKER/([A-Z]+?)(EUR|USD)", _Unknown(400, refusal))
    price = str(market.price("gemini", asset, fiat, now))
    volume = {asset: "123.45", fiat: "6543210.98", "timestamp": int(now * 1000)}
    return {"bid": price, "ask": price, "volume": volume, "last": price}


def _coingecko(market: _Market, path: str, query: dict[str, list[str]], now: float) -> object:
    if path != "/api/v3/simple/price":
        raise _Unknown(404, {"error": "Incorrect path. Please check https://www.coingecko.com/api/"})
    symbols = {"bitcoin": "BTC", "ethereum": "ETH", "usd-coin": "USDC", "tether": "USDT"}
    fiats = [fiat for fiat in query.get("vs_currencies", [""])[0].split(",") if fiat in ("eur", "usd")]
    return {
        coin: {fiat: float(market.price("coingecko", symbols[coin], fiat.upper(), now)) for fiat in fiats}
        | {"last_updated_at": int(now) - 20}
        for coin in query.get("ids", [""])[0].split(",")
        if coin in symbols
    }


_ANSWERS = {
    "coinbase": _coinbase,
    "kraken": _kraken,
    "binance": _binance,
    "bitstamp": _bitstamp,
    "okx": _okx,
    "bitfinex": _bitfinex,
    "gemini": _gemini,
    "coingecko": _coingecko,
}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # every pair of every feed is asked at the same moment

    def __init__(self, port: int, market: _Market) -> None:
        super().__init__((HOST, port), _Handler)
        self.market = market


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        feed, _, rest = parts.path[1:].partition("/")
        if feed not in _ANSWERS:
            return self._reply(404, {"error": f"no feed {feed!r}"})
        market = self.server.market
        disturbed = market.disturbed.get(feed, _Disturbance())
        if disturbed.silent:
            self.close_connection = True
            return None
        time.sleep(disturbed.delay_s)
        if disturbed.status != 200:
            return self._reply(disturbed.status, {"error": "out of order"})
        try:
            answer = _ANSWERS[feed](market, f"/{rest}", parse_qs(parts.query), time.time())
        except _Unknown as refusal:
            return self._reply(refusal.status, refusal.body)
        return self._reply(200, answer)

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        _, _, feed, *pair = self.path.split("/")
        if pair:
            asset, _, fiat = pair[0].partition("-")
            self.server.market.held[feed, asset, fiat] = Decimal(body["price"])
        else:
            self.server.market.disturbed[feed] = _Disturbance(**body)
        self._reply(200, {})

    def do_DELETE(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.market.held.clear()
        self.server.market.disturbed.clear()
        self._reply(200, {})

    def _reply(self, status: int, body: object) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the platform's own logs have every poll."""


if __name__ == "__main__":
    _Server(int(sys.argv[1]), _Market(int(sys.argv[2]))).serve_forever()
