"""By what a payment is judged: tolerance and dust floor never make it free or impossible, dearer never needs less."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kernel.money import Asset
from shared.payments.policy import DEFAULTS, AssetPolicy, Tier, policy_of
from shared.settings import ChainsSettings, Misconfigured
from shared.wiring.payments import payable

NODE = {"kind": "bitcoin", "network": "regtest", "rpc": "http://127.0.0.1:1", "confirmations": 2}


@given(
    tolerance=st.integers(0, 10**20),
    basis_points=st.integers(0, 500),
    dust=st.integers(0, 10**20),
    due=st.integers(1, 10**30),
)
@settings(max_examples=500, deadline=None)
def test_terms_never_make_a_payment_free_or_impossible(tolerance: int, basis_points: int, dust: int, due: int) -> None:
    terms = AssetPolicy(tolerance=tolerance, tolerance_bp=basis_points, dust=dust).terms(due, price=420)
    assert 0 <= terms.tolerance <= due // 20
    assert 0 <= terms.dust <= due - terms.tolerance
    assert terms.dust <= dust
    assert terms.tolerance == due // 20 or terms.tolerance >= tolerance


@pytest.mark.parametrize(
    ("due", "tolerance"),
    [(7119, 35), (100, 1), (20, 1), (19, 0), (1, 0), (10_000_000, 50_000)],
)
def test_the_larger_tolerance_counts_up_to_a_twentieth_of_what_is_due(due: int, tolerance: int) -> None:
    assert DEFAULTS[Asset.BTC].terms(due, price=420).tolerance == tolerance


@pytest.mark.parametrize(
    ("price", "confirmations", "final_depth"),
    [
        (0, 1, 6),
        (9_999, 1, 6),
        (10_000, 2, 6),
        (99_999, 2, 6),
        (100_000, 3, 6),
        (1_000_000, 6, 12),
        (10**9, 6, 12),
    ],
)
def test_dearer_orders_need_more_confirmations(price: int, confirmations: int, final_depth: int) -> None:
    policy = DEFAULTS[Asset.BTC]
    assert policy.confirmations(price, chain=1, shop=0) == confirmations
    assert policy.terms(7119, price=price).final_depth == final_depth


@given(price=st.integers(0, 10**7), more=st.integers(0, 10**7), chain=st.integers(0, 20), shop=st.integers(0, 20))
def test_a_shop_only_tightens_and_a_dearer_order_never_needs_less(price: int, more: int, chain: int, shop: int) -> None:
    for policy in DEFAULTS.values():
        asked = policy.confirmations(price, chain=chain, shop=shop)
        assert asked >= max(shop, policy.confirmations(price, chain=chain, shop=0))
        assert asked <= policy.confirmations(price + more, chain=chain, shop=shop)


def test_tiers_out_of_order_or_laxer_for_more_are_refused() -> None:
    with pytest.raises(ValueError, match="from the lowest price"):
        AssetPolicy(tiers=(Tier(from_minor=5, confirmations=1), Tier(from_minor=5, confirmations=2)))
    with pytest.raises(ValueError, match="at least what the one below"):
        AssetPolicy(tiers=(Tier(confirmations=3), Tier(from_minor=5, confirmations=2)))


def test_chains_say_what_differs_from_the_default() -> None:
    told = {"bitcoin": {**NODE, "policies": {"BTC": {"dust": "1000", "tolerance_bp": 0}}}}
    chain = payable(ChainsSettings.from_env({"CHAINS": json.dumps(told)}).chains[0])
    policy = chain.policies[Asset.BTC]
    assert (policy.dust, policy.tolerance_bp, policy.tiers) == (1000, 0, DEFAULTS[Asset.BTC].tiers)
    assert policy_of(Asset.ETH, {}) == DEFAULTS[Asset.ETH]


@pytest.mark.parametrize(
    "policies",
    [
        {"BTC": {"dust": -1}},
        {"BTC": {"tolerance_bp": 501}},
        {"BTC": {"tolerance": 1.5}},
        {"BTC": {"x": 1}},
        {"ETH": {}},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(policies: dict[str, object]) -> None:
    told = {"bitcoin": {**NODE, "policies": policies}}
    with pytest.raises(Misconfigured, match="bitcoin"):
        payable(ChainsSettings.from_env({"CHAINS": json.dumps(told)}).chains[0])
