"""Comparing what was credited with what a chain has: silent where they agree, never where they don't."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kernel.ids import MerchantId, PaymentId, ShopId
from shared.kernel.money import Asset
from shared.payments.chain import BlockRef
from shared.payments.get_reconciliation import EXPLAINED
from shared.payments.reconciliation import Kind
from shared.payments.reconciliation_chain import (
    Arrived,
    Credited,
    Evidence,
    Left,
    Receiver,
    Swept,
    as_credited,
    compare_chain,
)

AT = BlockRef("evm:1", 100, "0xb100")
START = datetime(2026, 5, 6, 12, tzinfo=UTC)
ASSETS = (Asset.ETH, Asset.USDC)
transfers = st.lists(
    st.tuples(st.sampled_from(ASSETS), st.integers(0, 9), st.integers(1, 10**6)),
    unique_by=lambda each: each[:2],
    max_size=8,
)


def receiver(known: list[tuple[Asset, int, int]], swept: tuple[Swept, ...] = ()) -> Receiver:
    credited = tuple(Credited(asset, f"tx{n}", 0, units, 90, "0xb90") for asset, n, units in known)
    ids = PaymentId.new(), ShopId.new(), MerchantId.new()
    return Receiver(*ids, "0xAddress", "0xaddress", START, credited, swept)


def evidence(there: list[tuple[Asset, int, int]], gone: list[Left], more: int = 0) -> Evidence:
    arrived = tuple(Arrived(asset, f"tx{n}", 0, units, 90) for asset, n, units in there)
    held = {
        asset: more
        + sum(each.units for each in arrived if each.asset == asset)
        - sum(coins.units for coins in gone if coins.asset == asset)
        for asset in ASSETS
    }
    return Evidence(held, arrived, tuple(gone))


@given(transfers)
def test_what_agrees_is_silent(known: list[tuple[Asset, int, int]]) -> None:
    told = evidence(known, [])
    assert list(compare_chain(receiver(known), told, AT)) == []
    assert as_credited(receiver(known), told.held)


@given(transfers, transfers)
@settings(max_examples=500)
def test_whatever_disagrees_has_a_name_with_the_units_of_both_sides(
    known: list[tuple[Asset, int, int]], there: list[tuple[Asset, int, int]]
) -> None:
    found = list(compare_chain(receiver(known), evidence(there, []), AT))
    assert bool(found) == (set(known) != set(there))
    ours = {(asset, f"tx{n}"): units for asset, n, units in known}
    theirs = {(asset, f"tx{n}"): units for asset, n, units in there}
    for each in found:
        assert each.asset is not None
        assert each.txid is not None
        key = (each.asset, each.txid)
        assert (each.expected, each.found) == (ours.get(key, 0), theirs.get(key, 0))
        named = {(True, False): Kind.NOT_ON_CHAIN, (False, True): Kind.NOT_CREDITED, (True, True): Kind.AMOUNT_DIFFERS}
        assert each.kind is named[key in ours, key in theirs]
    assert len({each.name for each in found}) == len(found)


@given(transfers, st.integers(1, 50), st.booleans(), st.sampled_from([None, "vault", "thief"]))
def test_what_left_is_named_unless_a_sweep_of_ours_took_it(
    known: list[tuple[Asset, int, int]], units: int, planned: bool, to: str | None
) -> None:
    gone = [Left(Asset.ETH, "out", -1, units, "out", to)]
    at = receiver(known, (Swept(frozenset({"out"}), {Asset.ETH: units}, "vault"),) if planned else ())
    found = [each.kind for each in compare_chain(at, evidence(known, gone), AT)]
    assert found == ([] if planned and to != "thief" else [Kind.MOVED])


@given(transfers, st.integers(1, 50), st.integers(0, 50))
def test_a_sweep_that_took_other_units_than_it_says_is_named(
    known: list[tuple[Asset, int, int]], units: int, ought: int
) -> None:
    gone = [Left(Asset.ETH, "out", -1, units, "out")]
    at = receiver(known, (Swept(frozenset({"out"}), {Asset.ETH: ought}, "vault"),))
    found = [(each.kind, each.expected, each.found) for each in compare_chain(at, evidence(known, gone), AT)]
    assert found == ([] if units == ought else [(Kind.AMOUNT_DIFFERS, ought, units)])


@given(transfers, st.integers(-50, 50))
def test_what_no_transfer_explains_is_named(known: list[tuple[Asset, int, int]], more: int) -> None:
    found = {each.kind for each in compare_chain(receiver(known), evidence(known, [], more), AT)}
    assert found == (set() if not more else {Kind.NOT_CREDITED if more > 0 else Kind.UNEXPLAINED})


def test_coins_from_long_before_are_a_strangers() -> None:
    early = Arrived(Asset.ETH, "tx1", 0, 5, 10, START - timedelta(hours=3))
    (found,) = compare_chain(receiver([]), Evidence({Asset.ETH: 5}, (early,)), AT)
    assert (found.kind, found.expected, found.found) == (Kind.STRANGE, 0, 5)


def test_every_kind_is_explained_to_the_owner() -> None:
    assert set(EXPLAINED) == set(Kind)
