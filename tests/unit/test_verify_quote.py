"""A customer can tell a genuine quote from any other: every field that was changed is found, with nothing but a key."""

import io
import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.component import ROOT
from shared.adapters.quote_signing import Ed25519Quotes, key_id_of, signed_by
from shared.kernel.ids import PaymentId
from shared.kernel.money import MINOR_DIGITS, Asset, Fiat, whole
from shared.payments.facts import FeedPrice, Quote
from shared.payments.get_quote_key import get_quote_key
from shared.payments.policy import AssetPolicy
from shared.payments.ports import LockedQuote, PayableChain
from shared.payments.quote import message, signed_quote
from shared.payments.verify_quote import Judged, Unreadable, Verdict, judge, quote_in
from shared.prices.model import Pair, Reading
from shared.prices.rates import coins_for, less_spread, rate_of
from shared.settings import Misconfigured, QuoteSigningSettings
from shared.wiring.verify_quote import main, said

JSON = dict[str, Any]
NOW: Final = datetime(2026, 5, 6, 12, tzinfo=UTC)
UNTIL: Final = NOW + timedelta(minutes=15)
SIGNER: Final = Ed25519Quotes(QuoteSigningSettings(bytes(range(32))))
USDC: Final = "0x700b6A60ce7EaaEA56F065753d8dcB9653dbAD35"
BITCOIN: Final = PayableChain("bitcoin", "bitcoin", {Asset.BTC: None}, 1, {Asset.BTC: AssetPolicy()})
EVM: Final = PayableChain("evm:1", "evm", {Asset.ETH: None, Asset.USDC: USDC, Asset.USDT: "0x" + "5a" * 20}, 1, {})
TO: Final = {
    "bitcoin": "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
    "evm": "0x5AAEB6053F3E94C9b9A09f33669435E7Ef1BeAed",
}


def quoted(
    asset: Asset = Asset.BTC,
    price: int = 420,
    currency: str = "EUR",
    said: tuple[str, ...] = ("59000", "59100.5", "59240.25", "59300"),
    spread_bp: int = 0,
    signer: Ed25519Quotes = SIGNER,
) -> Quote:
    """Return a quote as the platform makes it."""
    pair, fiat = Pair(asset, currency), Fiat(currency=currency, units=price)
    rate = rate_of(pair, [Reading(f"feed{n}", Decimal(each), NOW) for n, each in enumerate(said)], now=NOW)
    given_rate = less_spread(rate.rate, spread_bp)
    chain = BITCOIN if asset == Asset.BTC else EVM
    locked = LockedQuote(
        amount=coins_for(fiat, given_rate, asset),
        rate=f"{given_rate:f}",
        feeds=tuple(FeedPrice(feed=each.feed, price=each.price, at=each.at) for each in rate.feeds),
        left_out=tuple(FeedPrice(feed=each.feed, price=each.price, at=each.at) for each in rate.left_out),
        locked_at=NOW,
        spread_bp=spread_bp,
    )
    return signed_quote(
        PaymentId.new(), locked, price=fiat, chain=chain, address=TO[chain.family], expires_at=UNTIL, signer=signer
    )


def link_of(quote: Quote) -> str:
    if quote.asset == Asset.BTC:
        return f"bitcoin:{quote.address}?amount={whole(quote.amount, 8)}"
    if quote.contract is None:
        return f"ethereum:{quote.address}@1?value={quote.amount}"
    return f"ethereum:{quote.contract}@1/transfer?address={quote.address}&uint256={quote.amount}"


def wire(quote: Quote) -> JSON:
    """Return a quote as it is answered."""
    return dict(json.loads(quote.model_dump_json(exclude_none=True)))


def payment(quote: Quote, **changes: object) -> JSON:
    """Return a payment as it is answered, as far as it matters here."""
    told = wire(quote)
    shown = {name: told[name] for name in ("payment_id", "chain", "asset", "address")}
    return {**shown, "link": link_of(quote), "quote": told, **changes}


def judged(document: JSON, *, at: datetime = NOW, keys: dict[str, bytes] | None = None, **more: Any) -> Judged:
    quote, around = quote_in(json.dumps(document))
    keys = dict(SIGNER.public_keys) if keys is None else keys
    return judge(quote, around, keys, signed_by=signed_by, now=at, **more)


@pytest.mark.parametrize("asset", [Asset.BTC, Asset.ETH, Asset.USDC, Asset.USDT])
@pytest.mark.parametrize("spread_bp", [0, 1, 150, 500])
def test_what_the_platform_quotes_is_genuine(asset: Asset, spread_bp: int) -> None:
    quote = quoted(asset, spread_bp=spread_bp)
    for document in (wire(quote), payment(quote), {"quote": wire(quote), "unknown": 1}):
        found = judged(document)
        assert found.verdict is Verdict.GENUINE, said(found)
    assert ("spread_bp" in wire(quote)) == bool(spread_bp)


