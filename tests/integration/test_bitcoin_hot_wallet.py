"""The hot wallet on regtest: it pays what was intended, once, whatever node, chain and mempool do."""

import dataclasses
import secrets
from collections.abc import AsyncIterator

import pytest
from bip_utils import Bip84, Bip84Coins

from emulators.bitcoin import FAUCET
from emulators.component import Running
from emulators.json_rpc import call
from emulators.wallets import BitcoinWallet
from shared.adapters.bitcoin.address import BitcoinAddresses
from shared.adapters.bitcoin.hot_wallet import BitcoinHotWallet, BitcoinRules, FeePolicy
from shared.adapters.bitcoin.spending_node import SpendingNode
from shared.adapters.resilience import Limits
from shared.adapters.signing.local_key import LocalKey
from shared.kernel.errors import Invalid, Transient
from shared.kernel.money import Asset
from shared.payments.chain import NodeUntrusted, ReceiveAddress
from shared.payments.spending import Intent, SignedTransaction, WalletShort, Whereabouts

ADDRESSES = BitcoinAddresses("regtest")
# What a node estimates depends on what other tests have mined: here a satoshi per byte is all that is ever paid.
RULES = BitcoinRules("regtest", final_depth=2, fees=FeePolicy(ceiling=1_000))


@pytest.fixture(scope="module")
def rpc_url(bitcoin: Running) -> str:
    return bitcoin.env["BITCOIN_RPC_URL"]


@pytest.fixture(scope="module")
def miner(rpc_url: str) -> BitcoinWallet:
    return BitcoinWallet(rpc_url)


def opened(rpc_url: str, secret: bytes, rules: BitcoinRules = RULES) -> BitcoinHotWallet:
    node = SpendingNode(rpc_url, target="bitcoin", limits=Limits(timeout_s=5))
    return BitcoinHotWallet(node, LocalKey(secret), rules)


@pytest.fixture
async def wallet(rpc_url: str, miner: BitcoinWallet) -> AsyncIterator[BitcoinHotWallet]:
    """A hot wallet with three coins of 1,000,000 satoshi, deep enough to be spent."""
    wallet = opened(rpc_url, secrets.token_bytes(32))
    await fund(wallet, miner, 3)
    yield wallet
    await wallet.close()


async def fund(wallet: BitcoinHotWallet, miner: BitcoinWallet, coins: int, satoshi: int = 1_000_000) -> None:
    address = (await wallet.address()).address
    miner.pay_many([(address, satoshi + number) for number in range(coins)])
    miner.mine(2)


def receiver(rpc_url: str, kind: str = "bech32") -> ReceiveAddress:
    return ADDRESSES.parse(call(f"{rpc_url}/wallet/{FAUCET}", "getnewaddress", "", kind))


def intent(to: ReceiveAddress, satoshi: int, reference: str = "ref_1") -> Intent:
    return Intent(reference, "bitcoin", Asset.BTC, to, satoshi)


async def sent(
    wallet: BitcoinHotWallet, to: ReceiveAddress, satoshi: int, taken: tuple[str, ...] = ()
) -> SignedTransaction:
    signed = await wallet.sign(await wallet.draft(intent(to, satoshi), taken=taken))
    await wallet.broadcast(signed)
    return signed


def received(rpc_url: str, to: ReceiveAddress, confirmations: int = 0) -> int:
    return satoshi(call(f"{rpc_url}/wallet/{FAUCET}", "getreceivedbyaddress", to.address, confirmations))


@pytest.mark.parametrize("kind", ["legacy", "p2sh-segwit", "bech32", "bech32m"])
async def test_each_kind_of_address_is_paid_to_the_satoshi(
    wallet: BitcoinHotWallet, miner: BitcoinWallet, rpc_url: str, kind: str
) -> None:
    to = receiver(rpc_url, kind)
    before = (await wallet.balances())[Asset.BTC]
    signed = await sent(wallet, to, 54_321)
    assert (await wallet.standing([signed]))[0].whereabouts is Whereabouts.MEMPOOL
    miner.mine()
    [standing] = await wallet.standing([signed])
    assert (standing.whereabouts, standing.confirmations, standing.final) == (Whereabouts.MINED, 1, False)
    assert (standing.fee, standing.moved) == (signed.fee, 54_321)
    assert call(rpc_url, "getblockhash", standing.height) == standing.block_hash
    assert received(rpc_url, to, 1) == 54_321
    assert before - (await wallet.balances())[Asset.BTC] == 54_321 + signed.fee
    miner.mine()
    assert (await wallet.standing([signed]))[0].final


async def test_witness_script_is_paid(wallet: BitcoinHotWallet, miner: BitcoinWallet, rpc_url: str) -> None:
    to = ADDRESSES.parse(call(rpc_url, "decodescript", "51")["segwit"]["address"])
    assert to.key.startswith("0020")
    signed = await sent(wallet, to, 20_000)
    miner.mine()
    [output] = [each for each in call(rpc_url, "getrawtransaction", signed.txid, True)["vout"]
                if each["scriptPubKey"]["hex"] == to.key]  # fmt: skip
    assert satoshi(output["value"]) == 20_000


