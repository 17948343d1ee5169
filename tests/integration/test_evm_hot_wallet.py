"""The hot wallet on anvil: ETH and both tokens, once, whatever tokens, node and chain do."""

import dataclasses
import secrets
from collections.abc import AsyncIterator, Iterator

import pytest
from eth_account import Account

from emulators import ethereum
from emulators.component import Running
from emulators.json_rpc import call
from emulators.wallets import EvmWallet
from shared.adapters.evm.address import EvmAddresses
from shared.adapters.evm.chain import EvmChain, Token
from shared.adapters.evm.dynamic_fee import read_signed, read_unsigned
from shared.adapters.evm.hot_wallet import EvmHotWallet, EvmRules, FeePolicy
from shared.adapters.evm.node import EvmNode
from shared.adapters.evm.spending_node import EvmSpendingNode
from shared.adapters.resilience import Limits
from shared.adapters.signing.local_key import LocalKey
from shared.kernel.errors import Invalid, Transient
from shared.kernel.money import Asset
from shared.payments.chain import NodeUntrusted, ReceiveAddress
from shared.payments.spending import Intent, SignedTransaction, Standing, WalletShort, Whereabouts
from tests.waiting import until

ADDRESSES = EvmAddresses()
CHAIN = f"evm:{ethereum.CHAIN_ID}"
CONTRACTS = {Asset.USDC: ethereum.USDC.lower(), Asset.USDT: ethereum.USDT.lower()}
TOKENS = (Token(Asset.USDC, ethereum.USDC, 6), Token(Asset.USDT, ethereum.USDT, 6))
RULES = EvmRules(ethereum.CHAIN_ID, Asset.ETH, CONTRACTS)
LIMITS = Limits(timeout_s=5)
UNITS = 7_000_000


@pytest.fixture(scope="module")
def rpc_url(ethereum: Running) -> str:
    return ethereum.env["EVM_RPC_URL"]


@pytest.fixture(scope="module")
def customer(rpc_url: str) -> EvmWallet:
    return EvmWallet(rpc_url)


@pytest.fixture
def by_command(customer: EvmWallet) -> Iterator[EvmWallet]:
    """Transactions wait until this wallet mines."""
    customer.automine(False)
    yield customer
    customer.automine(True)
    customer.mine()


def opened(rpc_url: str, secret: bytes, rules: EvmRules = RULES) -> EvmHotWallet:
    seen = EvmChain(
        EvmNode(rpc_url, limits=LIMITS), chain_id=rules.chain_id, tokens=TOKENS, native=rules.native, finality="depth:3"
    )
    return EvmHotWallet(EvmSpendingNode(rpc_url, target="evm", limits=LIMITS), seen, LocalKey(secret), rules)


@pytest.fixture
def secret() -> bytes:
    return secrets.token_bytes(32)


@pytest.fixture
async def wallet(rpc_url: str, customer: EvmWallet, secret: bytes) -> AsyncIterator[EvmHotWallet]:
    """A hot wallet with 1 ETH and 100 of each token."""
    wallet = opened(rpc_url, secret)
    address = (await wallet.address()).address
    call(rpc_url, "anvil_setBalance", address, hex(10**18))
    customer.issuer("USDC", "mint", address, 10**8)
    customer.issuer("USDT", "issue", address, 10**8)
    yield wallet
    await wallet.close()


def receiver() -> ReceiveAddress:
    return ADDRESSES.parse("0x" + secrets.token_hex(20))


def intent(to: ReceiveAddress, asset: Asset = Asset.USDT, units: int = UNITS) -> Intent:
    return Intent("ref_1", CHAIN, asset, to, units)


async def sent(wallet: EvmHotWallet, wanted: Intent, taken: tuple[str, ...] = ()) -> SignedTransaction:
    signed = await wallet.sign(await wallet.draft(wanted, taken=taken))
    await wallet.broadcast(signed)
    return signed


async def mined(wallet: EvmHotWallet, signed: SignedTransaction) -> Standing:
    """Return where it is once its block is there: anvil answers a broadcast a moment earlier."""

    async def in_a_block() -> bool:
        return (await wallet.standing([signed]))[0].height is not None

    await until(in_a_block, "the transaction is mined")
    return (await wallet.standing([signed]))[0]


def balance(rpc_url: str, asset: Asset, address: str) -> int:
    if asset is Asset.ETH:
        return int(call(rpc_url, "eth_getBalance", address, "latest"), 16)
    data = "0x70a08231" + address[2:].lower().rjust(64, "0")
    return int(call(rpc_url, "eth_call", {"to": CONTRACTS[asset], "data": data}, "latest"), 16)


