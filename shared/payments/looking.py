"""Looking at balances: open receivers with every range of blocks, every other one once a day.

A smart-contract wallet pays Ether by a call of its own, which appears in no transaction's value and in no log; only
the balance has it. What is found here goes into the observation as it is, and `observation.py` says what it means.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from shared.kernel.money import Asset
from shared.payments.chain import BalanceChain, Block, BlockRef, ChainMoved, ScannedRange, StateGone
from shared.payments.observation import Look
from shared.payments.watch_ports import Account, Books, Turn


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found: `looks` name only receivers whose balance the transfers of the blocks do not explain.

    `bases` is what lay at receivers when they were handed out; `short` how many have less than they should: something
    left them that no block shows. `round_` are the accounts of the daily round that were among them.
    """

    looks: tuple[Look, ...] = ()
    bases: Mapping[str, int] = field(default_factory=dict)
    short: int = 0
    round_: Sequence[Account] = ()


@dataclass(frozen=True, slots=True)
class Looking:
    """What looking is given."""

    node: BalanceChain
    books: Books

    async def look(self, turn: Turn, scanned: ScannedRange, tip: BlockRef, *, fork: BlockRef | None) -> Looked:
        """Read the balances after these blocks. Raises ChainMoved, and StateGone for those after the tip."""
        native, at_tip = self.node.native, scanned.last == tip
        open_ = await self.books.open(turn, native)
        round_ = await self.books.round(turn, native) if at_tip and fork is None else ()
        accounts = {account.watch_key: account for account in (*round_, *open_)}
        if not accounts:
            return Looked()
        bases = await self._bases([account for account in accounts.values() if account.base is None])
        try:
            balances = await self.node.balances(accounts, scanned.last)
        except StateGone:
            if at_tip:
                raise
            return Looked(bases=bases)  # the look after the last block finds whatever came here
        change = moved(scanned.blocks, accounts, native)
        should = {
            key: account.expected + (account.base or 0) + bases.get(key, 0) + change[key]
            for key, account in accounts.items()
        }
        if fork is not None:
            doubtful = frozenset(accounts)  # what should lie there counts the lost branch
        else:
            doubtful = frozenset(key for key in accounts if balances[key] != should[key])
        looks = [
            *await self._earlier(scanned.blocks[:-1], doubtful),
            Look(scanned.last.hash, {key: balances[key] for key in doubtful}),
        ]
        short = 0 if fork else sum(balances[key] < should[key] for key in doubtful)
        return Looked(tuple(looks) if doubtful else (), bases, short, round_)

    async def _earlier(self, blocks: Sequence[Block], keys: Collection[str]) -> list[Look]:
        """Return the balances after each of these blocks that the node still knows: when something came."""
        looks: list[Look] = []
        for block in blocks if keys else ():
            try:
                looks.append(Look(block.ref.hash, await self.node.balances(keys, block.ref)))
            except StateGone:
                continue
        return looks

    async def _bases(self, fresh: Sequence[Account]) -> dict[str, int]:
        """Return what lay at receivers before they were handed out: whoever knew the key may have used it.

        Zero where nobody can tell any more.
        """
        keys_by_height: defaultdict[int, list[str]] = defaultdict(list)
        bases: dict[str, int] = {}
        for account in fresh:
            if account.since is None:
                bases[account.watch_key] = 0
            else:
                keys_by_height[account.since].append(account.watch_key)
        for height, keys in keys_by_height.items():
            block_hash = await self.node.block_hash(height)
            if block_hash is None:
                raise ChainMoved(f"no block {height} (any more)")
            try:
                bases |= await self.node.balances(keys, BlockRef(self.node.name, height, block_hash))
            except StateGone:
                bases |= dict.fromkeys(keys, 0)
        return bases


def moved(blocks: Sequence[Block], keys: Collection[str], asset: Asset) -> Mapping[str, int]:
    """Return by how much the blocks' own transfers changed each balance, in base units."""
    change: defaultdict[str, int] = defaultdict(int)
    for block in blocks:
        for transfer in block.transfers:
            if transfer.to in keys and transfer.asset == asset:
                change[transfer.to] += transfer.units
        for out in block.outflows:
            if out.account in keys and out.asset == asset:
                change[out.account] -= out.units
    return change