async def test_what_the_node_decodes_is_the_intent_replaceable_and_at_a_fair_fee(
    wallet: BitcoinHotWallet, rpc_url: str
) -> None:
    to = receiver(rpc_url, "bech32m")
    signed = await sent(wallet, to, 1_500_000)  # two coins
    decoded = call(rpc_url, "decoderawtransaction", signed.raw)
    assert decoded["txid"] == signed.txid
    assert len(decoded["vin"]) == 2 == len(signed.slots)
    assert {f"{each['txid']}:{each['vout']}" for each in decoded["vin"]} == set(signed.slots)
    assert all(each["sequence"] == 0xFFFFFFFD for each in decoded["vin"])
    home = (await wallet.address()).key
    assert {(each["scriptPubKey"]["hex"], satoshi(each["value"])) for each in decoded["vout"]} == {
        (to.key, 1_500_000),
        (home, 2_000_000 + sum_of_extras(decoded, rpc_url) - 1_500_000 - signed.fee),
    }
    entry = call(rpc_url, "getmempoolentry", signed.txid)
    assert satoshi(entry["fees"]["base"]) == signed.fee
    assert decoded["vsize"] <= signed.fee <= 2 * decoded["vsize"]


def sum_of_extras(decoded: dict[str, list[dict[str, str]]], rpc_url: str) -> int:
    spent = [(each["txid"], each["vout"]) for each in decoded["vin"]]
    values = [call(rpc_url, "getrawtransaction", txid, True)["vout"][output]["value"] for txid, output in spent]
    return sum(satoshi(value) for value in values) - 2_000_000


def satoshi(btc: float) -> int:
    return round(btc * 10**8)


async def test_two_refunds_share_no_coin_and_a_third_waits_for_change(
    wallet: BitcoinHotWallet, miner: BitcoinWallet, rpc_url: str
) -> None:
    taken: tuple[str, ...] = ()
    for _ in range(3):
        draft = await wallet.draft(intent(receiver(rpc_url), 10_000), taken=taken)
        assert not set(draft.slots) & set(taken)
        taken += draft.slots
    with pytest.raises(WalletShort):
        await wallet.draft(intent(receiver(rpc_url), 10_000), taken=taken)
    await sent(wallet, receiver(rpc_url), 10_000)
    miner.mine()
    with pytest.raises(WalletShort, match=r"has 0 satoshi .* 98\d{4} more are not final yet"):  # the change
        await wallet.draft(intent(receiver(rpc_url), 10_000), taken=taken)
    miner.mine()
    again = await wallet.draft(intent(receiver(rpc_url), 10_000), taken=taken)
    assert not set(again.slots) & set(taken)


async def test_short_wallet_says_what_it_has(wallet: BitcoinHotWallet, rpc_url: str) -> None:
    with pytest.raises(WalletShort, match="3000003 satoshi"):
        await wallet.draft(intent(receiver(rpc_url), 3_000_003), taken=())


async def test_no_dust_is_left_and_no_dust_is_paid(
    wallet: BitcoinHotWallet, miner: BitcoinWallet, rpc_url: str
) -> None:
    signed = await sent(wallet, receiver(rpc_url), 999_500)
    assert len(call(rpc_url, "decoderawtransaction", signed.raw)["vout"]) == 1
    assert signed.fee <= 502
    await fund(wallet, miner, 2)
    for kind, least in (("legacy", 546), ("p2sh-segwit", 540), ("bech32", 294), ("bech32m", 330)):
        to = receiver(rpc_url, kind)
        with pytest.raises(Invalid, match=f"dust.*{least}"):
            await wallet.draft(intent(to, least - 1), taken=())
        await sent(wallet, to, least, taken=signed.slots)


async def test_broadcast_twice_and_after_it_is_mined_is_no_error(
    wallet: BitcoinHotWallet, miner: BitcoinWallet, rpc_url: str
) -> None:
    to = receiver(rpc_url)
    signed = await sent(wallet, to, 7_000)
    await wallet.broadcast(signed)
    miner.mine()
    await wallet.broadcast(signed)
    assert received(rpc_url, to) == 7_000


async def test_stuck_one_is_bumped_and_exactly_one_of_them_is_mined(
    wallet: BitcoinHotWallet, miner: BitcoinWallet, rpc_url: str
) -> None:
    to = receiver(rpc_url)
    wanted = intent(to, 33_000)
    versions = [await sent(wallet, to, 33_000)]
    others = versions[0].slots
    for _ in range(3):
        draft = await wallet.bump(wanted, versions, taken=others)
        signed = await wallet.sign(draft)
        assert set(versions[-1].slots) <= set(signed.slots)
        assert signed.fee > versions[-1].fee
        await wallet.broadcast(signed)
        versions.append(signed)
    standings = await wallet.standing(versions)
    assert [each.whereabouts for each in standings] == [Whereabouts.UNKNOWN] * 3 + [Whereabouts.MEMPOOL]
    with pytest.raises(Transient):
        await wallet.broadcast(versions[0])
    miner.mine(2)
    standings = await wallet.standing(versions)
    assert [each.whereabouts for each in standings] == [Whereabouts.UNKNOWN] * 3 + [Whereabouts.MINED]
    assert received(rpc_url, to, 1) == 33_000


