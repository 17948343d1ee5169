"""How the hot wallet on Bitcoin chooses coins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.bitcoin.coins import Coin, choose, fee_at, outpoint_of, slot_of, vsize
from shared.payments.chain import Outpoint
from shared.payments.spending import WalletShort

coins_of_a_wallet = st.lists(st.integers(300, 10**7), max_size=40).map(
    lambda amounts: [Coin(Outpoint(f"{at:064x}", at), satoshi, 6) for at, satoshi in enumerate(amounts)]
)


@given(coins_of_a_wallet, st.integers(294, 10**8), st.sampled_from([22, 23, 25, 34]), st.integers(1000, 200_000))
def test_choice_adds_up_and_is_refused_only_where_the_coins_do_not_suffice(
    coins: list[Coin], units: int, script_bytes: int, rate: int
) -> None:
    try:
        choice = choose(coins, units, script_bytes, rate=rate, least_change=1000)
    except WalletShort:
        worth = [
            coin.satoshi for coin in coins if coin.satoshi > fee_at(rate, vsize(1, ())) - fee_at(rate, vsize(0, ()))
        ]
        assert sum(worth) < units + fee_at(rate, vsize(len(coins), (script_bytes, 22)))
        return
    assert len({coin.outpoint for coin in choice.coins}) == len(choice.coins)
    assert set(choice.coins) <= set(coins)
    assert sum(coin.satoshi for coin in choice.coins) == units + choice.change + choice.fee
    assert choice.change == 0 or choice.change >= 1000
    scripts = (script_bytes, 22) if choice.change else (script_bytes,)
    size = vsize(len(choice.coins), scripts)
    assert fee_at(rate, size) <= choice.fee
    if not choice.change:
        assert choice.fee < fee_at(rate, vsize(len(choice.coins), (script_bytes, 22))) + 1000


def test_one_small_coin_is_preferred_to_a_large_one_and_to_many() -> None:
    coins = [Coin(Outpoint(f"{at:064x}", 0), satoshi, 6) for at, satoshi in enumerate((10**7, 50_000, 20_000, 30_000))]
    choice = choose(coins, 45_000, 22, rate=1000, least_change=1000)
    assert [coin.satoshi for coin in choice.coins] == [50_000]


def test_slots_name_coins_and_nothing_else() -> None:
    outpoint = Outpoint("ab" * 32, 7)
    assert outpoint_of(slot_of(outpoint)) == outpoint
    for wrong in ("nonce:5", "abc:1", "ab" * 32):
        with pytest.raises(ValueError, match=r"names no coin|invalid literal"):
            outpoint_of(wrong)