@given(
    st.integers(0, 10**9),
    st.sampled_from(list(MINOR_DIGITS)),
    st.sampled_from([Asset.BTC, Asset.ETH, Asset.USDC]),
    st.integers(0, 500),
    st.decimals("0.000001", "99999999", places=6),
    st.lists(st.integers(-90, 90), min_size=3, max_size=9),
)
def test_whatever_the_platform_quotes_is_genuine_and_one_unit_more_or_less_is_not(
    price: int, currency: str, asset: Asset, spread_bp: int, around: Decimal, apart: list[int]
) -> None:
    said_ = tuple(f"{around * (10_000 + each) / 10_000:f}" for each in apart)
    quote = quoted(asset, price, currency, said_, spread_bp)
    assert judged(payment(quote)).verdict is Verdict.GENUINE
    for other in (quote.amount - 1, quote.amount + 1):
        if other >= 0:
            assert judged(payment(resigned(quote, amount=other))).verdict is Verdict.FORGED


def resigned(quote: Quote, **changes: object) -> Quote:
    """Return a quote that says something else, signed by the platform's own key: a mistake, or worse, on its side."""
    changed = quote.model_copy(update={**changes, "signature": ""})
    return changed.model_copy(update={"signature": SIGNER.sign(message(changed))})


def without(document: JSON, path: str) -> JSON:
    return {name: value for name, value in document.items() if name != path}


FORGERIES: Final[dict[str, Callable[[JSON], object]]] = {
    "address": lambda quote: "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry",
    "amount": lambda quote: str(int(quote["amount"]) + 1),
    "asset": lambda quote: "ETH",
    "chain": lambda quote: "evm:1",
    "contract": lambda quote: USDC,
    "expires_at": lambda quote: "2027-05-06T12:15:00Z",
    "feeds": lambda quote: quote["feeds"][1:],
    "key_id": lambda quote: None,
    "left_out": lambda quote: [{**quote["feeds"][0], "feed": "liar", "price": "1"}],
    "locked_at": lambda quote: "2026-05-06T12:00:01Z",
    "payment_id": lambda quote: str(PaymentId.new()),
    "price": lambda quote: {"currency": "EUR", "units": "421"},
    "rate": lambda quote: "59170.3",
    "signature": lambda quote: b64encode(bytes(64)).decode(),
    "spread_bp": lambda quote: 100,
    "more": lambda quote: "than was signed",
}


@pytest.mark.parametrize("field", FORGERIES)
def test_a_quote_with_another_word_in_it_is_not_genuine(field: str) -> None:
    quote = wire(quoted())
    found = judged({**quote, field: FORGERIES[field](quote)})
    assert found.verdict is Verdict.FORGED
    assert not found.findings[0].right


def test_every_field_of_a_quote_is_forged_here() -> None:
    assert Quote.model_fields.keys() <= FORGERIES.keys()


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"rate": "59170.376"}, "median"),
        ({"rate": "1"}, "median"),
        ({"rate": "0"}, "rounded up"),
        ({"rate": "NaN"}, "no numbers"),
        ({"spread_bp": 100}, "median"),
        ({"spread_bp": 600, "rate": "55620.1525"}, "median"),
        ({"spread_bp": -100, "rate": "59762.07875"}, "median"),
        ({"amount": 7098}, "rounded up"),
        ({"price": Fiat(currency="EUR", units=421)}, "rounded up"),
        ({"price": Fiat(currency="JPY", units=420)}, "rounded up"),
    ],
)
def test_a_signature_does_not_make_wrong_figures_right(changes: JSON, wrong: str) -> None:
    found = judged(wire(resigned(quoted(), **changes)))
    assert found.findings[0].right
    assert found.verdict is Verdict.FORGED
    assert any(wrong in finding.what and not finding.right for finding in found.findings), said(found)


def test_a_proof_needs_several_feeds_that_agree_and_spoke_before_the_quote() -> None:
    def told(*prices: str, at: datetime = NOW, name: str = "") -> tuple[FeedPrice, ...]:
        return tuple(FeedPrice(feed=name or f"feed{n}", price=price, at=at) for n, price in enumerate(prices))

    good = quoted(said=("59000", "59000", "59000"))
    assert judged(wire(resigned(good, feeds=told("59000", "59000")))).verdict is Verdict.GENUINE
    for feeds in (
        told("59000"),
        (),
        told("59000", "59000", name="one"),
        told("59000", "59000", "62000"),
        told("59000", "59000", at=NOW + timedelta(seconds=61)),
        told("59000", "-1", "59000"),
        told("59000", "x", "59000"),
    ):
        assert judged(wire(resigned(good, feeds=feeds))).verdict is Verdict.FORGED


