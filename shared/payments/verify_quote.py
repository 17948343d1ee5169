"""What a customer checks before paying: that a quote was signed, and that it follows from what the feeds said.

Written anew from what is published, so that a mistake in how quotes are made is not repeated in how they are checked:
it works on the JSON as it was received, and on fractions.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from fractions import Fraction
from typing import Final

from pydantic import ValidationError

from shared.kernel.money import MINOR_DIGITS, Asset, whole
from shared.payments.facts import Quote

JSON = Mapping[str, object]
MIN_FEEDS: Final = 2
APART: Final = Fraction(2, 100)
"""No feed of a proof lies further from the median than this part of it."""
AHEAD: Final = timedelta(seconds=60)
LONGEST_SPREAD_BP: Final = 500
MOST_BRACKETS: Final = 900
_LINK: Final = re.compile(
    r"(?:bitcoin:(?P<to>[a-zA-Z0-9]{14,90})\?amount=(?P<coins>[0-9]+(?:\.[0-9]{1,8})?)"
    r"|ethereum:(?P<account>0x[0-9a-fA-F]{40})@(?P<chain>[0-9]{1,20})\?value=(?P<wei>[0-9]+)"
    r"|ethereum:(?P<contract>0x[0-9a-fA-F]{40})@(?P<on>[0-9]{1,20})/transfer\?address=(?P<receiver>0x[0-9a-fA-F]{40})"
    r"&uint256=(?P<units>[0-9]+))\Z"
)


class Verdict(IntEnum):
    """The exit codes of the command."""

    GENUINE = 0
    FORGED = 1
    UNREADABLE = 2
    NO_KEY = 3
    EXPIRED = 4


class Unreadable(ValueError):
    """This is neither a quote nor a payment that has one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked. `note`: nothing wrong, but worth knowing."""

    right: bool
    what: str
    note: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict, and what it is made of."""

    verdict: Verdict
    title: str
    findings: tuple[Finding, ...]


def quote_in(text: str) -> tuple[JSON, JSON]:
    """Return the quote in a text, and the payment around it (empty where it stands alone). Raises Unreadable."""
    if text.count("[") + text.count("{") > MOST_BRACKETS:  # the parser goes one call deeper with each
        raise Unreadable("This is no quote: it is nested too deeply.")
    try:
        told = json.loads(text, object_pairs_hook=_once, parse_float=str)
    except (ValueError, RecursionError) as wrong:
        raise Unreadable(f"This is no JSON: {wrong}.") from wrong
    if not isinstance(told, dict):
        raise Unreadable("This is no JSON object.")
    quote = told.get("quote", told)
    if not isinstance(quote, dict) or "signature" not in quote:
        raise Unreadable("There is no signed quote in this.")
    return quote, (told if quote is not told else {})


def judge(
    quote: JSON,
    payment: JSON,
    keys: Mapping[str, bytes],
    *,
    signed_by: Callable[[bytes, bytes, str], bool],
    now: datetime,
    decimals: int | None = None,
    link: str | None = None,
) -> Judged:
    """Return what is to be held of a quote. `decimals` are those of an asset that is not known here.

    Raises Unreadable for a quote that lacks something.
    """
    said = _typed(quote)
    digits = decimals if said.asset not in Asset.known() else said.asset.decimals
    if digits is None:
        raise Unreadable(f"How many decimals has {said.asset}? Say it with --decimals.")
    amount = f"{whole(said.amount, digits)} {said.asset}"
    title = f"{said.price} in {amount} to {said.address} on {said.chain}"
    key = keys.get(said.key_id) if said.key_id else None
    if said.key_id and key is None:
        return Judged(
            Verdict.NO_KEY, title, (Finding(False, f"signed with the key {said.key_id}, which is not known"),)
        )
    candidates = [key] if key is not None else list(keys.values())
    signed = any(signed_by(each, canonical(quote), said.signature) for each in candidates)
    links = [each for each in (link, payment.get("link")) if each is not None]
    findings = (
        Finding(signed, "its signature is that of the platform's key"),
        *_rate(said),
        _amount(said, digits),
        *(_link(str(each), said, digits) for each in links),
        *_payment(payment, said),
    )
    if not all(finding.right for finding in findings):
        return Judged(Verdict.FORGED, title, findings)
    if now > said.expires_at:
        return Judged(Verdict.EXPIRED, title, (*findings, Finding(False, f"it held until {said.expires_at:%F %T} UTC")))
    return Judged(Verdict.GENUINE, title, (*findings, Finding(True, f"it holds until {said.expires_at:%F %T} UTC")))


def canonical(quote: JSON) -> bytes:
    """Return what is signed: the quote's JSON without `signature`, keys sorted, no blanks, no nulls."""
    told = {name: _without_nulls(value) for name, value in quote.items() if name != "signature" and value is not None}
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    return value


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    told = dict(pairs)
    if len(told) != len(pairs):
        raise ValueError("a name stands there twice")
    return told


