"""Correctness 12, by a machine: contracts pay, owners sweep, branches get lost, looks are skipped; the sum is right."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kernel.money import Asset
from shared.payments.chain import NATIVE_POSITION, Block, BlockRef, Outflow, Transfer
from shared.payments.lifecycle import evolve
from shared.payments.model import Payment
from shared.payments.observation import Look, Observation, observe
from tests.many import runs
from tests.unit.test_payments_lifecycle import requested

START = datetime(2026, 5, 6, 12, tzinfo=UTC)
KEY, CHAIN = "0x" + "aa" * 20, "evm:1"
BASE = 7
"""Lay at the address before it was handed out."""


@dataclass(frozen=True)
class Mined:
    """A block with what really happened to the address in it."""

    block: Block
    came: int
    balance: int


@dataclass
class World:
    """A chain, and a payment that is told of it in ranges."""

    payment: Payment
    branch: list[Mined] = field(default_factory=list)
    read: list[Mined] = field(default_factory=list)
    left: list[tuple[int, int]] = field(default_factory=list)
    numbers: int = 0

    def mine(self, direct: int, internal: int, outflow: int) -> None:
        """Add a block: a plain transfer, a contract's call, and something that leaves, as far as there is enough."""
        number, height = self.numbers, len(self.branch)
        self.numbers += 1
        before = self.branch[-1].balance if self.branch else BASE
        out = min(outflow, before + direct + internal)
        ref, time = BlockRef(CHAIN, height, f"b{number}"), START + timedelta(seconds=12 * number)
        transfer = Transfer(CHAIN, Asset.ETH, f"t{number}", NATIVE_POSITION, KEY, direct, ref, time)
        block = Block(
            ref,
            self.branch[-1].block.ref.hash if self.branch else "",
            time,
            time,
            transfers=(transfer,) if direct else (),
            outflows=(Outflow(Asset.ETH, f"o{number}", KEY, out),) if out else (),
        )
        self.branch.append(Mined(block, direct + internal, before + direct + internal - out))

    def reorg(self, depth: int) -> None:
        """Take blocks off the branch."""
        del self.branch[max(len(self.branch) - depth, 0) :]

    def scan(self, looks: list[bool], look_at_last: bool) -> None:
        """Read what is new, and look at the balances after some of the blocks."""
        shared = [ours is theirs for ours, theirs in zip(self.read, self.branch, strict=False)]
        common = shared.index(False) if False in shared else len(shared)
        fresh = self.branch[common:]
        if not fresh:
            return
        fork = self.read[common - 1].block.ref if common < len(self.read) and common else None
        if common < len(self.read) and not common:
            fork = BlockRef(CHAIN, -1, "")
        chosen = [each for each, look in zip(fresh[:-1], looks, strict=False) if look]
        chosen += fresh[-1:] if look_at_last else []
        self.left = [(height, units) for height, units in self.left if height < common]
        observed = Observation(
            chain=CHAIN,
            at=START + timedelta(hours=1),
            blocks=tuple(each.block for each in fresh),
            fork=fork,
            native=Asset.ETH,
            looks=tuple(Look(each.block.ref.hash, {KEY: each.balance}) for each in chosen),
            bases={KEY: BASE},
            left_before={KEY: sum(units for _, units in self.left)},
        )
        for fact in observe(self.payment, observed):
            self.payment = evolve(self.payment, fact)
        assert observe(self.payment, replace(observed, fork=None)) == ()  # told again, it says nothing
        self.left += [(each.block.ref.height, out.units) for each in fresh for out in each.block.outflows]
        self.read = list(self.branch)
        assert self.credited <= self.came
        if look_at_last:
            assert self.credited == self.came

    @property
    def credited(self) -> int:
        return sum(each.units for each in self.payment.transfers if each.live and each.inclusion)

    @property
    def came(self) -> int:
        return sum(each.came for each in self.branch)


AMOUNTS = st.sampled_from([0, 0, 0, 1, 500, 1000])
STEPS: st.SearchStrategy[Callable[[World], None]] = st.one_of(
    st.builds(lambda *amounts: lambda world: world.mine(*amounts), AMOUNTS, AMOUNTS, AMOUNTS),
    st.builds(lambda depth: lambda world: world.reorg(depth), st.integers(1, 4)),
    st.builds(lambda looks, last: lambda world: world.scan(looks, last), st.lists(st.booleans()), st.booleans()),
)


@settings(max_examples=runs(1500), deadline=None)
@given(st.lists(STEPS, max_size=30))
def test_what_is_credited_is_what_came_whatever_left_and_whatever_was_lost(
    steps: list[Callable[[World], None]],
) -> None:
    first = requested().model_copy(update={"chain": CHAIN, "asset": Asset.ETH, "watch_key": KEY})
    world = World(evolve(None, first))
    for step in steps:
        step(world)
    world.mine(0, 0, 0)
    world.scan([], look_at_last=True)
    assert world.credited == world.came
    keys = [(each.txid, each.position) for each in world.payment.transfers]
    assert len(keys) == len(set(keys))