@pytest.mark.parametrize("asset", [Asset.BTC, Asset.ETH, Asset.USDC])
def test_a_link_to_elsewhere_or_for_more_is_found(asset: Asset) -> None:
    quote = quoted(asset)
    good = link_of(quote)
    other = "0x" + "5b" * 20
    wrong = [
        good.replace(quote.address, other if asset != Asset.BTC else TO["bitcoin"].replace("w508", "w509")),
        good.replace(quote.address[:-1], quote.address[:-2]),
        good + "0" if asset != Asset.BTC else good.replace("=0.0", "=0.1"),
        good + "&req-to=x",
        good.replace("@1", "@137") if asset != Asset.BTC else good.replace("bitcoin:", "litecoin:"),
        good.replace("@1", "") if asset != Asset.BTC else good.partition("?")[0],
        f" {good}",
        "",
        link_of(quoted(Asset.ETH if asset != Asset.ETH else Asset.USDC)),
    ]
    if quote.contract:
        wrong.append(good.replace(quote.contract, other))
        wrong.append(f"ethereum:{quote.address}@1?value={quote.amount}")
    for link in wrong:
        assert judged(payment(quote, link=link)).verdict is Verdict.FORGED, link
        assert judged(wire(quote), link=link).verdict is Verdict.FORGED, link
    assert judged(payment(quote), link=good).verdict is Verdict.GENUINE


def test_feeds_that_were_left_out_are_told_and_none_counts_twice() -> None:
    liar = FeedPrice(feed="liar", price="1", at=NOW)
    found = judged(wire(resigned(quoted(), left_out=(liar,))))
    assert found.verdict is Verdict.GENUINE
    assert any("liar (1, 12:00:00)" in finding.what for finding in found.findings)
    twice = liar.model_copy(update={"feed": "feed0"})
    assert judged(wire(resigned(quoted(), left_out=(twice,)))).verdict is Verdict.FORGED


def test_a_link_in_capitals_is_the_same_address_and_one_for_the_rest_is_said_to_be() -> None:
    quote = quoted()
    assert judged(wire(quote), link=link_of(quote).replace(quote.address, quote.address.upper())).verdict == 0
    rest = judged(payment(quote, link=f"bitcoin:{quote.address}?amount=0.00000001"))
    assert rest.verdict is Verdict.GENUINE
    assert any(finding.note for finding in rest.findings)


@pytest.mark.parametrize("field", ["payment_id", "chain", "asset", "address"])
def test_a_payment_that_shows_something_else_than_was_signed_is_found(field: str) -> None:
    assert judged(payment(quoted(), **{field: "x"})).verdict is Verdict.FORGED


def test_a_genuine_quote_is_good_until_it_expires() -> None:
    quote = payment(quoted())
    assert judged(quote, at=UNTIL).verdict is Verdict.GENUINE
    assert judged(quote, at=UNTIL + timedelta(seconds=1)).verdict is Verdict.EXPIRED
    forged = payment(quoted(), address="x")
    assert judged(forged, at=UNTIL + timedelta(seconds=1)).verdict is Verdict.FORGED


def test_a_key_that_was_replaced_goes_on_verifying_and_an_unknown_one_is_told() -> None:
    after = Ed25519Quotes(QuoteSigningSettings(bytes(32), older=(SIGNER.public_keys[SIGNER.key_id],)))
    old, new = wire(quoted()), wire(quoted(signer=after))
    assert old["key_id"] != new["key_id"] == after.key_id
    keys = dict(after.public_keys)
    assert judged(old, keys=keys).verdict is judged(new, keys=keys).verdict is Verdict.GENUINE
    assert judged(new).verdict is Verdict.NO_KEY
    assert judged({**new, "key_id": SIGNER.key_id}).verdict is Verdict.FORGED
    swapped = {after.key_id: SIGNER.public_keys[SIGNER.key_id]}
    assert judged(new, keys=swapped).verdict is Verdict.FORGED


def test_quotes_of_before_keys_had_ids_are_verified_with_any_key() -> None:
    quote = wire(resigned(quoted(), key_id=None))
    assert "key_id" not in quote
    assert judged(quote).verdict is Verdict.GENUINE
    assert judged(quote, keys={"x": bytes(32)}).verdict is Verdict.FORGED