async def test_bump_that_change_cannot_pay_takes_a_coin_that_is_nobodys(
    wallet: BitcoinHotWallet, miner: BitcoinWallet, rpc_url: str
) -> None:
    to = receiver(rpc_url)
    lone = await wallet.draft(intent(to, 990_000), taken=())
    whole = 1_000_000 - lone.fee  # of the smallest coin, so that there is no change
    first = await sent(wallet, to, whole)
    free = await wallet.draft(intent(to, 1000), taken=first.slots)
    draft = await wallet.bump(intent(to, whole), [first], taken=[*first.slots, *free.slots])
    assert set(first.slots) < set(draft.slots)
    assert not set(free.slots) & set(draft.slots)
    await wallet.broadcast(await wallet.sign(draft))
    miner.mine()
    assert received(rpc_url, to, 1) == whole


async def test_bump_beyond_the_limit_is_refused(rpc_url: str, miner: BitcoinWallet) -> None:
    secret = secrets.token_bytes(32)
    rich = opened(rpc_url, secret)
    await fund(rich, miner, 1)
    to = receiver(rpc_url)
    enough = (await rich.draft(intent(to, 5_000), taken=())).fee
    poor = opened(rpc_url, secret, dataclasses.replace(RULES, fees=FeePolicy(limit=enough, ceiling=1_000)))
    first = await sent(poor, to, 5_000)
    with pytest.raises(Invalid, match="limit"):
        await poor.bump(intent(to, 5_000), [first], taken=())
    for each in (rich, poor):
        await each.close()


async def test_reorganised_refund_goes_back_to_the_mempool_and_its_bytes_are_good_again(
    wallet: BitcoinHotWallet, miner: BitcoinWallet, rpc_url: str
) -> None:
    to = receiver(rpc_url)
    signed = await sent(wallet, to, 8_000)
    miner.mine()
    [mined] = await wallet.standing([signed])
    miner.reorg(1, keep=False)
    assert (await wallet.standing([signed]))[0].whereabouts is Whereabouts.MEMPOOL
    await wallet.broadcast(signed)
    miner.mine()
    [again] = await wallet.standing([signed])
    assert again.whereabouts is Whereabouts.MINED
    assert again.block_hash != mined.block_hash
    assert received(rpc_url, to, 1) == 8_000


async def test_new_process_and_a_node_that_forgot_the_wallet_find_the_coins_again(
    rpc_url: str, miner: BitcoinWallet
) -> None:
    secret = secrets.token_bytes(32)
    first = opened(rpc_url, secret)
    await fund(first, miner, 2)
    before = await first.balances()
    call(rpc_url, "unloadwallet", f"hot-{(await first.address()).address}", False)
    assert await first.balances() == before
    call(rpc_url, "unloadwallet", f"hot-{(await first.address()).address}", False)
    second = opened(rpc_url, secret)
    assert await second.balances() == before
    for each in (first, second):
        await each.close()


async def test_node_that_is_down_or_of_another_network_moves_nothing(rpc_url: str, wallet: BitcoinHotWallet) -> None:
    nobody = opened("http://127.0.0.1:9", secrets.token_bytes(32))
    for attempt in (nobody.address, nobody.balances):
        with pytest.raises(Transient):
            await attempt()
    await nobody.close()
    other = opened(rpc_url, secrets.token_bytes(32), BitcoinRules("main", final_depth=6))
    with pytest.raises(NodeUntrusted):
        await other.address()
    await other.close()


async def test_own_address_and_other_chains_are_refused(wallet: BitcoinHotWallet, rpc_url: str) -> None:
    own = await wallet.address()
    to = receiver(rpc_url)
    stranger = ReceiveAddress(to.address, own.key)
    for wrong in (
        intent(own, 5_000),
        intent(stranger, 5_000),
        dataclasses.replace(intent(to, 5_000), chain="evm:1"),
        dataclasses.replace(intent(to, 5_000), asset=Asset.ETH),
    ):
        with pytest.raises(Invalid):
            await wallet.draft(wrong, taken=())


async def test_key_of_an_hd_tool_has_the_address_that_tool_says(rpc_url: str) -> None:
    child = Bip84.FromSeed(bytes(64), Bip84Coins.BITCOIN_REGTEST).DeriveDefaultPath()
    wallet = opened(rpc_url, child.PrivateKey().Raw().ToBytes())
    assert (await wallet.address()).address == child.PublicKey().ToAddress()
    await wallet.close()
