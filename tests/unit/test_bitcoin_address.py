"""Bitcoin addresses against the published vectors of BIP-84, BIP-173 and BIP-350, and against bip-utils."""

import pytest
from bip_utils import Bip44Changes, Bip84, Bip84Coins

from shared.adapters.bitcoin.address import BitcoinAddresses
from shared.kernel.errors import Invalid

# BIP-84, "Test vectors": the account key of "abandon … about".
ACCOUNT = (
    "zpub6rFR7y4Q2AijBEqTUquhVz398htDFrtymD9xYYfG1m4wAcvPhXNfE3EfH1r1ADqtfSdVCToUG868RvUUkgDKf31mGDtKsAYz2oz2AGutZYs"
)
FIRST = "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu"
SECOND = "bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g"

SEED = bytes(range(64))


def regtest_account() -> str:
    account = Bip84.FromSeed(SEED, Bip84Coins.BITCOIN_REGTEST).Purpose().Coin().Account(0)
    return str(account.PublicKey().ToExtended())


def test_receive_addresses_match_the_vectors_of_bip84() -> None:
    addresses = BitcoinAddresses("main")
    assert addresses.receive(ACCOUNT, 0).address == FIRST
    assert addresses.receive(ACCOUNT, 1).address == SECOND
    assert addresses.receive(ACCOUNT, 0).key == "0014c0cebcd6c3d3ca8c75dc5ec62ebe55330ef910e2"


@pytest.mark.parametrize("index", [0, 1, 1000, 2**31 - 1])
def test_receive_addresses_match_an_independent_library(index: int) -> None:
    account = Bip84.FromSeed(SEED, Bip84Coins.BITCOIN_REGTEST).Purpose().Coin().Account(0)
    expected = account.Change(Bip44Changes.CHAIN_EXT).AddressIndex(index).PublicKey().ToAddress()
    assert BitcoinAddresses("regtest").receive(regtest_account(), index).address == expected


@pytest.mark.parametrize("index", [-1, 2**31])
def test_index_outside_the_public_range_is_refused(index: int) -> None:
    with pytest.raises(Invalid, match="index"):
        BitcoinAddresses("regtest").receive(regtest_account(), index)


def test_private_and_foreign_account_keys_are_refused() -> None:
    account = Bip84.FromSeed(SEED, Bip84Coins.BITCOIN_REGTEST).Purpose().Coin().Account(0)
    regtest = BitcoinAddresses("regtest")
    with pytest.raises(Invalid, match="private key"):
        regtest.receive(str(account.PrivateKey().ToExtended()), 0)
    with pytest.raises(Invalid, match="network"):
        regtest.receive(ACCOUNT, 0)
    with pytest.raises(Invalid, match="depth 4"):
        regtest.receive(str(account.Change(Bip44Changes.CHAIN_EXT).PublicKey().ToExtended()), 0)
    with pytest.raises(Invalid, match="mistyped"):
        regtest.receive(regtest_account()[:-1] + "1", 0)
    for text in ("", "x", "0" * 111, "1" * 10_000, "zpub"):
        with pytest.raises(Invalid):
            regtest.receive(text, 0)


# BIP-173 and BIP-350, valid addresses with their scripts, and the base58 forms.
@pytest.mark.parametrize(
    ("network", "address", "script"),
    [
        ("main", FIRST, "0014c0cebcd6c3d3ca8c75dc5ec62ebe55330ef910e2"),
        ("main", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "76a91477bff20c60e522dfaa3350c39b030a5d004e839a88ac"),
        ("main", "3P14159f73E4gFr7JterCCQh9QjiTjiZrG", "a914e9c3dd0c07aac76179ebc76a6c78d4d67c6c160a87"),
        (
            "main",
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
            "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
        ),
        (
            "test",
            "tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy",
            "0020000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433",
        ),
    ],
)
def test_address_and_script_are_two_ways_of_writing_one_receiver(network: str, address: str, script: str) -> None:
    addresses = BitcoinAddresses(network)
    assert addresses.parse(address).key == script
    assert addresses.text(script) == address


def test_segwit_address_in_capitals_is_the_same_receiver() -> None:
    assert BitcoinAddresses("main").parse(FIRST.upper()).address == FIRST


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "bc1",
        "bc1gmk9yu",  # no data
        FIRST[:-1] + "v",
        FIRST.replace("bc1", "tb1"),
        FIRST.replace("bc1qcr8", "bc1qCR8"),  # mixed case
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd",  # v1 with a bech32 checksum
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh",  # v0 with a bech32m checksum
        "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y",  # v1, 40 bytes
        "bc1sw50qgdz25j",  # v16
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3",
        "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn",  # of the test network
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "bc1" + "q" * 5000,
        "１BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        BitcoinAddresses("main").parse(text)


def test_script_without_an_address_is_refused() -> None:
    with pytest.raises(Invalid, match="script"):
        BitcoinAddresses("main").text("6a0401020304")
