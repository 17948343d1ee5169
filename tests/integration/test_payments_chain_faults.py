"""Payments on real nodes that take blocks back, lose payments to others, die, or are read by two at once.

After every fault `assert_sound` holds: both identities of the ledger, replay, every effect once, no block skipped.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from emulators.bitcoin import Bitcoin
from emulators.component import Running
from emulators.ethereum import Ethereum
from emulators.stack import Stack
from shared.kernel.decision import By
from shared.kernel.errors import Fenced, Transient
from shared.kernel.money import Asset
from shared.orders.lifecycle import PAY_WITHIN
from shared.payments.chain import Chain, Outpoint, ScannedRange, Watch
from shared.payments.model import Amount, PaymentView, Timing
from tests.chaos.mining import BitcoinMiner, EvmMiner, Miner
from tests.chaos.nodes import BitcoinPurse, EvmPurse, Node, Signed
from tests.chaos.payers import SlowClock
from tests.chaos.plan import BITCOIN, DEEPEST, EVM, Reorg
from tests.integration.paying import Paying, both
from tests.integration.soundness import assert_sound, units
from tests.waiting import until

ASSET = {BITCOIN: Asset.BTC, EVM: Asset.USDC}
CHAINS = (BITCOIN, EVM)
COINS = 60


class Grounds:
    """Both nodes, with customers who pay and miners who do as they are told."""

    def __init__(self, workdir: Path) -> None:
        self.stack = Stack([Bitcoin(), Ethereum(save_every_s=1)], workdir)
        self.state = workdir / "data" / "ethereum" / "state.json"
        bitcoin, ethereum = self.stack.start("bitcoin"), self.stack.start("ethereum")
        self.running: dict[str, Running] = {BITCOIN: bitcoin, EVM: ethereum}
        settings = both(dict(bitcoin.env), dict(ethereum.env))
        # One more than the deepest reorganisation here: what takes back a final block stops the watcher, loudly.
        self.settings = tuple(replace(one, final_depth=DEEPEST + 1) for one in settings)
        nodes = {one.name: Node(one.name, one.rpc) for one in self.settings}
        evm = EvmPurse(nodes[EVM], seed=1, accounts={"USDC": COINS})
        self.miners: dict[str, Miner] = {
            BITCOIN: BitcoinMiner(nodes[BITCOIN], BitcoinPurse(nodes[BITCOIN], coins=COINS), 0, 1, [], lambda: 0.0),
            EVM: EvmMiner(nodes[EVM], evm, 0, 1, [], lambda: 0.0),
        }

    def pay(self, chain: str, asked: PaymentView, share: float = 1) -> Signed:
        """Send so much of what is due; it is in no block yet."""
        miner = self.miners[chain]
        signed = miner.purse.pay(str(ASSET[chain]), asked.address, round(asked.due.units * share))
        miner.send(signed, str(ASSET[chain]))
        return signed

    def mine(self, chain: str, blocks: int = 1) -> None:
        """Mine blocks, the first with what waits."""
        for _ in range(blocks):
            self.miners[chain].mine()

    def reorg(self, chain: str, depth: int, mode: str) -> None:
        """Replace the last blocks; see `tests.chaos.plan.MODES`."""
        self.miners[chain].reorganise(Reorg(number=depth, at_s=0, chain=chain, depth=depth, mode=mode))


@pytest.fixture(scope="module")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grounds]:
    grounds = Grounds(tmp_path_factory.mktemp("chains"))
    yield grounds
    grounds.stack.stop(grace_s=0)


@pytest.fixture
async def paying(database: str, grounds: Grounds) -> AsyncIterator[Paying]:
    for chain in CHAINS:
        grounds.miners[chain].settle(20 if chain == EVM else 8)  # what earlier tests did is mined and final
    paying = await Paying(database, grounds.settings).opened()
    for chain in CHAINS:
        await paying.scan(chain)
    yield paying
    await paying.closed()


async def both_read(paying: Paying, chain: str) -> None:
    """Read one chain and decide; the other only stands by."""
    await paying.settle(chain)
    await paying.settle(EVM if chain == BITCOIN else BITCOIN)


@pytest.mark.parametrize(
    ("depth", "settled_before"),
    [*((depth, True) for depth in range(1, DEEPEST + 1)), (1, False), (3, False), (DEEPEST, False)],
)
@pytest.mark.parametrize("chain", CHAINS)
async def test_a_transfer_is_credited_once_whatever_the_chain_does(
    paying: Paying, grounds: Grounds, chain: str, depth: int, settled_before: bool
) -> None:
    """Rule 7: a transfer and its inclusions are two things; re-inclusion revives, and the order is claimed once."""
    lost, moved = await paying.requested(ASSET[chain]), await paying.requested(ASSET[chain])
    grounds.pay(chain, moved)
    grounds.mine(chain)
    grounds.pay(chain, lost)
    grounds.mine(chain, depth)
    if settled_before:
        await paying.settle(chain)
        assert (await paying.payment(lost.payment_id)).settled
    else:
        await paying.scan(chain)
    grounds.reorg(chain, depth, "later")
    await both_read(paying, chain)
    books = units(await assert_sound(paying), str(ASSET[chain]))
    assert not (await paying.payment(lost.payment_id)).settled
    assert (await paying.payment(moved.payment_id)).settled
    assert books["received"] == books["settled"] == moved.due.units
    grounds.miners[chain].settle(1)
    await both_read(paying, chain)
    books = units(await assert_sound(paying), str(ASSET[chain]))
    assert books["received"] == books["settled"] == moved.due.units + lost.due.units
    told = await paying.facts(lost.payment_id)
    assert told.count("reversed") == int(settled_before)
    assert told.count("settled") == 1 + int(settled_before)


@pytest.mark.parametrize("depth", [1, DEEPEST])
@pytest.mark.parametrize("chain", CHAINS)
async def test_a_reorg_that_mines_it_elsewhere_changes_no_balance(
    paying: Paying, grounds: Grounds, chain: str, depth: int
) -> None:
    """Rule 7: at most one inclusion is live. Rule 10: the books are the same after it, to the unit."""
    asked = await paying.requested(ASSET[chain])
    grounds.pay(chain, asked, 1.5)
    grounds.mine(chain, depth)
    await both_read(paying, chain)
    before = await assert_sound(paying)
    grounds.reorg(chain, depth, "kept")
    await both_read(paying, chain)
    assert await assert_sound(paying) == before
    view = await paying.payment(asked.payment_id)
    assert (view.settled, view.amount, len(view.transfers)) == (True, Amount.OVER, 1)


@pytest.mark.parametrize("mined", [False, True], ids=["before it is mined", "by a reorg after it settled"])
@pytest.mark.parametrize("chain", CHAINS)
async def test_a_double_spend_credits_nobody(paying: Paying, grounds: Grounds, chain: str, mined: bool) -> None:
    """Rule 7: claimed and credited is what stands. Rule 9: what the chain takes back, the books take back."""
    asked, miner = await paying.requested(ASSET[chain]), grounds.miners[chain]
    paid = grounds.pay(chain, asked)
    if mined:
        grounds.mine(chain, 2)
    await both_read(paying, chain)
    assert (await paying.payment(asked.payment_id)).settled is mined
    theft = miner.purse.again(paid, str(ASSET[chain]), miner.purse.home, 1, step=2)
    if mined:
        miner.forget(paid)
        miner.replace_last(2, [theft])
    else:
        miner.replace(paid, theft, str(ASSET[chain]))
        grounds.mine(chain)
    await both_read(paying, chain)
    assert await assert_sound(paying) == {}
    view = await paying.payment(asked.payment_id)
    assert (view.settled, view.amount, view.received.units) == (False, Amount.NONE, 0)


@pytest.mark.parametrize("chain", CHAINS)
async def test_a_payment_with_a_higher_fee_counts_once(paying: Paying, grounds: Grounds, chain: str) -> None:
    """Rule 13: a replacement is a new sighting. Rule 7: it is another transfer, and the first is gone."""
    asked, miner = await paying.requested(ASSET[chain]), grounds.miners[chain]
    first = grounds.pay(chain, asked)
    await both_read(paying, chain)
    second = miner.purse.again(first, str(ASSET[chain]), asked.address, asked.due.units)
    miner.replace(first, second, str(ASSET[chain]))
    await both_read(paying, chain)
    grounds.mine(chain, 2)
    await both_read(paying, chain)
    books = units(await assert_sound(paying), str(ASSET[chain]))
    assert books["received"] == books["settled"] == asked.due.units
    counted = [each.txid for each in (await paying.payment(asked.payment_id)).transfers if each.counts]
    assert counted == [second.txid]


@pytest.mark.parametrize("chain", CHAINS)
async def test_too_much_too_late_in_two_blocks_of_which_one_is_lost_is_held_to_the_unit(
    paying: Paying, grounds: Grounds, chain: str
) -> None:
    """Rule 10: received = settled + held + refunded - shortfall, at every step of it."""
    paying.orders = replace(paying.orders, clock=SlowClock(PAY_WITHIN - timedelta(seconds=2)))
    asked = await paying.requested(ASSET[chain])
    over_at = asked.expires_at + timedelta(seconds=1)  # a block's time has no fractions
    await until(lambda: datetime.now(UTC) > over_at, "the time to pay to be over")
    first, second = round(asked.due.units * 0.7), round(asked.due.units * 0.6)
    grounds.pay(chain, asked, 0.7)
    grounds.mine(chain)
    await both_read(paying, chain)
    assert units(await assert_sound(paying), str(ASSET[chain])) == {"received": first, "held.waiting": first}
    grounds.pay(chain, asked, 0.6)
    grounds.mine(chain)
    await both_read(paying, chain)
    over = {
        "received": first + second,
        "settled": asked.due.units,
        "held.refundable": first + second - asked.due.units,
    }
    assert units(await assert_sound(paying), str(ASSET[chain])) == over
    view = await paying.payment(asked.payment_id)
    assert (view.settled, view.amount, view.timing) == (True, Amount.OVER, Timing.LATE)
    grounds.reorg(chain, 1, "later")
    await both_read(paying, chain)
    assert units(await assert_sound(paying), str(ASSET[chain])) == {"received": first, "held.waiting": first}
    grounds.miners[chain].settle(1)
    await both_read(paying, chain)
    assert units(await assert_sound(paying), str(ASSET[chain])) == over


async def test_a_bitcoin_node_killed_and_restored_costs_time_and_nothing_else(paying: Paying, grounds: Grounds) -> None:
    """Rule 11: nothing is missed. What the node lost with its mempool is sent again, and counts once."""
    mined, waiting = await paying.requested(Asset.BTC), await paying.requested(Asset.BTC)
    grounds.pay(BITCOIN, mined)
    grounds.mine(BITCOIN)
    grounds.pay(BITCOIN, waiting)
    await paying.scan(BITCOIN)
    grounds.miners[BITCOIN].node.call("gettxoutsetinfo", "none")  # it writes its index once an hour else
    grounds.running[BITCOIN].kill()
    with pytest.raises(Transient):
        await paying.scan(BITCOIN)
    await paying.confirm()
    assert (await paying.payment(mined.payment_id)).settled
    grounds.running[BITCOIN].restart()
    grounds.miners[BITCOIN].settle(1)
    await until(lambda: read_again(paying, BITCOIN), "the node to be read again")
    await both_read(paying, BITCOIN)
    books = units(await assert_sound(paying), "BTC")
    assert books["received"] == books["settled"] == mined.due.units + waiting.due.units


async def test_an_ethereum_node_restored_from_older_data_ends_with_every_payment_once(
    paying: Paying, grounds: Grounds
) -> None:
    """Rule 11: nothing is missed, nothing counted for a block that is gone: the lost ones are a reorganisation."""
    kept, lost = await paying.requested(Asset.USDC), await paying.requested(Asset.USDC)
    grounds.pay(EVM, kept)
    grounds.mine(EVM)
    height = grounds.miners[EVM].height()
    saved: list[bytes] = []
    await until(lambda: has_saved(grounds.state, height, saved), "the node to save its chain")
    grounds.pay(EVM, lost)
    grounds.mine(EVM, 2)
    await both_read(paying, EVM)
    assert (await paying.payment(lost.payment_id)).settled
    grounds.running[EVM].kill()
    with pytest.raises(Transient):
        await paying.scan(EVM)
    grounds.state.write_bytes(saved[-1])
    grounds.running[EVM].restart()
    miner = grounds.miners[EVM]
    assert isinstance(miner, EvmMiner)
    miner.restarted()
    assert miner.height() < height + 2
    miner.unmined()
    await until(lambda: read_again(paying, EVM), "the node to be read again")
    grounds.miners[EVM].settle(3)
    await both_read(paying, EVM)
    books = units(await assert_sound(paying), "USDC")
    assert books["received"] == books["settled"] == kept.due.units + lost.due.units


async def read_again(paying: Paying, chain: str) -> bool:
    """Tell whether a pass of the watcher succeeds."""
    try:
        await paying.settle(chain)
    except Transient:
        return False
    return True


def has_saved(state: Path, height: int, into: list[bytes]) -> bool:
    """Tell whether the node's file is whole and has the block, and keep what it says."""
    into.append(state.read_bytes() if state.exists() else b"")
    try:
        return int(json.loads(into[-1])["block"]["number"], 16) >= height
    except ValueError:  # it is being written
        return False


