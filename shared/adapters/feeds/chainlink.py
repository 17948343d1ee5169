"""Prices that Chainlink's nodes write into contracts: an aggregator for each pair, read from a node of its chain.

An aggregator is written to when its price has moved (by 0.25 to 0.5 %) or its heartbeat is over, so a value may be as
old as the heartbeat and still be good. Whatever looks wrong is no price: see `_Round`. A pair without a contract of its
own is made of two that share a currency, BTC-EUR of BTC-USD and EUR-USD; it is as old as the older of them.

Sources: docs.chain.link, "API reference" (AggregatorV3Interface) and "L2 sequencer uptime feeds".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final

import httpx

from shared.adapters.feeds.http import NO_PRICE
from shared.adapters.feeds.reading import NoPrice, moment, price_of
from shared.adapters.json_rpc import JsonRpc, RpcRefused
from shared.adapters.resilience import Limits
from shared.kernel.errors import Transient
from shared.payments.chain import NodeUntrusted
from shared.prices.model import Pair, Reading
from shared.settings import FeedSettings, Misconfigured

LIMITS: Final = Limits(timeout_s=3.0, attempts=2, concurrent=2, failures=8, open_s=5.0)
HEARTBEAT: Final = timedelta(seconds=3600)
LATE: Final = timedelta(seconds=120)
"""A heartbeat takes this long to come on chain, at most."""
DECIMALS: Final = 8
"""Of every aggregator that prices something in a national currency."""
RECOVERING: Final = timedelta(seconds=3600)
"""For so long after its sequencer was down, nothing on a chain is believed: prices are still catching up."""
_LATEST_ROUND: Final = "0xfeaf968c"
_DECIMALS: Final = "0x313ce567"
_DESCRIPTION: Final = "0x7284e416"
_CROSS: Final = Decimal("1e-12")
_WIDE: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True)
class Aggregator:
    """A contract: `asset-currency` it prices, and how old its value may be."""

    pair: tuple[str, str]
    address: str
    heartbeat: timedelta
    decimals: int

    @classmethod
    def of(cls, name: str, told: str | Mapping[str, Any], heartbeat: timedelta) -> "Aggregator":
        """Return an entry of `contracts`: an address, or one with `heartbeat_s`, `decimals`. Raises Misconfigured."""
        said = {"address": told} if isinstance(told, str) else dict(told)
        asset, dash, currency = name.partition("-")
        address = str(said.pop("address", ""))
        try:
            heartbeat = timedelta(seconds=int(said.pop("heartbeat_s", heartbeat.total_seconds())))
            decimals = int(said.pop("decimals", DECIMALS))
            right = len(address) == 42 and address.startswith("0x") and int(address, 16) > 0
        except (TypeError, ValueError) as wrong:
            raise Misconfigured(f"FEEDS: the contract of {name} makes no sense.") from wrong
        if said or not (right and asset and dash and currency) or not 0 <= decimals <= 36:
            raise Misconfigured(f"FEEDS: contracts are addresses by pair, such as BTC-USD; {name} is not.")
        return cls((asset, currency), address, heartbeat, decimals)


@dataclass(frozen=True, slots=True)
class _Round:
    """What `latestRoundData` answers; times in seconds since 1970."""

    round_id: int
    answer: int
    started_at: int
    updated_at: int
    answered_in: int

    @classmethod
    def of(cls, answer: str | RpcRefused | None) -> "_Round":
        words = _words(answer)
        if len(words) != 5:
            raise NoPrice("no round")
        round_id, said, started_at, updated_at, answered_in = words
        return cls(round_id, said - 2**256 if said >= 2**255 else said, started_at, updated_at, answered_in)

    def price(self, decimals: int) -> Decimal:
        """Return the answer as fiat per whole coin. Raises NoPrice for a round that was not answered, or wrongly."""
        if self.answer <= 0 or not self.updated_at or self.answered_in < self.round_id:
            raise NoPrice("a round without an answer")
        return price_of(Decimal(self.answer).scaleb(-decimals))


class ChainlinkFeed:
    """Fulfils `shared.prices.ports.Feed`. Belongs to the event loop that first uses it."""

    def __init__(self, settings: FeedSettings, limits: Limits = LIMITS) -> None:
        heartbeat = HEARTBEAT if settings.stale_s is None else timedelta(seconds=settings.stale_s)
        found = (Aggregator.of(name, told, heartbeat) for name, told in settings.contracts.items())
        self._aggregators = {each.pair: each for each in found}
        if not self._aggregators:
            raise Misconfigured(f"FEEDS: {settings.name} needs contracts: addresses by pair, such as BTC-USD.")
        _, _, number = settings.chain.partition(":")
        if not (number.isascii() and number.isdigit()):
            raise Misconfigured(f"FEEDS: {settings.name} needs a chain, such as evm:1.")
        self._chain_id = int(number)
        self._name = settings.name
        self._sequencer = settings.sequencer
        self._rpc = JsonRpc(f"feed-{settings.name}", settings.url, limits)

    async def close(self) -> None:
        """Close the connections."""
        await self._rpc.close()

    async def read(self, pairs: Sequence[Pair]) -> Mapping[Pair, Reading]:
        """Return what the contracts say now; a pair is missing that has none, or of which one makes no sense.

        Raises Transient when the node does not answer, is on another chain, or the chain's sequencer is or was down.
        """
        ways = {pair: way for pair in pairs if (way := self._way(pair))}
        asked = list(dict.fromkeys(aggregator for way in ways.values() for aggregator in way))
        now = datetime.now(UTC)
        try:
            if await self._rpc.call(str, "eth_chainId") != hex(self._chain_id):
                raise Transient(f"The node of {self._name} is on another chain.")
            told = await self._told(asked, now)
        except (NodeUntrusted, httpx.RequestError) as wrong:  # of one feed among several: the others go on
            raise Transient(f"The node of {self._name} does not talk sense.") from wrong
        readings: dict[Pair, Reading] = {}
        for pair, way in ways.items():
            if all(each in told for each in way):
                try:
                    price, at = _along([told[each] for each in way])
                except NoPrice:
                    NO_PRICE.labels(self._name).inc()
                    continue
                fresh_for = max(each.heartbeat for each in way) + LATE
                readings[pair] = Reading(self._name, price, at, fresh_for)
        return readings

    def _way(self, pair: Pair) -> tuple[Aggregator, ...]:
        """Return the contract of a pair, or two that make it, or nothing."""
        direct = self._aggregators.get((pair.asset, pair.currency))
        if direct is not None:
            return (direct,)
        for (asset, between), first in self._aggregators.items():
            second = self._aggregators.get((pair.currency, between))
            if asset == pair.asset and second is not None:
                return first, second
        return ()

    async def _told(self, asked: Sequence[Aggregator], now: datetime) -> dict[Aggregator, tuple[Decimal, datetime]]:
        """Return price and time of each contract that makes sense. Raises Transient."""
        calls = [(each.address, data) for each in asked for data in (_LATEST_ROUND, _DECIMALS, _DESCRIPTION)]
        if self._sequencer is not None:
            calls.append((self._sequencer, _LATEST_ROUND))
        params = [({"to": address, "data": data}, "latest") for address, data in calls]
        answers = await self._rpc.batch(str, "eth_call", params)
        if self._sequencer is not None:
            _must_be_up(answers.pop(), now)
        told: dict[Aggregator, tuple[Decimal, datetime]] = {}
        for number, each in enumerate(asked):
            try:
                told[each] = _judged(each, answers[3 * number : 3 * number + 3], now)
            except NoPrice:
                NO_PRICE.labels(self._name).inc()
        return told


def _judged(each: Aggregator, said: Sequence[str | RpcRefused | None], now: datetime) -> tuple[Decimal, datetime]:
    """Return price and time of a contract. Raises NoPrice for another pair, other decimals, or an old value."""
    latest, decimals, description = said
    if _words(decimals) != [each.decimals]:
        raise NoPrice("other decimals than expected")
    if [part.strip() for part in _text(description).split("/")] != list(each.pair):
        raise NoPrice("a contract of another pair")
    round_ = _Round.of(latest)
    price, at = round_.price(each.decimals), moment(round_.updated_at)
    if now - at > each.heartbeat + LATE:
        raise NoPrice("its heartbeat is over")
    return price, at


def _must_be_up(answer: str | RpcRefused | None, now: datetime) -> None:
    """Raise Transient unless the sequencer has been up for a while. Its feed answers 0 when it is."""
    try:
        said = _Round.of(answer)
        since = moment(said.started_at)
    except NoPrice as wrong:
        raise Transient("The chain's sequencer feed makes no sense.") from wrong
    if said.answer != 0 or now - since < RECOVERING:
        raise Transient("The chain's sequencer is down, or was a short time ago.")


def _along(told: Sequence[tuple[Decimal, datetime]]) -> tuple[Decimal, datetime]:
    """Return the price that one contract says, or that the first says in the currency that the second prices.

    Raises NoPrice where that can be none.
    """
    (price, at), *others = told
    for other, its in others:
        price, at = _WIDE.quantize(_WIDE.divide(price, other), _CROSS), min(at, its)
    return price_of(price), at


def _words(answer: str | RpcRefused | None) -> list[int]:
    """Return an answer as numbers of 32 bytes. Raises NoPrice for a refusal and for anything else."""
    if not isinstance(answer, str) or not answer.startswith("0x") or len(answer) % 64 != 2 or len(answer) > 64 * 16:
        raise NoPrice("no answer of whole words")
    try:
        return [int(answer[start : start + 64], 16) for start in range(2, len(answer), 64)]
    except ValueError as wrong:
        raise NoPrice("no hexadecimal answer") from wrong


def _text(answer: str | RpcRefused | None) -> str:
    """Return an ABI-encoded string. Raises NoPrice."""
    words = _words(answer)
    if len(words) < 3 or words[0] != 32 or words[1] > 32 * (len(words) - 2):
        raise NoPrice("no text")
    raw = b"".join(word.to_bytes(32, "big") for word in words[2:])[: words[1]]
    return raw.decode("ascii", "replace")
