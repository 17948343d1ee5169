"""The customer's Bitcoin wallet pays what it was told, or nothing."""

import pytest

from emulators.bitcoin import FAUCET
from emulators.component import Running
from emulators.json_rpc import RpcRefused, call
from emulators.wallets import BitcoinWallet, WalletFailed


@pytest.fixture(scope="module")
def wallet(bitcoin: Running) -> BitcoinWallet:
    return BitcoinWallet(bitcoin.env["BITCOIN_RPC_URL"])


@pytest.mark.parametrize("kind", ["bech32", "p2sh-segwit", "legacy"])
def test_payment_reaches_each_kind_of_address_and_its_change_can_be_spent_at_once(
    wallet: BitcoinWallet, kind: str
) -> None:
    faucet = f"{wallet.rpc_url}/wallet/{FAUCET}"
    address = call(faucet, "getnewaddress", "", kind)
    before = wallet.balance()
    for _ in range(3):
        wallet.pay(address, 10_000)
    wallet.mine()
    assert call(faucet, "getreceivedbyaddress", address) == 0.0003
    assert 0 < before - wallet.balance() - 30_000 < 10_000


def test_destination_that_the_library_cannot_express_is_refused(wallet: BitcoinWallet) -> None:
    taproot = call(f"{wallet.rpc_url}/wallet/{FAUCET}", "getnewaddress", "", "bech32m")
    before = wallet.balance()
    with pytest.raises(ValueError, match=r".+"):
        wallet.pay(taproot, 10_000)
    assert wallet.balance() == before


def test_wallet_without_coins_says_so(wallet: BitcoinWallet) -> None:
    empty = BitcoinWallet(wallet.rpc_url, wif="cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87JcbXMTcA")
    with pytest.raises(WalletFailed, match="fund"):
        empty.pay(wallet.address, 1000)


def test_wallet_of_a_kept_key_finds_its_coins_again(wallet: BitcoinWallet) -> None:
    again = BitcoinWallet(wallet.rpc_url, wif=wallet.wif)
    assert again.address == wallet.address
    assert again.balance() == wallet.balance() > 0


def test_refusal_of_the_node_is_told_with_its_code(wallet: BitcoinWallet) -> None:
    with pytest.raises(RpcRefused) as refused:
        call(wallet.rpc_url, "getblockhash", 10**8)
    assert refused.value.code == -8
