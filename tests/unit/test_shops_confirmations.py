"""A shop's confirmation policy: whole, bounded, its owner's."""

import pytest
from pydantic import ValidationError

from shared.kernel.decision import By, Role
from shared.kernel.errors import Invalid, NotFound
from shared.kernel.ids import KeyId, MerchantId
from shared.kernel.money import Asset
from shared.shops import lifecycle
from shared.shops.facts import ZeroConfirmation
from shared.shops.model import MAX_RISK, SetConfirmations
from tests.unit.test_shops_rules import BY, NOON, shop_state

RISK = {"max_order": "1500", "hourly_cap": "6000"}


def test_the_policy_replaces_the_one_before_and_is_shown_to_the_merchant_alone() -> None:
    shop = shop_state()
    command = SetConfirmations.model_validate({"confirmations": {"BTC": 3}, "zero_confirmation": RISK})
    for fact in lifecycle.set_confirmations(shop, command, by=BY):
        shop = lifecycle.evolve(shop, fact)
    assert (shop.confirmations, shop.zero_confirmation) == (
        {Asset.BTC: 3},
        ZeroConfirmation(max_order=1500, hourly_cap=6000),
    )
    assert "zero" not in lifecycle.public_view(shop, 2, now=NOON).model_dump_json()
    assert lifecycle.own_view(shop, 2, now=NOON).zero_confirmation == shop.zero_confirmation
    for fact in lifecycle.set_confirmations(shop, SetConfirmations(), by=BY):
        shop = lifecycle.evolve(shop, fact)
    assert (shop.confirmations, shop.zero_confirmation) == ({}, None)


@pytest.mark.parametrize(
    "risk", [{**RISK, "max_order": "0"}, {**RISK, "max_order": "6001"}, {**RISK, "hourly_cap": str(MAX_RISK + 1)}]
)
def test_a_cap_below_its_dearest_order_or_beyond_all_measure_is_refused(risk: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        SetConfirmations.model_validate({"zero_confirmation": risk})


def test_somebody_elses_shop_and_assets_it_does_not_take_are_refused() -> None:
    stranger = By(KeyId.new(), frozenset({Role.OWNER}), MerchantId.new())
    with pytest.raises(NotFound):
        lifecycle.set_confirmations(shop_state(), SetConfirmations(), by=stranger)
    with pytest.raises(Invalid):
        lifecycle.set_confirmations(shop_state(), SetConfirmations(confirmations={Asset.USDC: 2}), by=BY)