def _typed(quote: JSON) -> Quote:
    try:
        return Quote.model_validate({name: value for name, value in quote.items() if name in Quote.model_fields})
    except (ValidationError, RecursionError) as wrong:
        where = wrong.errors()[0]["loc"] if isinstance(wrong, ValidationError) else ()
        raise Unreadable(f"This is no quote: {'.'.join(map(str, where))} is not as it should be.") from wrong


def _rate(said: Quote) -> tuple[Finding, ...]:
    try:
        prices = sorted(Fraction(feed.price) for feed in said.feeds)
        rate = Fraction(said.rate)
    except (ValueError, ZeroDivisionError):
        return (Finding(False, "its rates are no numbers"),)
    count, spread_bp = len(prices), said.spread_bp or 0
    enough = count >= MIN_FEEDS and len({feed.feed for feed in said.feeds}) == count
    findings = [Finding(enough, f"{count} different feeds were asked: {', '.join(feed.feed for feed in said.feeds)}")]
    if not enough:
        return tuple(findings)
    middle = (prices[(count - 1) // 2] + prices[count // 2]) / 2
    near = prices[0] > 0 and all(abs(price - middle) <= middle * APART for price in prices)
    findings.append(Finding(near, f"they agree within {float(APART):.0%}"))
    what = f"the rate of {said.rate} {said.price.currency} is their median"
    if spread_bp:
        what += f", less the shop's {spread_bp / 100:.2f} %"
    given = middle * (10_000 - spread_bp) / 10_000
    findings.append(Finding(0 <= spread_bp <= LONGEST_SPREAD_BP and rate == given, what))
    early = all(feed.at <= said.locked_at + AHEAD for feed in said.feeds)
    findings.append(Finding(early, f"they said so before it was locked at {said.locked_at:%F %T} UTC"))
    if said.left_out:
        others = ", ".join(f"{feed.feed} ({feed.price}, {feed.at:%T})" for feed in said.left_out)
        apart = {feed.feed for feed in said.left_out}.isdisjoint(feed.feed for feed in said.feeds)
        findings.append(Finding(apart, f"left out, as too old or too far off: {others}", note=True))
    return tuple(findings)


def _amount(said: Quote, digits: int) -> Finding:
    """Check that the amount is what the price is at the rate, rounded up."""
    what = f"{whole(said.amount, digits)} {said.asset} are {said.price} at this rate, rounded up"
    try:
        exact = Fraction(said.price.units, 10 ** MINOR_DIGITS[said.price.currency]) / Fraction(said.rate) * 10**digits
    except (ValueError, ZeroDivisionError):
        return Finding(False, what)
    return Finding(said.amount == -(-exact.numerator // exact.denominator), what)


def _link(text: str, said: Quote, digits: int) -> Finding:
    """Check that a link asks for this asset, at this address on this chain, for no more than the quote says.

    It asks for less where something was paid already.
    """
    found = _LINK.match(text)
    if found is None:
        return Finding(False, "the link is one that wallets know")
    if found["to"] is not None:
        right = said.contract is None and not said.chain.startswith("evm:") and _same(found["to"], said.address)
        asked = Fraction(found["coins"]) * 10**digits
    elif found["account"] is not None:
        right = (
            said.contract is None and said.chain == f"evm:{found['chain']}" and _same(found["account"], said.address)
        )
        asked = Fraction(found["wei"])
    else:
        right = said.contract is not None and _same(found["contract"], said.contract)
        right = right and said.chain == f"evm:{found['on']}" and _same(found["receiver"], said.address)
        asked = Fraction(found["units"])
    if right and asked < said.amount and asked.denominator == 1:
        less = whole(int(asked), digits)
        return Finding(
            True, f"the link asks for {less} {said.asset}, less than the quote: the rest was paid", note=True
        )
    return Finding(right and asked == said.amount, "the link asks for this coin, chain, address and amount")


def _payment(payment: JSON, said: Quote) -> tuple[Finding, ...]:
    """Check that what is shown around the quote is what was signed."""
    signed = {
        "payment_id": said.payment_id,
        "chain": said.chain,
        "asset": said.asset,
        "address": said.address,
    }
    return tuple(
        Finding(payment[name] == value, f"the {name} that is shown is that of the quote")
        for name, value in signed.items()
        if name in payment
    )


def _same(one: str, other: str) -> bool:
    """Tell whether two texts are one address: where case says nothing (hex, bech32) it is not looked at."""
    either = one.lower(), other.lower()
    return one == other or (either[0] == either[1] and either[0].startswith(("0x", "bc1", "tb1", "bcrt1")))
