"""Watchers on real nodes and a real Postgres: down for hours, refused ranges, paused past a lease, killed anywhere.

Correctness 5 (a lease check does not fence), 11 (nothing is missed), 12 and 13.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from emulators.component import Running
from emulators.ethereum import Ethereum
from emulators.json_rpc import call
from emulators.wallets import BitcoinWallet, EvmWallet
from shared.adapters.chain_gauges import PrometheusGauges
from shared.adapters.postgres.database import Sql
from shared.kernel.decision import By
from shared.kernel.errors import Fenced
from shared.kernel.money import Asset
from shared.payments.chain import ScannedRange
from shared.payments.two_nodes import TwoBalanceNodes
from shared.payments.watch import Watcher
from shared.wiring.chains import evm_chain
from tests.integration.paying import Paying, both
from tests.integration.test_payments_watchers import DyingDatabase, Killed, everything
from tests.lying_node import LyingNode
from tests.scripted_chain import ScriptedChain
from tests.waiting import until

EVM = "evm:31337"
WATCH = By("watch")
HOURS_AGO = Sql(
    "update chain_cursors set caught_up_at = caught_up_at - interval '5 hours',"
    " mempool_at = mempool_at - interval '5 hours'"
)
SCANNED = Sql(
    "select (body::jsonb ->> 'height')::bigint from (select convert_from(body, 'UTF8') as body, version from events"
    " where stream = :id) e order by version"
)
OUTFLOWS = Sql("select asset, units, height from address_outflows order by height, asset")
EXPIRES = Sql("update payments set expires_at = :at::timestamptz where payment_id = :id")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Running]:
    running = Ethereum(name="lonely").start(tmp_path)
    yield running
    running.stop()


@pytest.fixture
async def paying(database: str, node: Running) -> AsyncIterator[Paying]:
    EvmWallet(node.env["EVM_RPC_URL"]).mine(5)
    paying = await Paying(database, both(None, dict(node.env))).opened()
    await paying.scan(EVM)
    yield paying
    assert await paying.replayed() == []
    await paying.closed()


async def test_three_hundred_bitcoin_blocks_of_downtime_are_read_whole(database: str, bitcoin: Running) -> None:
    """Correctness 11: no block is skipped, and no payment in any of them."""
    wallet = BitcoinWallet(bitcoin.env["BITCOIN_RPC_URL"], coins=4)
    paying = await Paying(database, both(dict(bitcoin.env), None)).opened()
    await paying.scan("bitcoin")
    start = (await paying.cursor("bitcoin")).height
    asked = [await paying.requested(Asset.BTC) for _ in range(4)]
    await paying.db.run(HOURS_AGO)
    for each, blocks in zip(asked, (1, 99, 100, 120), strict=True):
        wallet.pay(each.address, each.due.units)
        wallet.mine(blocks)
    steps: list[int] = []
    watcher = paying.watcher("bitcoin", range_blocks=20)
    await watcher.run(by=WATCH)
    await paying.confirm()
    tip = int(call(wallet.rpc_url, "getblockcount"))
    assert (await paying.cursor("bitcoin")).height == tip == start + 320
    assert [(await paying.payment(each.payment_id)).settled for each in asked] == [True] * 4
    steps = [height for (height,) in await paying.db.run(SCANNED, id="chain_bitcoin")]
    assert steps == sorted(set(steps))
    assert len(steps) == 1 + 16  # the first block, and sixteen ranges of twenty
    await paying.closed()


async def test_a_node_that_refuses_large_ranges_is_asked_for_smaller_ones(
    paying: Paying, node: Running, database: str
) -> None:
    wallet = EvmWallet(node.env["EVM_RPC_URL"])
    asked = [await paying.requested(asset) for asset in (Asset.USDC, Asset.USDT, Asset.ETH)]
    await paying.db.run(HOURS_AGO)
    for each, blocks in zip(asked, (3, 150, 170), strict=True):
        wallet.pay(each.asset, each.address, each.due.units)
        wallet.mine(blocks)
    with LyingNode(node.env["EVM_RPC_URL"]) as narrow:
        narrow.largest_range = 9
        chain = evm_chain(replace(paying.chains[EVM], rpc=narrow.url))
        await paying.watcher(EVM, node=chain, range_blocks=200).run(by=WATCH)
        await chain.close()
        assert narrow.refused > 10
    await paying.confirm()
    assert (await paying.cursor(EVM)).height == int(call(wallet.rpc_url, "eth_blockNumber"), 16)
    assert [(await paying.payment(each.payment_id)).settled for each in asked] == [True] * 3


async def test_after_downtime_it_is_scanned_before_anything_expires(database: str) -> None:
    """Correctness 13: what was paid in time by the blocks' own time is no late payment because nobody watched."""
    chain = ScriptedChain()
    paying = await Paying(database, both({"BITCOIN_RPC_URL": "http://u:p@127.0.0.1:1"}, None)).opened()
    watcher = paying.watcher("bitcoin", node=chain)
    await watcher.run(by=WATCH)
    paid, unpaid = await paying.requested(Asset.BTC), await paying.requested(Asset.BTC)
    key = (await paying.store.load(paid.payment_id)).state.watch_key  # type: ignore[union-attr]  # just made
    due_by = datetime.now(UTC) - timedelta(hours=4)
    for each in (paid, unpaid):
        await paying.db.run(EXPIRES, id=each.payment_id, at=due_by)
    await paying.db.run(HOURS_AGO)
    for number in range(300):
        pays = [chain.paid(key, paid.due.units)] if number == 30 else []
        chain.mine(*pays, at=due_by + timedelta(minutes=number - 30))
    assert await paying.expire() == 0  # overdue for hours by the clock, not by what was read
    await watcher.run(by=WATCH)
    await paying.confirm()
    assert await paying.expire() == 1
    assert (await paying.payment(paid.payment_id)).settled
    assert (await paying.facts(unpaid.payment_id))[-1] == "expired"
    assert chain.scanned == list(range(301))
    await paying.closed()


