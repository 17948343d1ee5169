"""Two nodes of one chain: what both say settles; one missing needs depth; a contradiction stops, and ends by itself.

First with chains that do as they are told, then on two Bitcoin nodes that are torn apart and joined again, then with an
EVM node in front of which somebody lies.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from emulators import ethereum as ethereum_engine
from emulators.bitcoin import Bitcoin
from emulators.component import Running, free_port
from emulators.json_rpc import call
from emulators.people import until as wait_until
from emulators.wallets import BitcoinWallet, EvmWallet
from shared.adapters.postgres.database import Sql
from shared.kernel.decision import By
from shared.kernel.errors import Transient
from shared.kernel.money import Asset
from shared.payments.model import Finality, PaymentView
from shared.payments.two_nodes import NodesContradict, TwoBalanceNodes, TwoMempoolNodes
from shared.payments.watch import Watcher
from shared.wiring.chains import bitcoin_chain, evm_chain
from tests.integration.paying import Paying, both
from tests.lying_node import LyingNode
from tests.scripted_chain import ScriptedChain

CHAIN = "bitcoin"
WATCH = By("watch_bitcoin")
ALONE = 3
PROVEN = Sql("select caught_up_at from chain_cursors")


class Nodes:
    """Two scripted nodes that have the same chain until they are told otherwise, and a shop that both watch for."""

    def __init__(self, paying: Paying) -> None:
        self.paying = paying
        self.first, self.second = ScriptedChain(), ScriptedChain()
        self.second.blocks = self.first.blocks
        self.pair = TwoMempoolNodes(self.first, self.second, alone_depth=ALONE)
        self.watcher: Watcher = paying.watcher(CHAIN, node=self.pair)
        self.told: list[tuple[bool, int, int]] = []
        self.watcher.using = replace(self.watcher.using, gauges=self)

    async def settle(self) -> None:
        await self.watcher.run(by=WATCH)
        await self.paying.confirm()

    async def paid(self) -> PaymentView:
        """Return a payment that was just mined on the first node."""
        asked = await self.paying.requested(Asset.BTC)
        found = await self.paying.store.load(asked.payment_id)
        assert found is not None
        self.first.mine(self.first.paid(found.state.watch_key, asked.due.units))
        return asked

    async def settled(self, asked: PaymentView) -> bool:
        return (await self.paying.payment(asked.payment_id)).settled

    def apart(self) -> None:
        """Let each node have blocks of its own from now on."""
        self.second.blocks = list(self.second.blocks)

    def read(self, chain: str, *, blocks: int, seconds: float, at: object) -> None: ...
    def short(self, chain: str, receivers: int) -> None: ...
    def held(self, chain: str, reasons: object) -> None: ...
    def nodes(self, chain: str, *, missing: bool, apart: int, unsettled: int) -> None:
        self.told.append((missing, apart, unsettled))


@pytest.fixture
async def nodes(database: str) -> AsyncIterator[Nodes]:
    paying = await Paying(database, both({"BITCOIN_RPC_URL": "http://u:p@127.0.0.1:1"}, None)).opened()
    nodes = Nodes(paying)
    await nodes.settle()
    yield nodes
    assert await paying.replayed() == []
    await paying.closed()


async def test_what_both_say_settles_at_once(nodes: Nodes) -> None:
    asked = await nodes.paid()
    await nodes.settle()
    assert await nodes.settled(asked)
    assert nodes.told[-1] == (False, 0, 0)


async def test_while_one_is_missing_more_confirmations_are_needed(nodes: Nodes) -> None:
    """Correctness 11: one missing means greater depth."""
    asked = await nodes.paid()
    nodes.second.down = True
    await nodes.settle()
    assert not await nodes.settled(asked)
    assert nodes.told[-1] == (True, 0, 1)
    for _ in range(ALONE - 1):
        nodes.first.mine()
    await nodes.settle()
    assert not await nodes.settled(asked)
    nodes.first.mine()
    await nodes.settle()
    assert await nodes.settled(asked)


async def test_what_was_read_alone_settles_when_the_other_is_back_though_no_block_came(nodes: Nodes) -> None:
    asked = await nodes.paid()
    nodes.second.down = True
    await nodes.settle()
    nodes.second.down = False
    await nodes.settle()
    assert await nodes.settled(asked)
    assert nodes.told[-1] == (False, 0, 0)


async def test_a_node_that_lags_holds_back_only_what_it_does_not_have(nodes: Nodes) -> None:
    early = await nodes.paid()
    nodes.apart()
    late = await nodes.paid()
    await nodes.settle()
    assert (await nodes.settled(early), await nodes.settled(late)) == (True, False)
    nodes.second.blocks.append(nodes.first.blocks[-1])
    await nodes.settle()
    assert await nodes.settled(late)


async def test_the_second_is_read_while_the_first_is_down(nodes: Nodes) -> None:
    asked = await nodes.paid()
    nodes.first.down = True
    await nodes.settle()
    assert (await nodes.paying.facts(asked.payment_id))[-1] == "included"
    assert not await nodes.settled(asked)
    nodes.first.down = False
    await nodes.settle()
    assert await nodes.settled(asked)


async def test_with_both_down_nothing_is_read(nodes: Nodes) -> None:
    nodes.first.down = nodes.second.down = True
    with pytest.raises(Transient):
        await nodes.watcher.run(by=WATCH)


async def test_on_two_branches_nothing_settles_until_they_are_one_again(nodes: Nodes) -> None:
    """Correctness 11: compared at one height; what one of them alone has confirmed, however deep, settles nothing."""
    nodes.apart()
    nodes.second.mine()
    asked = await nodes.paid()
    for _ in range(ALONE + 5):
        nodes.first.mine()
        nodes.second.mine()
    await nodes.settle()
    assert not await nodes.settled(asked)
    assert nodes.told[-1] == (False, ALONE + 6, ALONE + 6)
    proven = (await nodes.paying.db.run(PROVEN))[0][0]
    await nodes.settle()
    assert (await nodes.paying.db.run(PROVEN))[0][0] == proven  # and nothing expires
    nodes.second.blocks = list(nodes.first.blocks)  # it came over
    await nodes.settle()
    assert await nodes.settled(asked)
    assert nodes.told[-1] == (False, 0, 0)


async def test_when_the_second_was_right_the_payment_of_the_first_s_branch_never_settled(nodes: Nodes) -> None:
    nodes.apart()
    asked = await nodes.paid()
    nodes.second.mine()
    await nodes.settle()
    nodes.first.blocks = list(nodes.second.blocks)
    nodes.first.mine()
    nodes.second.blocks = nodes.first.blocks
    await nodes.settle()
    assert await nodes.paying.facts(asked.payment_id) == ["requested", "seen", "included", "excluded"]


async def test_of_one_block_two_stories_are_written_by_nobody_and_end_by_themselves(nodes: Nodes) -> None:
    asked = await nodes.paid()
    nodes.apart()
    told = nodes.second.blocks[-1]
    nodes.second.blocks[-1] = replace(told, transfers=())  # it withholds the payment
    cursor = await nodes.paying.cursor(CHAIN)
    with pytest.raises(NodesContradict):
        await nodes.watcher.run(by=WATCH)
    assert await nodes.paying.cursor(CHAIN) == cursor
    assert await nodes.paying.facts(asked.payment_id) == ["requested"]
    assert nodes.told[-1][1] == 1
    nodes.second.blocks[-1] = told
    await nodes.settle()
    assert await nodes.settled(asked)


async def test_what_was_withheld_while_the_other_was_missing_is_found_when_it_is_back(nodes: Nodes) -> None:
    """Correctness 11: nothing is missed, though the block was read before."""
    asked = await nodes.paid()
    nodes.apart()
    whole = nodes.first.blocks[-1]
    nodes.first.blocks[-1] = replace(whole, transfers=())
    nodes.second.down = True
    await nodes.settle()
    assert await nodes.paying.facts(asked.payment_id) == ["requested"]
    nodes.second.down = False
    with pytest.raises(NodesContradict):
        await nodes.watcher.run(by=WATCH)
    nodes.first.blocks[-1] = whole
    await nodes.settle()
    assert await nodes.settled(asked)


async def test_a_node_that_fell_far_behind_counts_as_missing(nodes: Nodes) -> None:
    asked = await nodes.paid()
    await nodes.settle()
    nodes.apart()
    for _ in range(20):
        nodes.first.mine()
    await nodes.settle()
    assert (await nodes.paying.payment(asked.payment_id)).finality is Finality.FINAL
    assert nodes.told[-1] == (False, 0, ALONE)


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Running]]:
    """Two Bitcoin nodes, the second connected to the first."""
    workdir, port = tmp_path_factory.mktemp("joined"), free_port()
    first = Bitcoin(name="bitcoin-1", peer_port=port).start(workdir)
    second = Bitcoin(name="bitcoin-2", follow=port).start(workdir)
    yield first, second
    second.stop()
    first.stop()


async def test_two_bitcoin_nodes_torn_apart_and_joined_again(joined: tuple[Running, Running], database: str) -> None:
    first, second = (each.env["BITCOIN_RPC_URL"] for each in joined)
    wallet = BitcoinWallet(first)
    paying = await Paying(database, both({"BITCOIN_RPC_URL": first}, None)).opened()
    settings = paying.chains[CHAIN]
    chains = bitcoin_chain(settings), bitcoin_chain(replace(settings, rpc=second))
    watcher = paying.watcher(CHAIN, node=TwoMempoolNodes(*chains, alone_depth=ALONE))

    async def settle() -> None:
        await watcher.run(by=WATCH)
        await paying.confirm()

    def same_tip() -> bool | None:
        return call(first, "getbestblockhash") == call(second, "getbestblockhash") or None

    wait_until("both have the same tip", same_tip)
    await settle()
    asked = await paying.requested(Asset.BTC)
    wallet.pay(asked.address, asked.due.units)
    wallet.mine(1)
    wait_until("both have the payment", same_tip)
    await settle()
    assert (await paying.payment(asked.payment_id)).settled

    call(second, "setnetworkactive", False)
    lost = await paying.requested(Asset.BTC)
    wallet.pay(lost.address, lost.due.units)
    wallet.mine(ALONE + 2)
    for _ in range(ALONE + 4):  # the other side is the longer one
        call(second, "generateblock", "raw(51)", [])
    await settle()
    view = await paying.payment(lost.payment_id)
    assert (view.settled, len(view.transfers)) == (False, 1)
    assert (await paying.payment(asked.payment_id)).settled  # what both had stands

    call(second, "setnetworkactive", True)
    wait_until("the longer branch won", same_tip)
    await settle()
    view = await paying.payment(lost.payment_id)
    assert (view.settled, view.transfers[0].height) == (False, None)
    wallet.mine(1)  # it is back in the mempool, and mined now
    wait_until("both have it again", same_tip)
    await settle()
    assert (await paying.payment(lost.payment_id)).settled
    assert await paying.replayed() == []
    for chain in chains:
        await chain.close()
    await paying.closed()


@pytest.fixture
def liar(ethereum: Running) -> Iterator[LyingNode]:
    with LyingNode(ethereum.env["EVM_RPC_URL"]) as liar:
        yield liar


class EvmNodes:
    """A shop on the EVM chain, watched by an honest node and one that lies when it is told to."""

    def __init__(self, paying: Paying, url: str, *, liar_first: bool) -> None:
        self.paying, self.name = paying, f"evm:{ethereum_engine.CHAIN_ID}"
        settings = paying.chains[self.name]
        self.chains = [evm_chain(settings), evm_chain(replace(settings, rpc=url))]
        if liar_first:
            self.chains.reverse()
        self.watcher = paying.watcher(self.name, node=TwoBalanceNodes(*self.chains, alone_depth=ALONE))

    async def settle(self) -> None:
        await self.watcher.run(by=By("watch_evm"))
        await self.paying.confirm()

    async def close(self) -> None:
        for chain in self.chains:
            await chain.close()


@pytest.fixture(params=[True, False], ids=["the liar is read", "the liar confirms"])
async def evm(
    request: pytest.FixtureRequest, database: str, ethereum: Running, liar: LyingNode
) -> AsyncIterator[EvmNodes]:
    paying = await Paying(database, both(None, dict(ethereum.env))).opened()
    nodes = EvmNodes(paying, liar.url, liar_first=request.param)
    await nodes.settle()
    yield nodes
    assert await paying.replayed() == []
    await nodes.close()
    await paying.closed()


async def test_a_node_that_withholds_logs_and_forges_the_bloom_is_found_out_by_the_other(
    evm: EvmNodes, liar: LyingNode, ethereum: Running
) -> None:
    """Correctness 11: an empty answer needs the bloom filter's or the second node's agreement."""
    wallet = EvmWallet(ethereum.env["EVM_RPC_URL"])
    asked = await evm.paying.requested(Asset.USDC)
    wallet.pay("USDC", asked.address, asked.due.units)
    liar.withholds_logs = True
    with pytest.raises(NodesContradict):
        await evm.settle()
    liar.withholds_logs = False
    await evm.settle()
    assert (await evm.paying.payment(asked.payment_id)).settled


async def test_a_node_that_invents_ether_is_found_out_by_the_other(
    evm: EvmNodes, liar: LyingNode, ethereum: Running
) -> None:
    wallet = EvmWallet(ethereum.env["EVM_RPC_URL"])
    asked = await evm.paying.requested(Asset.ETH)
    wallet.mine(1)
    liar.invents_ether = True
    with pytest.raises(NodesContradict):
        await evm.settle()
    liar.invents_ether = False
    await evm.settle()
    assert (await evm.paying.payment(asked.payment_id)).transfers == ()


async def test_a_node_on_another_branch_stops_settling(evm: EvmNodes, liar: LyingNode, ethereum: Running) -> None:
    wallet = EvmWallet(ethereum.env["EVM_RPC_URL"])
    asked = await evm.paying.requested(Asset.USDC)
    liar.other_hash_from = int(call(wallet.rpc_url, "eth_blockNumber"), 16) + 1
    wallet.pay("USDC", asked.address, asked.due.units)
    wallet.mine(ALONE + 2)
    await evm.settle()
    assert not (await evm.paying.payment(asked.payment_id)).settled
    liar.other_hash_from = None
    await evm.settle()
    assert (await evm.paying.payment(asked.payment_id)).settled


async def test_a_node_that_lags_is_waited_for(evm: EvmNodes, liar: LyingNode, ethereum: Running) -> None:
    wallet = EvmWallet(ethereum.env["EVM_RPC_URL"])
    asked = await evm.paying.requested(Asset.USDC)
    wallet.pay("USDC", asked.address, asked.due.units)
    liar.lags_by = 1
    await evm.settle()
    assert not (await evm.paying.payment(asked.payment_id)).settled
    liar.lags_by = 0
    await evm.settle()
    assert (await evm.paying.payment(asked.payment_id)).settled
