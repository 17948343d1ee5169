"""The rules of put_discount and return_discount."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from shared.catalog import discounts
from shared.catalog.discount_model import MAX_DISCOUNTS, DiscountUse, KeptDiscount, PutDiscount, UseState
from shared.catalog.discounts import CodeTaken, TooManyDiscounts
from shared.catalog.facts import Discount, DiscountReturned
from shared.catalog.lifecycle import UnknownItem
from shared.catalog.ports import OrderStanding, ShopTerms
from shared.kernel.decision import Stored
from shared.kernel.errors import Bug, NotFound
from shared.kernel.facts import GENESIS, fact_of
from shared.kernel.ids import DiscountId, DiscountUseId, ItemId, MerchantId, OrderId, ShopId
from shared.kernel.money import Asset
from tests.naming import shown

SHOP = ShopTerms(ShopId.new(), MerchantId.new(), "EUR", (Asset.BTC,))
ID = DiscountId.new()
TENTH: dict[str, object] = {"name": "Welcome", "code": "WELCOME-10", "rate_bp": 1000}


def command(**changes: object) -> PutDiscount:
    return PutDiscount.model_validate({**TENTH, **changes})


def put(
    known: KeptDiscount | None = None,
    *,
    shop: ShopTerms = SHOP,
    code_of: DiscountId | None = None,
    count: int = 0,
    **changes: object,
) -> KeptDiscount:
    told = discounts.put(known, ID, command(**changes), shop=shop, menu=None, code_of=code_of, count=count)
    for fact in told:
        known = discounts.evolve(known, fact_of(fact.type, fact.canonical))
    assert known is not None
    return known


@pytest.mark.parametrize(
    "changes",
    [
        {"rate_bp": None},
        {"amount": "100"},
        {"rate_bp": 0},
        {"rate_bp": 10_001},
        {"rate_bp": 10.5},
        {"rate_bp": None, "amount": "0"},
        {"rate_bp": None, "amount": "-1"},
        {"rate_bp": None, "amount": "100", "maximum": "50"},
        {"maximum": "0"},
        {"code": "AB"},
        {"code": "welcome"},
        {"code": "ГОСТЬ"},
        {"code": "A" * 33},
        {"starts_at": "2026-05-06T12:00:00Z", "ends_at": "2026-05-06T12:00:00Z"},
        {"starts_at": "2026-05-06T12:00:00"},
        {"uses": 0},
        {"name": ""},
        {"discount_id": ID},
    ],
    ids=shown,
)
def test_a_discount_that_makes_no_sense_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        command(**changes)


def test_a_discount_is_given_and_given_otherwise() -> None:
    kept = put(uses=100, minimum="500")
    assert (kept.shop_id, kept.discount.uses, kept.discount.minimum) == (SHOP.shop_id, 100, 500)
    assert put(kept, code_of=ID, rate_bp=2000).discount == Discount(
        discount_id=ID, name="Welcome", code="WELCOME-10", rate_bp=2000
    )
    view = discounts.view(Stored(kept, 1, GENESIS), 7)
    assert (view.discount_id, view.used, view.version) == (ID, 7, 1)


def test_a_discount_belongs_to_its_shop_and_a_code_to_one_discount() -> None:
    other = ShopTerms(ShopId.new(), SHOP.merchant_id, "EUR", ())
    with pytest.raises(NotFound):
        put(put(), shop=other)
    with pytest.raises(CodeTaken):
        put(code_of=DiscountId.new())
    with pytest.raises(TooManyDiscounts):
        put(count=MAX_DISCOUNTS)
    assert put(put(), count=MAX_DISCOUNTS)
    with pytest.raises(UnknownItem):
        put(items=[ItemId.new()])


def test_the_discount_of_an_order_that_came_to_nothing_is_given_back_once() -> None:
    order_id = OrderId.new()
    use = DiscountUse(
        use_id=DiscountUseId.like(order_id),
        order_id=order_id,
        discount_id=ID,
        shop_id=SHOP.shop_id,
        merchant_id=SHOP.merchant_id,
        state=UseState.USED,
    )
    assert discounts.give_back(use, OrderStanding(over=False, version=1)) == ()
    assert discounts.give_back(None, OrderStanding(over=True, version=2)) == ()
    (fact,) = discounts.give_back(use, OrderStanding(over=True, version=2))
    assert isinstance(fact, DiscountReturned)
    after = discounts.evolve_use(use, fact)
    assert after == use.model_copy(update={"state": UseState.RETURNED})
    assert after == discounts.evolve_use(None, fact), "the fact alone rebuilds it"
    assert discounts.give_back(after, OrderStanding(over=True, version=2)) == ()
    with pytest.raises(Bug):
        discounts.evolve_use(after, fact)
    with pytest.raises(Bug):
        discounts.evolve(None, fact)