async def test_a_watcher_of_a_real_node_paused_past_its_lease_writes_nothing(paying: Paying, node: Running) -> None:
    """Correctness 5: on the paused one's wake-up another has taken over, and the epoch in the row refuses its write."""
    wallet = EvmWallet(node.env["EVM_RPC_URL"])
    asked = await paying.requested(Asset.ETH)
    till = wallet.deploy("till", wei=10**18)
    wallet.call("till", till, "pay", asked.address, asked.due.units)
    chain = paying.node(EVM)
    entered, leave = asyncio.Event(), asyncio.Event()
    scan = chain.scan

    async def paused(*arguments: Any) -> ScannedRange:
        read = await scan(*arguments)
        entered.set()
        await leave.wait()
        return read

    chain.scan = paused  # type: ignore[method-assign, assignment]  # the process stands still after it has read the blocks
    running = asyncio.create_task(paying.watcher(EVM, node=chain, lease_s=0.05).run(by=WATCH))
    await entered.wait()
    await until(lambda: paying.watcher(EVM).run(by=WATCH), "another watcher to take over")
    before = await everything(paying)
    leave.set()
    with pytest.raises(Fenced):
        await running
    assert await everything(paying) == before
    await paying.confirm()
    assert await paying.facts(asked.payment_id) == ["requested", "seen", "included", "settled"]


async def test_killed_between_any_two_statements_the_next_pass_ends_where_an_undisturbed_one_would(
    paying: Paying, node: Running
) -> None:
    """A branch lost, another read, tokens and ether in, ether by a call, ether out, a second node: one pass of all."""
    url = node.env["EVM_RPC_URL"]
    wallet = EvmWallet(url)
    till = wallet.deploy("till", wei=10**18)
    lost, token, internal = [await paying.requested(asset) for asset in (Asset.ETH, Asset.USDC, Asset.ETH)]
    wallet.pay("ETH", lost.address, lost.due.units)
    wallet.call("till", till, "pay", internal.address, 5)
    await paying.scan(EVM)
    wallet.reorg(2)
    wallet.pay("USDC", token.address, token.due.units)
    wallet.call("till", till, "pay", internal.address, internal.due.units)
    call(url, "anvil_impersonateAccount", internal.address)
    leaving = {"from": internal.address, "to": wallet.address, "value": "0x1", "gas": hex(21_000)}
    txid = call(url, "eth_sendTransaction", leaving)
    await until(lambda: call(url, "eth_getTransactionReceipt", txid) is not None, "the coins to leave")
    settings = paying.chains[EVM]
    deaths = 0
    while True:
        dying = DyingDatabase(paying.url, deaths)
        pair = TwoBalanceNodes(evm_chain(settings), evm_chain(settings), alone_depth=3)
        try:
            watcher: Watcher = paying.watcher(EVM, node=pair, db=dying, lease_s=0, range_blocks=3)
            await watcher.run(by=WATCH)
        except Killed:
            deaths += 1
            continue
        finally:
            dying.close()
            for chain in (pair.reading, pair.other):
                await chain.close()  # type: ignore[attr-defined]  # both are chains on real nodes
        break
    assert deaths > 15
    assert await paying.facts(lost.payment_id) == ["requested", "seen", "included", "excluded"]
    assert await paying.facts(token.payment_id) == ["requested", "seen", "included"]
    kept = await paying.payment(internal.payment_id)
    assert sorted(each.received.units for each in kept.transfers if each.height) == [internal.due.units]
    assert len(await paying.db.run(OUTFLOWS)) == 1
    await paying.confirm()
    assert (await paying.payment(internal.payment_id)).settled
    assert (await paying.payment(token.payment_id)).settled
    steps = [height for (height,) in await paying.db.run(SCANNED, id=f"chain_{EVM}")]
    assert steps[-1] == int(call(url, "eth_blockNumber"), 16)


async def test_how_far_behind_a_watcher_is_is_shown(paying: Paying, node: Running) -> None:
    wallet = EvmWallet(node.env["EVM_RPC_URL"])
    wallet.mine(30)
    await paying.db.run(HOURS_AGO)
    watcher = paying.watcher(EVM, range_blocks=10, budget_s=0)
    watcher.using = replace(watcher.using, gauges=PrometheusGauges())

    def shown(name: str) -> float:
        value = REGISTRY.get_sample_value(name, {"chain": EVM})
        assert value is not None
        return value

    await watcher.run(by=WATCH)
    tip = int(call(wallet.rpc_url, "eth_blockNumber"), 16)
    assert shown("chain_behind_blocks") == tip - (await paying.cursor(EVM)).height >= 20
    assert shown("chain_behind_seconds") > 4 * 3600
    read_at = shown("chain_read_timestamp_seconds")
    for _ in range(3):
        await watcher.run(by=WATCH)
    assert (shown("chain_behind_blocks"), shown("chain_behind_seconds")) == (0, 0)
    assert shown("chain_read_timestamp_seconds") >= read_at
