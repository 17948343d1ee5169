"""The launcher fills the hot wallets of the local chains: enough to refund from, and only what is missing."""

import json
import secrets
from collections.abc import Mapping

import pytest

from emulators import hot_wallets
from emulators.component import Running
from emulators.json_rpc import call
from emulators.stack import Stack
from shared.adapters.bitcoin.address import BitcoinAddresses
from shared.kernel.money import Asset
from shared.payments.spending import Intent, UnsafeTransaction
from shared.settings import ChainsSettings, Misconfigured, SigningSettings
from shared.wiring.signing import wallets_of


@pytest.fixture
def env(stack: Stack, bitcoin: Running, ethereum: Running) -> Mapping[str, str]:
    """Fresh keys on the chains that run."""
    keys = {family: {"kind": "local", "key": secrets.token_hex(32)} for family in ("bitcoin", "evm")}
    return {"CHAINS": stack.env["CHAINS"], "SIGNING": json.dumps(keys)}


async def test_each_asset_is_there_at_once_and_a_second_start_adds_nothing(env: Mapping[str, str]) -> None:
    said = await hot_wallets.filled(env)
    wallets = wallets_of(ChainsSettings.from_env(env), SigningSettings.from_env(env))
    held = {asset: units for wallet in wallets for asset, units in (await wallet.balances()).items()}
    assert held[Asset.BTC] == hot_wallets.COINS * hot_wallets.COIN_SATOSHI
    assert held[Asset.ETH] == hot_wallets.WEI
    assert held[Asset.USDC] == held[Asset.USDT] == hot_wallets.TOKEN_UNITS
    assert await hot_wallets.filled(env) == said
    for wallet in wallets:
        assert (await wallet.address()).address in said
        await wallet.close()


async def test_those_who_watch_are_told_the_address_and_a_key_of_another_address_is_refused(
    env: Mapping[str, str],
) -> None:
    chains = hot_wallets.told(env["CHAINS"], env["SIGNING"])
    wallets = wallets_of(ChainsSettings.from_env({"CHAINS": chains}), SigningSettings.from_env(env))
    told = {name: chain["hot_wallet"] for name, chain in json.loads(chains).items()}
    assert told == {wallet.chain: (await wallet.address()).address for wallet in wallets}
    other = {family: {"kind": "local", "key": "1" * 64} for family in ("bitcoin", "evm")}
    mistaken = wallets_of(
        ChainsSettings.from_env({"CHAINS": chains}), SigningSettings.from_env({"SIGNING": json.dumps(other)})
    )
    for wallet in mistaken:
        with pytest.raises(UnsafeTransaction, match="address"):
            await wallet.address()
    for wallet in (*wallets, *mistaken):
        await wallet.close()


async def test_coins_can_be_spent_without_another_block(env: Mapping[str, str], bitcoin: Running) -> None:
    await hot_wallets.filled(env)
    for wallet in wallets_of(ChainsSettings.from_env(env), SigningSettings.from_env(env)):
        if wallet.chain == "bitcoin":
            to = BitcoinAddresses("regtest").parse(
                call(f"{bitcoin.env['BITCOIN_RPC_URL']}/wallet/faucet", "getnewaddress")
            )
            intent = Intent("ref_1", "bitcoin", Asset.BTC, to, 10_000)
            taken: set[str] = set()
            for _ in range(hot_wallets.COINS):
                taken |= set((await wallet.draft(intent, taken=taken)).slots)
            assert len(taken) == hot_wallets.COINS
        await wallet.close()


def test_chains_of_a_family_without_a_key_have_no_wallet(env: Mapping[str, str]) -> None:
    only_evm = {"evm": {"kind": "local", "key": "1" * 64}}
    wallets = wallets_of(ChainsSettings.from_env(env), SigningSettings.from_env({"SIGNING": json.dumps(only_evm)}))
    assert [wallet.chain for wallet in wallets] == ["evm:31337"]


@pytest.mark.parametrize(
    "signing",
    [
        {"bitcoin": {"kind": "local", "key": "1" * 63}},
        {"bitcoin": {"kind": "local", "key": "0" * 64}},
        {"bitcoin": {"kind": "local", "key": "f" * 64}},
        {"bitcoin": {"kind": "local", "key": "g" * 64}},
        {"bitcoin": {"kind": "local"}},
        {"bitcoin": {"kind": "kms", "key_version": "my-key"}},
        {"bitcoin": {"kind": "kms", "key_version": "projects/p", "key": "1" * 64}},
        {"bitcoin": "1" * 64},
        {"solana": {"kind": "local", "key": "1" * 64}},
        [],
    ],
)
def test_keys_that_make_no_sense_are_refused_without_being_shown(signing: object) -> None:
    with pytest.raises(Misconfigured, match="SIGNING") as refused:
        SigningSettings.from_env({"SIGNING": json.dumps(signing)})
    assert "1" * 40 not in str(refused.value)
    assert "1" * 40 not in repr(
        SigningSettings.from_env({"SIGNING": '{"evm":{"kind":"local","key":"' + "1" * 64 + '"}}'})
    )


def test_a_local_key_is_refused_on_the_main_network_and_so_are_unknown_limits(env: Mapping[str, str]) -> None:
    keys = SigningSettings.from_env(env)
    main = {"kind": "bitcoin", "network": "main", "rpc": "http://127.0.0.1:9"}
    base = {"kind": "evm", "chain_id": 8453, "native": "ETH", "rpc": "http://127.0.0.1:9"}
    for wrong, said in (
        (main, "local key"),
        (base, "local key"),
        ({**main, "network": "regtest", "spending": {"limmit": 1}}, "spending.limmit"),
        ({**main, "network": "regtest", "spending": {"limit": "1"}}, "spending.limit"),
        ({**main, "network": "regtest", "spending": {"limit": -1}}, "spending.limit"),
    ):
        with pytest.raises(Misconfigured, match=said):
            wallets_of(
                ChainsSettings.from_env({"CHAINS": json.dumps({"evm:8453" if wrong is base else "bitcoin": wrong})}),
                keys,
            )
