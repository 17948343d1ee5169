"""Balances of linked wallets, what people paid, and transactions broadcast for them, on real nodes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from emulators.component import Running
from emulators.ethereum import USDC
from emulators.json_rpc import call
from emulators.merchant_keys import signed
from emulators.wallets import BitcoinWallet, EvmWallet
from shared.adapters.bitcoin.wallet_network import BitcoinWalletNode
from shared.adapters.evm.chain import EvmChain, Token
from shared.adapters.evm.node import EvmNode
from shared.adapters.evm.wallet_network import EvmHoldings, EvmNetwork
from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.person_books import PostgresPersonBooks
from shared.adapters.postgres.wallets import PostgresPeople
from shared.kernel.errors import Invalid, NotFound, Transient
from shared.kernel.ids import UserId, WalletId
from shared.kernel.money import Asset, Money
from shared.settings import PostgresSettings
from shared.wallets.broadcast_transaction import broadcast_transaction
from shared.wallets.chain_model import (
    BroadcastTransaction,
    BroadcastView,
    ChainBalances,
    ListTransactions,
    ListTransfers,
    Transaction,
    TransferPage,
)
from shared.wallets.chain_ports import Chains, Holdings, Network, TransactionRefused
from shared.wallets.get_wallet_balances import get_wallet_balances
from shared.wallets.list_wallet_transactions import list_wallet_transactions
from shared.wallets.list_wallet_transfers import list_wallet_transfers
from tests.integration.paying import Paying
from tests.integration.test_linked_wallets import COIN_ADDRESS, COIN_KEY, Hall, who
from tests.integration.test_wallets import KEYS

GWEI = 10**9
WATCHED = Sql("insert into watched_addresses (chain, watch_key, payment_id) values (:chain, :watch_key, 'pay')")
CUSTOMER = Sql("select customer_id from payments where payment_id = :payment_id")
SLOT = Sql("insert into hot_wallet_slots (chain, slot, refund_id, payment_id) values (:chain, :slot, 'rfd', 'pay')")


class Wealth(Hall):
    """A hall with a view on the chains."""

    def __init__(self, url: str, *, evm: str, bitcoin: str, searches: bool = True) -> None:
        super().__init__(url)
        node = BitcoinWalletNode(bitcoin, name="bitcoin", network="regtest", searches=searches)
        tokens = [Token(Asset.USDC, USDC, 6)]
        chain = EvmChain(EvmNode(evm), chain_id=31337, tokens=tokens)
        dead = EvmChain(EvmNode("http://127.0.0.1:9", target="evm:5"), chain_id=5)
        holdings: dict[str, Holdings] = {
            "bitcoin": node,
            "evm:31337": EvmHoldings(chain, evm, tokens),
            "evm:5": EvmHoldings(dead, "http://127.0.0.1:9", []),
        }
        networks: dict[str, Network] = {"bitcoin": node, "evm:31337": EvmNetwork(evm, chain_id=31337, native=Asset.ETH)}
        people, books = PostgresPeople(self.db, region="test", keys=KEYS), PostgresPersonBooks(self.db)
        self.chains = Chains(people, holdings, networks, books)

    async def balances(self, user: UserId, wallet_id: WalletId) -> dict[str, ChainBalances]:
        view = (await get_wallet_balances(wallet_id, by=who(user), using=self.chains)).view
        return {each.chain: each for each in view.chains}

    async def broadcast(self, chain: str, signed_hex: str) -> BroadcastView:
        command = BroadcastTransaction(chain=chain, signed=signed_hex)
        return (await broadcast_transaction(command, using=self.chains)).view


@pytest.fixture
def wealth(database: str, ethereum: Running, bitcoin: Running) -> Wealth:
    return Wealth(database, evm=ethereum.env["EVM_RPC_URL"], bitcoin=bitcoin.env["BITCOIN_RPC_URL"])


def units_of(told: ChainBalances) -> dict[str, int]:
    return {str(each.asset): each.units for each in told.balances}


async def test_a_wallet_holds_all_its_coins_at_one_block_and_a_dead_chain_is_told(
    wealth: Wealth, ethers: EvmWallet
) -> None:
    me = await wealth.enter(Account.from_key(ethers.private_key))
    told = await wealth.balances(me, WalletId.like(me))
    assert set(told) == {"evm:31337", "evm:5"}
    here, there = told["evm:31337"], told["evm:5"]
    assert units_of(here) == {"ETH": ethers.balance("ETH"), "USDC": ethers.balance("USDC")}
    block = call(ethers.rpc_url, "eth_getBlockByNumber", hex(here.height or 0), False)
    assert block["hash"] == here.block_hash
    assert (there.balances, there.height) == ((), None)
    assert "does not answer" in (there.unavailable or "")


async def test_a_bitcoin_wallet_is_searched_where_the_node_may(wealth: Wealth, bitcoins: BitcoinWallet) -> None:
    me = await wealth.enter()
    text = await wealth.bitcoin_statement(me)
    linked = (await wealth.link(me, text, signed("bitcoin", COIN_KEY, text), "bitcoin")).wallets[-1]
    before = units_of((await wealth.balances(me, linked.wallet_id))["bitcoin"])["BTC"]
    bitcoins.pay(COIN_ADDRESS, 12_345)
    bitcoins.mine()
    told = (await wealth.balances(me, linked.wallet_id))["bitcoin"]
    assert units_of(told) == {"BTC": before + 12_345}
    assert told.height == call(bitcoins.rpc_url, "getblockcount")
    node = BitcoinWalletNode(bitcoins.rpc_url, name="bitcoin", network="regtest", searches=False)
    wealth.chains = Chains(wealth.chains.people, {"bitcoin": node}, {}, wealth.chains.books)
    unserved = (await wealth.balances(me, linked.wallet_id))["bitcoin"]
    assert (unserved.balances, unserved.unavailable is None) == ((), False)


async def test_what_came_and_left_is_told_block_range_by_block_range(wealth: Wealth, ethers: EvmWallet) -> None:
    payer = EvmWallet(ethers.rpc_url)
    me = await wealth.enter(Account.from_key(payer.private_key))

    async def listed(until: int | None = None, chain: str = "evm:31337") -> TransferPage:
        asked = ListTransfers(wallet_id=WalletId.like(me), chain=chain, until=until)
        return (await list_wallet_transfers(asked, by=who(me), using=wealth.chains)).view

    to = Account.create().address
    paid = payer.pay("USDC", to, 1_500_000)
    back = ethers.pay("USDC", payer.address, 7)
    own = payer.pay("USDC", payer.address, 3)
    page = await listed()
    told = [(each.txid, each.direction, each.amount.units) for each in page.transfers[:3]]
    assert told == [(own, "self", 3), (back, "in", 7), (paid, "out", 1_500_000)]
    assert [each.counterparty for each in page.transfers[1:3]] == [ethers.address.lower(), to.lower()]
    earlier = await listed(until=page.transfers[1].height - 1)
    assert earlier.transfers[0].txid == paid
    assert earlier.to_height == page.transfers[1].height - 1
    assert (await listed(until=0)).next is None
    with pytest.raises(Invalid):
        await listed(chain="bitcoin")
    with pytest.raises(Transient):
        await listed(chain="evm:5")
    text = await wealth.bitcoin_statement(me)
    linked = (await wealth.link(me, text, signed("bitcoin", COIN_KEY, text), "bitcoin")).wallets[-1]
    asked = ListTransfers(wallet_id=linked.wallet_id)
    unserved = (await list_wallet_transfers(asked, by=who(me), using=wealth.chains)).view
    assert (unserved.chain, unserved.transfers, unserved.unavailable is None) == ("bitcoin", (), False)
    with pytest.raises(NotFound):
        await list_wallet_transfers(asked, by=who(UserId.new()), using=wealth.chains)


async def test_nobody_sees_what_anothers_wallet_holds(wealth: Wealth) -> None:
    me, eve = await wealth.enter(), await wealth.enter(Account.create())
    for wallet_id in (WalletId.like(me), WalletId.new()):
        with pytest.raises(NotFound):
            await wealth.balances(eve, wallet_id)


def transfer(wallet: EvmWallet, **changes: Any) -> tuple[LocalAccount, dict[str, Any]]:
    """Return who signs, and an ordinary transaction of theirs."""
    account: LocalAccount = Account.from_key(wallet.private_key)
    nonce = int(call(wallet.rpc_url, "eth_getTransactionCount", wallet.address, "pending"), 16)
    fees = {"maxFeePerGas": 100 * GWEI, "maxPriorityFeePerGas": GWEI, "gas": 21_000}
    to = Account.create().address
    return account, {"chainId": 31337, "nonce": nonce, "to": to, "value": 7, "type": 2, **fees, **changes}


def signed_by(account: LocalAccount, transaction: dict[str, Any]) -> str:
    return "0x" + bytes(account.sign_transaction(transaction).raw_transaction).hex()


async def test_a_signed_transaction_reaches_the_chain_once_however_often_it_is_sent(
    wealth: Wealth, ethers: EvmWallet
) -> None:
    account, transaction = transfer(ethers)
    raw = signed_by(account, transaction)
    told = await asyncio.gather(*(wealth.broadcast("evm:31337", raw) for _ in range(8)))
    assert {each.txid for each in told} == {told[0].txid}
    assert told[0].fee == Money(asset=Asset.ETH, units=21_000 * 100 * GWEI)
    assert (await wealth.broadcast("evm:31337", raw)).known
    balance = int(call(ethers.rpc_url, "eth_getBalance", transaction["to"], "latest"), 16)
    assert balance == 7
    spent = dict(transaction, value=8)
    with pytest.raises(TransactionRefused, match="network"):
        await wealth.broadcast("evm:31337", signed_by(account, spent))


async def test_what_is_no_transaction_of_the_chain_or_makes_no_sense_is_not_sent(
    wealth: Wealth, ethers: EvmWallet
) -> None:
    account, good = transfer(ethers)
    raw = signed_by(account, good)
    for chain, text in (
        ("evm:1", raw),
        ("bitcoin", raw),
        ("evm:31337", raw[:-2]),
        ("evm:31337", raw + "00"),
        ("evm:31337", "0x" + "ab" * 200),
        ("evm:31337", signed_by(account, {**good, "chainId": 1})),
        ("evm:31337", "0x02c0" + "00" * 10),
    ):
        with pytest.raises(Invalid):
            await wealth.broadcast(chain, text)
    for changes in ({"maxFeePerGas": 2_000 * GWEI}, {"gas": 2_000_000}, {"maxPriorityFeePerGas": 101 * GWEI}):
        with pytest.raises(TransactionRefused, match="fee"):
            await wealth.broadcast("evm:31337", signed_by(account, {**good, **changes}))
    nonce = int(call(ethers.rpc_url, "eth_getTransactionCount", ethers.address, "latest"), 16)
    assert nonce == good["nonce"], "nothing of it was sent"


async def test_what_the_platform_keeps_is_not_spent_this_way(wealth: Wealth, ethers: EvmWallet) -> None:
    account, good = transfer(ethers)
    raw, key = signed_by(account, good), account.address.lower()
    await wealth.db.run(WATCHED, chain="evm:31337", watch_key=key)
    with pytest.raises(TransactionRefused, match="keeps"):
        await wealth.broadcast("evm:31337", raw)
    other = EvmWallet(ethers.rpc_url)
    account, good = transfer(other)
    await wealth.db.run(SLOT, chain="evm:31337", slot=f"{account.address.lower()}:77")
    with pytest.raises(TransactionRefused, match="keeps"):
        await wealth.broadcast("evm:31337", signed_by(account, good))


async def test_a_bitcoin_transaction_is_judged_by_the_node_and_sent_once(
    wealth: Wealth, bitcoins: BitcoinWallet
) -> None:
    raw = bitcoins._signed([(COIN_ADDRESS, 10_000)], bitcoins._coins()[:1], 5)
    first = await wealth.broadcast("bitcoin", raw)
    again = await wealth.broadcast("bitcoin", raw)
    assert (first.known, again.known, again.txid) == (False, True, first.txid)
    assert first.fee.units > 0
    assert first.txid in call(bitcoins.rpc_url, "getrawmempool")
    dear = bitcoins._signed([(COIN_ADDRESS, 10_000)], bitcoins._coins()[1:2], 4_000)
    with pytest.raises(TransactionRefused):
        await wealth.broadcast("bitcoin", dear)
    with pytest.raises(Invalid):
        await wealth.broadcast("bitcoin", raw[:-2])
    coin = bitcoins._coins()[2]
    kept = bitcoins._signed([(COIN_ADDRESS, 10_000)], [coin], 5)
    await wealth.db.run(SLOT, chain="bitcoin", slot=f"{coin.txid}:{coin.txindex}")
    with pytest.raises(TransactionRefused, match="keeps"):
        await wealth.broadcast("bitcoin", kept)
    bitcoins.mine()


async def test_one_sees_what_one_paid_and_nobody_else_does(paying: Paying, wallet: EvmWallet) -> None:
    view = await paying.requested(Asset.USDC)
    wallet.pay("USDC", view.address, view.due.units)
    wallet.mine(20)
    await paying.settle("evm:31337")
    books = PostgresPersonBooks(Database(PostgresSettings(paying.url)))

    async def listed(user: UserId) -> list[Transaction]:
        page = (await list_wallet_transactions(ListTransactions(), by=who(user), using=books)).view
        return list(page.transactions)

    ((customer,),) = await paying.db.run(CUSTOMER, payment_id=view.payment_id)
    (paid,) = await listed(UserId(customer))
    assert (paid.kind, paid.amount, paid.address) == ("payment", view.due, view.address)
    assert paid.payment_id == view.payment_id
    assert paid.height
    assert await listed(UserId.new()) == []