@pytest.mark.parametrize("asset", [Asset.ETH, Asset.USDC, Asset.USDT])
async def test_each_asset_is_paid_to_the_unit_and_costs_what_the_receipt_says(
    wallet: EvmHotWallet, customer: EvmWallet, rpc_url: str, asset: Asset
) -> None:
    to = receiver()
    before = await wallet.balances()
    signed = await sent(wallet, intent(to, asset))
    standing = await mined(wallet, signed)
    assert (standing.whereabouts, standing.confirmations, standing.moved) == (Whereabouts.MINED, 1, UNITS)
    assert not standing.final
    assert standing.fee is not None
    assert 0 < standing.fee <= signed.fee
    assert balance(rpc_url, asset, to.address) == UNITS
    after = await wallet.balances()
    spent = {each: before[each] - after[each] for each in before}
    wanted = dict.fromkeys(before, 0) | {asset: UNITS}
    assert spent == wanted | {Asset.ETH: wanted[Asset.ETH] + standing.fee}
    customer.mine(2)
    [later] = await wallet.standing([signed])
    assert (later.confirmations, later.final) == (3, True)


async def test_another_library_reads_the_same_sender_and_fields(wallet: EvmHotWallet) -> None:
    to = receiver()
    draft = await wallet.draft(intent(to, Asset.ETH, 12345), taken=())
    signed = await wallet.sign(draft)
    assert Account.recover_transaction("0x" + signed.raw) == (await wallet.address()).address
    transaction, _ = read_signed(bytes.fromhex(signed.raw))
    assert (transaction.to, transaction.value, transaction.call_data) == (to.key, 12345, b"")
    assert draft.slots == signed.slots == (f"{(await wallet.address()).key}:{transaction.nonce}",)
    assert transaction.gas == 21_000


async def test_nonces_that_are_taken_are_left_alone(wallet: EvmHotWallet, by_command: EvmWallet, rpc_url: str) -> None:
    slots: tuple[str, ...] = ()
    receivers = [receiver() for _ in range(3)]
    for to in receivers:
        slots += (await sent(wallet, intent(to), slots)).slots
    own = (await wallet.address()).key
    assert slots == (f"{own}:0", f"{own}:1", f"{own}:2")
    gap = await wallet.draft(intent(receiver()), taken=(f"{own}:0", f"{own}:2", f"{own}:3", f"{receivers[0].key}:1"))
    assert gap.slots == (f"{own}:1",)
    by_command.mine()
    assert [balance(rpc_url, Asset.USDT, to.address) for to in receivers] == [UNITS] * 3
    assert (await wallet.draft(intent(receiver()), taken=())).slots == (f"{own}:3",)


async def test_short_wallet_says_what_it_lacks(wallet: EvmHotWallet, rpc_url: str) -> None:
    address = (await wallet.address()).address
    for asset, units in (
        (Asset.USDT, 10**8 + 1),
        (Asset.USDC, 10**8 + 1),
        (Asset.ETH, 2 * 10**18),
        (Asset.ETH, 10**18),
    ):
        with pytest.raises(WalletShort):
            await wallet.draft(intent(receiver(), asset, units), taken=())
    call(rpc_url, "anvil_setBalance", address, hex(10**9))
    with pytest.raises(WalletShort, match="gas"):
        await wallet.draft(intent(receiver()), taken=())


async def test_coins_of_a_waiting_transaction_are_not_promised_twice(
    wallet: EvmHotWallet, by_command: EvmWallet
) -> None:
    first = await sent(wallet, intent(receiver(), Asset.USDC, 9 * 10**7))
    with pytest.raises(WalletShort):
        await wallet.draft(intent(receiver(), Asset.USDC, 9 * 10**7), taken=first.slots)


async def test_token_that_is_paused_blacklists_or_takes_a_fee_is_not_even_drafted(
    wallet: EvmHotWallet, customer: EvmWallet
) -> None:
    own = (await wallet.address()).address
    for method, wrong, right in (("setPaused", (True,), (False,)), ("setBlackListed", (own, True), (own, False))):
        customer.issuer("USDT", method, *wrong)
        try:
            with pytest.raises(Invalid, match="refuses"):
                await wallet.draft(intent(receiver()), taken=())
        finally:
            customer.issuer("USDT", method, *right)
    customer.issuer("USDT", "setParams", 10, 10)
    try:
        with pytest.raises(Invalid, match="fee"):
            await wallet.draft(intent(receiver()), taken=())
    finally:
        customer.issuer("USDT", "setParams", 0, 0)
    assert (await wallet.draft(intent(receiver()), taken=())).slots


async def test_token_that_stops_between_signing_and_mining_fails_and_moves_nothing(
    wallet: EvmHotWallet, customer: EvmWallet, rpc_url: str
) -> None:
    to = receiver()
    signed = await wallet.sign(await wallet.draft(intent(to), taken=()))
    customer.issuer("USDT", "setPaused", True)
    try:
        await wallet.broadcast(signed)
        standing = await mined(wallet, signed)
    finally:
        customer.issuer("USDT", "setPaused", False)
    assert standing.whereabouts is Whereabouts.FAILED
    assert standing.moved == 0
    assert standing.fee is not None
    assert standing.fee > 0
    assert balance(rpc_url, Asset.USDT, to.address) == 0
    assert (await wallet.draft(intent(to), taken=signed.slots)).slots == (f"{(await wallet.address()).key}:1",)