def test_a_keys_id_is_its_thumbprint() -> None:
    """The example of RFC 8037, appendix A.3."""
    key = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    assert key_id_of(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_a_token_that_is_not_known_here_needs_its_decimals() -> None:
    quote = wire(resigned(quoted(Asset.USDC, said=("1", "1", "1")), asset=Asset("EURX")))
    with pytest.raises(Unreadable, match="decimals"):
        judged(quote)
    assert judged(quote, decimals=6).verdict is Verdict.GENUINE
    assert judged(quote, decimals=18).verdict is Verdict.FORGED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        '{"quote": 1}',
        '{"quote": {}}',
        '{"signature": ""}',
        "[" * 100_000,
        '{"signature": "", "signature": ""}',
    ]
    + [
        json.dumps(without(wire(quoted()), field))
        for field in ("amount", "price", "rate", "feeds", "expires_at", "asset")
    ]
    + [json.dumps({**wire(quoted()), "amount": amount}) for amount in (-1, 1.5, True, "x", None)],
)
def test_what_is_no_quote_is_unreadable(text: str) -> None:
    def read() -> Judged:
        quote, around = quote_in(text)
        return judge(quote, around, dict(SIGNER.public_keys), signed_by=signed_by, now=NOW)

    with pytest.raises(Unreadable):
        read()


class _Keys(BaseHTTPRequestHandler):
    body = b""

    def do_GET(self) -> None:
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("location", "/v1/quotes/key")
            self.end_headers()
            return
        self.send_response(200 if self.path == "/v1/quotes/key" else 404)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
async def url() -> Any:
    _Keys.body = (await get_quote_key(using=SIGNER)).body
    server = HTTPServer(("127.0.0.1", 0), _Keys)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


AT: Final = ["--at", "2026-05-06T12:01:00Z"]


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda text: monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_the_command_says_what_it_found_and_ends_accordingly(
    url: str, tmp_path: Path, stdin: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    quote = quoted(spread_bp=150)
    file, keys = tmp_path / "quote.json", tmp_path / "keys.json"
    file.write_text(json.dumps(payment(quote)))
    keys.write_bytes(_Keys.body)
    key = b64encode(SIGNER.public_keys[SIGNER.key_id]).decode()
    for source in (["--url", url], ["--keys", str(keys)], ["--key", key]):
        assert main([str(file), *source, *AT]) == 0
    told = capsys.readouterr().out
    assert told.count("Genuine: pay exactly this.") == 3
    assert "4.20 EUR" in told
    assert "1.50 %" in told
    stdin(json.dumps(payment(quote, address="x")))
    assert main(["--key", key, *AT]) == 1
    told = capsys.readouterr().out
    assert "WRONG  the address" in told
    assert "NOT genuine: do not pay." in told
    assert main([str(file), "--key", key, "--at", "2026-05-06T12:16:00Z"]) == 4
    assert main([str(file), "--key", b64encode(bytes(32)).decode(), *AT]) == 3
    stdin("not a quote")
    assert main(["--key", key, *AT]) == 2
    assert main([str(tmp_path / "missing"), "--key", key]) == 2


@pytest.mark.parametrize(
    "source",
    [[], ["--url", "http://example.com"], ["--url", "ftp://127.0.0.1"], ["--url", "http://127.0.0.1:9"]]
    + [["--key", "x"], ["--key", "AAAA"], ["--keys", "/missing"], ["--keys", "/dev/null"]],
)
def test_without_a_key_nothing_is_believed(source: list[str], stdin: Callable[[str], None]) -> None:
    stdin(json.dumps(wire(quoted())))
    assert main([*source, *AT]) == 3


def test_keys_are_not_taken_from_where_a_redirect_leads(url: str, stdin: Callable[[str], None]) -> None:
    stdin(json.dumps(wire(quoted())))
    assert main(["--url", f"{url}/moved", *AT]) == 3


def test_the_command_loads_nothing_that_needs_a_server() -> None:
    servers = ("pg8000", "redis", "httpx", "confluent_kafka")
    check = f"import sys, shared.wiring.verify_quote; print([name for name in {servers} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, cwd=ROOT, env={})
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("older", ["x", b64encode(bytes(31)).decode()])
def test_an_old_key_that_can_be_none_is_told(older: str) -> None:
    seed = b64encode(bytes(32)).decode()
    with pytest.raises(Misconfigured, match="QUOTE_OLD_KEYS"):
        QuoteSigningSettings.from_env({"QUOTE_SIGNING_KEY": seed, "QUOTE_OLD_KEYS": older})
    two = ",".join(b64encode(bytes([n]) * 32).decode() for n in (1, 2))
    assert len(QuoteSigningSettings.from_env({"QUOTE_SIGNING_KEY": seed, "QUOTE_OLD_KEYS": two}).older) == 2