class Slow:
    """A real node's view whose next scan waits until it is let go."""

    def __init__(self, node: Chain) -> None:
        self._node = node
        self.entered, self.leave = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)

    async def scan(
        self, height_from: int, height_to: int, watched: Watch, inputs: Collection[Outpoint] = ()
    ) -> ScannedRange:
        """Read the range, and hand it out late."""
        scanned = await self._node.scan(height_from, height_to, watched, inputs)
        self.entered.set()
        await self.leave.wait()
        return scanned


@pytest.mark.parametrize("chain", CHAINS)
async def test_what_a_paused_watcher_read_before_a_reorg_is_refused(
    paying: Paying, grounds: Grounds, chain: str
) -> None:
    """Rule 5: a lease check does not fence. The one that wakes up late knows a branch that is gone."""
    asked = await paying.requested(ASSET[chain])
    grounds.pay(chain, asked)
    grounds.mine(chain)
    slow = Slow(paying.node(chain))
    paused = paying.watcher(chain, node=slow, lease_s=0.05)
    by = By(f"watch_{chain}")
    running = asyncio.create_task(paused.run(by=by))
    await slow.entered.wait()
    grounds.reorg(chain, 1, "later")
    await until(lambda: paying.watcher(chain).run(by=by), "another watcher to take over")
    slow.leave.set()
    with pytest.raises(Fenced):
        await running
    await both_read(paying, chain)
    assert await assert_sound(paying) == {}
    grounds.miners[chain].settle(1)
    await both_read(paying, chain)
    books = units(await assert_sound(paying), str(ASSET[chain]))
    assert books["received"] == books["settled"] == asked.due.units
