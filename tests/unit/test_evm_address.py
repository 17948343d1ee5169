"""EVM addresses against the vectors of EIP-55 and against bip-utils."""

import pytest
from bip_utils import Bip44, Bip44Changes, Bip44Coins

from shared.adapters.evm.address import EvmAddresses
from shared.kernel.errors import Invalid

SEED = bytes(range(64))
CHECKSUMMED = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
]


@pytest.mark.parametrize("index", [0, 1, 7, 2**31 - 1])
def test_receive_addresses_match_an_independent_library(index: int) -> None:
    account = Bip44.FromSeed(SEED, Bip44Coins.ETHEREUM).Purpose().Coin().Account(0)
    expected = account.Change(Bip44Changes.CHAIN_EXT).AddressIndex(index).PublicKey().ToAddress()
    receiver = EvmAddresses().receive(str(account.PublicKey().ToExtended()), index)
    assert receiver.address == expected
    assert receiver.key == expected.lower()


@pytest.mark.parametrize("address", CHECKSUMMED)
def test_address_is_written_with_its_checksum(address: str) -> None:
    for typed in (address, address.lower(), "0x" + address[2:].upper()):
        assert EvmAddresses().parse(typed).address == address
        assert EvmAddresses().parse(typed).key == address.lower()
    assert EvmAddresses().text(address.lower()) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        CHECKSUMMED[2][:-1],
        CHECKSUMMED[2] + "0",
        CHECKSUMMED[2] + "\n",
        CHECKSUMMED[2].replace("aA", "Aa"),
        CHECKSUMMED[2][2:],
        "0x" + "0" * 40,
        "0x" + "g" * 40,
        "vitalik.eth",
        "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        EvmAddresses().parse(text)


def test_bitcoin_account_key_is_refused() -> None:
    key = (
        "zpub6rFR7y4Q2AijBEqTUquhVz398htDFrtymD9xYYfG1m4wAcvPhXNfE3EfH1r1ADqtfSdVCToUG868RvUUkgDKf"
        "31mGDtKsAYz2oz2AGutZYs"
    )
    with pytest.raises(Invalid, match="xpub"):
        EvmAddresses().receive(key, 0)
