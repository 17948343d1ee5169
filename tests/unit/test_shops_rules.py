"""A shop's rules: what may be registered, when hours change, who may set them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.kernel.decision import By, Role
from shared.kernel.errors import Bug, Forbidden, Invalid, NotFound
from shared.kernel.hours import Opening, Week, changes_at, open_window
from shared.kernel.ids import KeyId, MerchantId, ShopId, UserId
from shared.kernel.money import Asset
from shared.shops import lifecycle
from shared.shops.facts import PayoutAccount, ShopHoursSet, ShopSpreadsSet
from shared.shops.model import Family, FindShops, RegisterShop, SetOpeningHours, SetSpreads, Shop

NOON = datetime(2026, 5, 6, 12, tzinfo=UTC)
OWNER = UserId.new()
BY = By(OWNER, frozenset({Role.CUSTOMER, Role.OWNER}), MerchantId.like(OWNER))
VALID: dict[str, object] = {
    "name": "Röststätte",
    "address": "Ackerstraße 173, 10115 Berlin",
    "position": {"latitude": 52.53, "longitude": 13.39},
    "timezone": "Europe/Berlin",
    "currency": "EUR",
    "accepts": ["BTC", "ETH"],
    "payout": {"bitcoin": "tpub…", "evm": "xpub…"},
}


def registered(**changes: object) -> RegisterShop:
    return RegisterShop.model_validate({**VALID, **changes})


def day(*spans: tuple[int, str, str]) -> tuple[Opening, ...]:
    return tuple(Opening(weekday=weekday, opens=opens, closes=closes) for weekday, opens, closes in spans)


def shop_state() -> Shop:
    fact = lifecycle.register(
        ShopId.new(),
        registered(),
        payout={Family.BITCOIN: PayoutAccount(sealed_xpub="c2VhbGVk", fingerprint="00112233")},
        merchant_id=lifecycle.merchant_of(BY),
        now=NOON,
    )
    return lifecycle.evolve(None, fact)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "  "},
        {"name": "a\nb"},
        {"name": "a\0b"},
        {"name": "x" * 121},
        {"address": ""},
        {"timezone": "Europe/Atlantis"},
        {"timezone": "../etc/passwd"},
        {"timezone": "Europe"},
        {"timezone": "europe/berlin\0"},
        {"currency": "XXX"},
        {"accepts": []},
        {"accepts": ["BTC", "BTC"]},
        {"accepts": ["DOGE"]},
        {"payout": {"bitcoin": "tpub…"}},
        {"payout": {"bitcoin": "tpub…", "evm": "x" * 121}},
        {"payout": {"bitcoin": "tpub…", "evm": "xpub…", "solana": "…"}},
        {"confirmations": {"USDC": 3}},
        {"confirmations": {"BTC": 0}},
        {"confirmations": {"BTC": True}},
        {"position": {"latitude": 90, "longitude": 0}},
        {"position": {"latitude": float("nan"), "longitude": 0}},
        {"position": {"latitude": 0, "longitude": 180.1}},
        {"owner": "usr_x"},
    ],
    ids=str,
)
def test_a_shop_that_makes_no_sense_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        registered(**changes)


def test_account_keys_show_in_no_representation_of_a_command() -> None:
    assert "tpub" not in repr(registered())
    assert "tpub" not in registered().model_dump_json()


@pytest.mark.parametrize(
    "weekly",
    [
        day((0, "09:00", "09:00")),
        day((0, "18:00", "09:00")),
        day((0, "09:00", "12:00"), (0, "11:59", "13:00")),
        day((1, "09:00", "12:00"), (0, "09:00", "12:00")),
        day((0, "13:00", "14:00"), (0, "09:00", "12:00")),
        day(*((0, f"{hour:02}:{minute}", f"{hour:02}:{minute + 5}") for hour in range(22) for minute in (10, 30))),
    ],
)
def test_hours_out_of_order_overlapping_or_upside_down_are_refused(weekly: tuple[Opening, ...]) -> None:
    with pytest.raises(ValidationError):
        SetOpeningHours(weekly=weekly)


def test_hours_that_touch_and_hours_to_midnight_are_taken() -> None:
    SetOpeningHours(weekly=day((0, "00:00", "09:00"), (0, "09:00", "24:00"), (6, "23:59", "24:00")))


@pytest.mark.parametrize("value", ["nan", "inf", "91", "x", ""])
def test_a_search_from_nowhere_is_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        FindShops.model_validate_strings({"lat": value, "lon": "13.4"})


def test_a_person_registers_for_themself_and_a_key_for_its_merchant() -> None:
    assert lifecycle.merchant_of(BY) == MerchantId.like(OWNER)
    assert lifecycle.merchant_of(replace(BY, merchant_id=None)) == MerchantId.like(OWNER)
    merchant = MerchantId.new()
    assert lifecycle.merchant_of(By(KeyId.new(), frozenset({Role.OWNER}), merchant)) == merchant
    for by in (
        By(KeyId.new(), frozenset({Role.SERVICE})),
        By(KeyId.new(), frozenset({Role.OWNER}), merchant, shop_ids=frozenset({ShopId.new()})),
    ):
        with pytest.raises(Forbidden):
            lifecycle.merchant_of(by)


def test_only_its_owner_or_a_manager_sets_hours_and_others_do_not_learn_that_it_exists() -> None:
    shop, command = shop_state(), SetOpeningHours(weekly=day((2, "08:00", "18:00")))
    (fact,) = lifecycle.set_hours(shop, command, by=BY)
    assert isinstance(fact, ShopHoursSet)
    assert lifecycle.evolve(shop, fact).weekly == command.weekly
    barista = By(KeyId.new(), frozenset({Role.BARISTA}), shop.merchant_id)
    with pytest.raises(Forbidden):
        lifecycle.set_hours(shop, command, by=barista)
    stranger = By(KeyId.new(), frozenset({Role.OWNER}), MerchantId.new())
    for state in (shop, None):
        with pytest.raises(NotFound):
            lifecycle.set_hours(state, command, by=stranger)


def test_a_shop_can_not_be_registered_twice_or_change_before_it_is() -> None:
    shop = shop_state()
    with pytest.raises(Bug):
        lifecycle.evolve(None, ShopHoursSet(shop_id=shop.shop_id, weekly=()))


def test_what_everybody_sees_has_no_trace_of_account_keys_and_its_owner_sees_fingerprints() -> None:
    shop = shop_state()
    assert "payout" not in lifecycle.public_view(shop, 1, now=NOON).model_dump()
    own = lifecycle.own_view(shop, 1, now=NOON)
    assert own.payout == {"bitcoin": "00112233"}
    assert "c2VhbGVk" not in own.model_dump_json()


def test_assets_of_one_family_share_an_account_key() -> None:
    assert {asset: Family.of(asset) for asset in (Asset.BTC, Asset.ETH, Asset.USDC, Asset.USDT)} == {
        Asset.BTC: Family.BITCOIN,
        Asset.ETH: Family.EVM,
        Asset.USDC: Family.EVM,
        Asset.USDT: Family.EVM,
    }


@pytest.mark.parametrize(
    ("weekly", "at", "expected"),
    [
        (day((2, "08:00", "18:00")), "2026-05-06T06:30", "2026-05-06T08:00"),
        (day((2, "08:00", "18:00")), "2026-05-06T08:00", "2026-05-06T18:00"),
        (day((2, "08:00", "18:00")), "2026-05-06T18:00", "2026-05-13T08:00"),
        (day((2, "20:00", "24:00"), (3, "00:00", "02:00")), "2026-05-06T21:00", "2026-05-07T02:00"),
        (day((6, "20:00", "24:00"), (0, "00:00", "02:00")), "2026-05-10T21:00", "2026-05-11T02:00"),
        (day(*((weekday, "00:00", "24:00") for weekday in range(7))), "2026-05-06T12:00", None),
        ((), "2026-05-06T12:00", None),
        (day((6, "01:00", "04:00")), "2026-03-29T01:30", "2026-03-29T04:00"),
        (day((6, "02:30", "04:00")), "2026-03-29T01:30", "2026-03-29T03:30"),
    ],
)
def test_the_next_change_is_when_open_becomes_closed_or_closed_open(
    weekly: tuple[Opening, ...], at: str, expected: str | None
) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    moment = datetime.fromisoformat(at).replace(tzinfo=berlin)
    change = changes_at(weekly, "Europe/Berlin", moment)
    assert change == (datetime.fromisoformat(expected).replace(tzinfo=berlin) if expected else None)


spans = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 23), st.integers(1, 24)).filter(lambda span: span[1] < span[2]),
    max_size=8,
    unique_by=lambda span: span[0],
)


@given(spans, st.integers(0, 365 * 24 * 60), st.sampled_from(["UTC", "Europe/Berlin"]))
def test_nothing_changes_before_the_next_change_and_everything_does_at_it(
    given_spans: list[tuple[int, int, int]], minutes: int, zone: str
) -> None:
    weekly = tuple(Opening(weekday=d, opens=f"{o:02}:00", closes=f"{c:02}:00") for d, o, c in sorted(given_spans))
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    is_open = open_window(weekly, zone, at) is not None
    change = changes_at(weekly, zone, at)
    week = Week(weekly, zone)
    assert week.standing(at) == (is_open, change)
    assert week.standing(at + timedelta(seconds=1)) == (is_open, change)
    end = change or at + timedelta(days=7)
    step = at
    while step < end:
        assert (open_window(weekly, zone, step) is not None) is is_open
        step += timedelta(minutes=37)
    if change is not None:
        assert (open_window(weekly, zone, change) is not None) is not is_open
        assert week.standing(change).open is not is_open
        assert week.standing(at) == (is_open, change)


def test_spreads_are_set_as_a_whole_by_owner_or_manager_for_coins_that_the_shop_takes() -> None:
    shop = shop_state()
    (fact,) = lifecycle.set_spreads(shop, SetSpreads(spread_bp={Asset.BTC: 150, Asset.ETH: 0}), by=BY)
    assert isinstance(fact, ShopSpreadsSet)
    spread = lifecycle.evolve(shop, fact)
    assert spread.spread_bp == {Asset.BTC: 150}
    assert lifecycle.public_view(spread, 2, now=NOON).spread_bp == {Asset.BTC: 150}
    (fact,) = lifecycle.set_spreads(spread, SetSpreads(spread_bp={}), by=BY)
    assert lifecycle.evolve(spread, fact) == shop
    with pytest.raises(Invalid):
        lifecycle.set_spreads(shop, SetSpreads(spread_bp={Asset.USDC: 1}), by=BY)
    with pytest.raises(Forbidden):
        lifecycle.set_spreads(shop, SetSpreads(spread_bp={}), by=replace(BY, roles=frozenset({Role.BARISTA})))
    stranger = UserId.new()
    with pytest.raises(NotFound):
        lifecycle.set_spreads(
            shop, SetSpreads(spread_bp={}), by=By(stranger, frozenset({Role.OWNER}), MerchantId.like(stranger))
        )


@pytest.mark.parametrize("spread_bp", [-1, 501, 1.5, "1", True, None])
def test_a_spread_is_a_whole_number_of_hundredths_of_a_percent_up_to_five_percent(spread_bp: object) -> None:
    with pytest.raises(ValidationError):
        SetSpreads.model_validate({"spread_bp": {"BTC": spread_bp}})
    assert SetSpreads.model_validate({"spread_bp": {"BTC": 500}}).spread_bp == {Asset.BTC: 500}
