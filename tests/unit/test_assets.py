"""Assets are open: what CHAINS names can be paid with, a symbol is one coin everywhere, a client can't invent one."""

import copy
import json
import pickle
from decimal import Decimal

import pytest
from pydantic import ValidationError

from shared.kernel.clock import SystemClock
from shared.kernel.encoding import to_json
from shared.kernel.money import Asset, Money, declare
from shared.payments.model import RequestPayment
from shared.payments.policy import policy_of
from shared.prices.model import Pair, Reading
from shared.prices.poll_prices import source
from shared.prices.rates import AssetDepegged, rate_of, usable
from shared.settings import ChainsSettings, Misconfigured

CONTRACT = "0x" + "5a" * 20


def chains(**tokens: dict[str, object]) -> ChainsSettings:
    """Return the settings of one EVM chain with these tokens."""
    chain = {"kind": "evm", "chain_id": 7, "rpc": "http://node", "native": "ETH", "tokens": tokens}
    return ChainsSettings.from_env({"CHAINS": json.dumps({"evm:7": chain})})


def test_a_token_that_chains_names_is_an_asset_with_its_own_decimals() -> None:
    with pytest.raises(ValidationError):
        RequestPayment(asset=Asset("TESTA"))
    chains(TESTA={"contract": CONTRACT, "decimals": 9})
    asset = Asset("TESTA")
    assert (asset.decimals, asset.peg, asset.priced_as) == (9, None, asset)
    assert str(Money(asset=asset, units=1_500_000_000)) == "1.5 TESTA"
    assert RequestPayment.model_validate_json('{"asset": "TESTA"}').asset is asset
    assert asset in Asset.known()


def test_an_asset_is_one_object_and_the_text_it_was() -> None:
    for asset in (Asset.BTC, chains(TESTB={"contract": CONTRACT, "decimals": 6}) and Asset("TESTB")):
        assert copy.deepcopy(asset) is asset
        assert pickle.loads(pickle.dumps(asset)) is asset
        assert Money.model_validate_json(Money(asset=asset, units=1).model_dump_json()).asset is asset
        assert to_json([asset, {asset: 1}]) == json.dumps([asset, {asset: 1}], separators=(",", ":"))


@pytest.mark.parametrize("text", ["", "B", "btc", "BTC ", "BTC\n", "1BTC", "BT-C", "ВТС", "A" * 13])
def test_what_is_no_symbol_is_no_asset(text: str) -> None:
    with pytest.raises(ValueError, match="capital letters"):
        Asset(text)
    with pytest.raises(ValidationError):
        Money.model_validate({"asset": text, "units": "1"})


def test_a_symbol_that_nobody_offers_is_read_but_has_no_digits() -> None:
    left = Money.model_validate({"asset": "GONE", "units": "1"})
    assert left.asset == "GONE"
    with pytest.raises(ValueError, match="not declared"):
        _ = left.asset.decimals


@pytest.mark.parametrize(
    "token",
    [
        {"decimals": 18},
        {"decimals": 6, "peg": "EUR"},
        {"decimals": 6, "peg": "USD", "priced_as": "USDT"},
    ],
)
def test_a_symbol_can_t_mean_two_coins(token: dict[str, object]) -> None:
    with pytest.raises(Misconfigured, match="one coin everywhere"):
        chains(USDC={"contract": CONTRACT, **token})


@pytest.mark.parametrize(
    "token",
    [
        {"decimals": -1},
        {"decimals": 31},
        {"decimals": "6"},
        {"decimals": 6, "peg": "XXX"},
        {"decimals": 6, "priced_as": "usdc"},
        {"decimals": 6, "price": "1"},
        {},
    ],
)
def test_a_token_that_can_t_be_is_refused_at_the_start(token: dict[str, object]) -> None:
    with pytest.raises(Misconfigured):
        chains(TESTBAD={"contract": CONTRACT, **token})
    assert "TESTBAD" not in Asset.known()


def test_a_native_coin_other_than_eth_counts_in_wei() -> None:
    chain = {"kind": "evm", "chain_id": 8, "rpc": "http://node", "native": "TESTN"}
    ChainsSettings.from_env({"CHAINS": json.dumps({"evm:8": chain})})
    assert Asset("TESTN").decimals == 18


def test_a_pegged_token_is_refused_when_it_lost_its_own_peg() -> None:
    asset = declare("TESTEUR", 6, peg="EUR", priced_as="EURC")
    now = SystemClock().now()
    pair = Pair(asset, "EUR")
    assert source(pair) == Pair(Asset("EURC"), "EUR")
    good, bad = (
        rate_of(pair, [Reading("a", Decimal(price), now), Reading("b", Decimal(price), now)], now=now)
        for price in ("0.99", "0.9")
    )
    assert usable(good, good, pair, now=now) is good
    with pytest.raises(AssetDepegged, match="EUR"):
        usable(bad, bad, pair, now=now)


def test_an_asset_without_a_policy_of_its_own_gets_a_sane_one() -> None:
    pegged, free = declare("TESTP", 6, peg="USD"), declare("TESTF", 18)
    assert (policy_of(pegged, {}).dust, policy_of(free, {}).dust) == (10_000, 10**12)
    assert policy_of(free, {"dust": "5"}).dust == 5
    assert policy_of(pegged, {}).confirmations(2_000_000, chain=1, shop=0) == 32