async def test_broadcast_twice_and_after_it_is_mined_is_no_error(
    wallet: EvmHotWallet, by_command: EvmWallet, rpc_url: str
) -> None:
    to = receiver()
    signed = await sent(wallet, intent(to))
    await wallet.broadcast(signed)
    assert (await wallet.standing([signed]))[0].whereabouts is Whereabouts.MEMPOOL
    by_command.mine()
    await wallet.broadcast(signed)
    assert balance(rpc_url, Asset.USDT, to.address) == UNITS


async def test_stuck_one_is_bumped_by_an_eighth_and_exactly_one_is_mined(
    wallet: EvmHotWallet, by_command: EvmWallet, rpc_url: str
) -> None:
    to = receiver()
    versions = [await sent(wallet, intent(to))]
    for _ in range(3):
        draft = await wallet.bump(intent(to), versions, taken=())
        old, new = read_signed(bytes.fromhex(versions[-1].raw))[0], read_unsigned(draft.body)
        assert new.nonce == old.nonce
        assert 8 * new.tip >= 9 * old.tip
        assert 8 * new.max_fee >= 9 * old.max_fee
        versions.append(await wallet.sign(draft))
        await wallet.broadcast(versions[-1])
    assert {each.slots for each in versions} == {(f"{(await wallet.address()).key}:0",)}
    by_command.mine()
    standings = await wallet.standing(versions)
    assert [each.whereabouts for each in standings] == [Whereabouts.UNKNOWN] * 3 + [Whereabouts.MINED]
    assert balance(rpc_url, Asset.USDT, to.address) == UNITS
    with pytest.raises(Transient):
        await wallet.broadcast(versions[0])
    with pytest.raises(Transient, match="mined"):
        await wallet.bump(intent(to), versions, taken=())


async def test_fee_limits_hold_for_first_offers_and_for_bumps(
    wallet: EvmHotWallet, by_command: EvmWallet, rpc_url: str, secret: bytes
) -> None:
    to = receiver()  # one for all: zeros in an address cost less gas
    draft = await wallet.draft(intent(to), taken=())
    tight = opened(rpc_url, secret, dataclasses.replace(RULES, fees=FeePolicy(limit=draft.fee)))
    first = await sent(tight, intent(to))
    with pytest.raises(Invalid, match="limit"):
        await tight.bump(intent(to), [first], taken=())
    broke = opened(rpc_url, secret, dataclasses.replace(RULES, fees=FeePolicy(limit=draft.fee // 10)))
    with pytest.raises(Transient, match="Gas"):
        await broke.draft(intent(to), taken=first.slots)
    for each in (tight, broke):
        await each.close()


async def test_reorganised_refund_is_nowhere_until_its_bytes_are_sent_again(
    wallet: EvmHotWallet, customer: EvmWallet, rpc_url: str
) -> None:
    to = receiver()
    signed = await sent(wallet, intent(to))
    first = await mined(wallet, signed)
    customer.reorg(1)
    assert (await wallet.standing([signed]))[0].whereabouts is Whereabouts.UNKNOWN
    assert balance(rpc_url, Asset.USDT, to.address) == 0
    await wallet.broadcast(signed)
    again = await mined(wallet, signed)
    assert again.whereabouts is Whereabouts.MINED
    assert again.block_hash != first.block_hash
    assert balance(rpc_url, Asset.USDT, to.address) == UNITS


async def test_contract_that_refuses_ether_is_refused(wallet: EvmHotWallet) -> None:
    for contract in (ethereum.USDC, ethereum.USDT):
        with pytest.raises(Invalid):
            await wallet.draft(intent(ADDRESSES.parse(contract), Asset.ETH, 1), taken=())


async def test_contract_without_a_payable_door_is_refused(wallet: EvmHotWallet, customer: EvmWallet) -> None:
    refusing = customer.send({"data": "0x6005600c60003960056000f360006000fd"})  # its code: revert
    address = call(customer.rpc_url, "eth_getTransactionReceipt", refusing)["contractAddress"]
    with pytest.raises(Invalid, match="refuses"):
        await wallet.draft(intent(ADDRESSES.parse(address), Asset.ETH, 1), taken=())


async def test_own_address_and_other_chains_are_refused(wallet: EvmHotWallet) -> None:
    own, to = await wallet.address(), receiver()
    for wrong in (
        intent(own),
        intent(ReceiveAddress(to.address, receiver().key)),
        intent(to, Asset.BTC),
        intent(to, units=0),
        dataclasses.replace(intent(to), chain="evm:1"),
    ):
        with pytest.raises(Invalid):
            await wallet.draft(wrong, taken=())


async def test_node_that_is_down_or_on_another_chain_moves_nothing(rpc_url: str) -> None:
    nobody = opened("http://127.0.0.1:9", secrets.token_bytes(32))
    with pytest.raises(Transient):
        await nobody.balances()
    other = opened(rpc_url, secrets.token_bytes(32), dataclasses.replace(RULES, chain_id=1))
    with pytest.raises(NodeUntrusted):
        await other.address()
    for each in (nobody, other):
        await each.close()
