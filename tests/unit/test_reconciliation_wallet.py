"""The hot wallet against refunds: whatever is under way excuses as much, nothing excuses more."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kernel.ids import RefundId
from shared.kernel.money import Asset, Money
from shared.payments.chain import BlockRef
from shared.payments.facts import RefundRate
from shared.payments.reconciliation import Kind
from shared.payments.reconciliation_wallet import Wallet, compare_wallet, funded, sent
from shared.payments.refund_model import MinedIn, Refund, RefundState, SignedBytes
from tests.many import runs

NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)
START = NOW - timedelta(hours=1)
FINAL = 100
AT = BlockRef("evm:1", FINAL, "0xb100")
PUT_IN = 10**9


def wei(units: int) -> Money:
    return Money(asset=Asset.ETH, units=units)


@st.composite
def refunds(draw: st.DrawFn) -> tuple[Refund, Counter[Asset]]:
    """Return a refund as we know it, and what it really took out of the wallet up to the final block."""
    state = draw(st.sampled_from(list(RefundState)))
    units, fee = draw(st.integers(1, 1000)), draw(st.integers(1, 50))
    asset = draw(st.sampled_from([Asset.ETH, Asset.USDC]))
    height = draw(st.integers(90, 110))
    gone: Counter[Asset] = Counter()
    under_way = state in (RefundState.SIGNED, RefundState.BROADCAST, RefundState.MINED)
    if (state is RefundState.CONFIRMED or (under_way and draw(st.booleans()))) and height <= FINAL:
        gone[asset] += units
        gone[Asset.ETH] += fee
    lost = draw(st.sampled_from([0, 7]))
    changed = START if lost == 0 or draw(st.booleans()) else NOW + timedelta(seconds=5)
    if lost and (changed < NOW or draw(st.booleans())):
        gone[Asset.ETH] += lost
    most = fee if state is RefundState.CONFIRMED else fee + draw(st.integers(0, 20))
    bytes_ = SignedBytes(txid="t", raw="00", slots=("nonce:1",), fee=wei(most), at=START)
    mined = MinedIn(txid="t", height=height, block_hash="0xb")
    refund = Refund(
        refund_id=RefundId.new(),
        amount=Money(asset=asset, units=units),
        to="0xTo",
        to_key="0xto",
        rate=RefundRate.COINS,
        requested_by="usr_x",
        by_customer=True,
        approvals=0,
        state=state,
        signed=(bytes_,) if under_way or state is RefundState.CONFIRMED else (),
        mined=mined if state in (RefundState.MINED, RefundState.CONFIRMED) else None,
        fee=wei(fee) if state is RefundState.CONFIRMED else None,
        lost=wei(lost) if lost else None,
        requested_at=START,
        changed_at=changed,
    )
    return refund, gone


@given(st.lists(refunds(), max_size=8), st.integers(0, 5000), st.sampled_from([Asset.ETH, Asset.USDC]))
@settings(max_examples=runs(800), deadline=None)
def test_what_refunds_took_is_excused_and_what_a_thief_took_beyond_is_named(
    known: list[tuple[Refund, Counter[Asset]]], stolen: int, asset: Asset
) -> None:
    held = Counter({Asset.ETH: PUT_IN, Asset.USDC: PUT_IN})
    for _, gone in known:
        held.subtract(gone)
    told = sent((refund for refund, _ in known), FINAL, NOW)
    wallet = Wallet("0xHot", dict(held))
    assert list(compare_wallet(wallet, told, {Asset.ETH: PUT_IN, Asset.USDC: PUT_IN}, AT)) == []
    for each, units in funded(wallet, told).items():
        assert units <= PUT_IN, f"{each}: more was never put in"
    held[asset] -= stolen
    found = list(compare_wallet(Wallet("0xHot", dict(held)), told, {Asset.ETH: PUT_IN, Asset.USDC: PUT_IN}, AT))
    assert len(found) <= 1
    if stolen > told.maybe[asset]:
        (short,) = found
        assert (short.kind, short.asset, short.found) == (Kind.HOT_WALLET, asset, held[asset])
