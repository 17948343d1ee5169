"""Tokens that can't be trusted for the time being: nothing settles in them, everything else goes on.

A token's owner can pause its contract, exchange the code behind it, or take coins away. So before a range of blocks is
written, each token is looked at as it stands at the tip: what settles by these blocks settles in a token as it was
known, and a node that forgets old states can tell it, however far behind the range is.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.kernel.money import Asset
from shared.payments.chain import BlockRef, ScannedRange, TokenChain
from shared.payments.looking import moved
from shared.payments.watch_ports import Books, Holds, Turn


@dataclass(frozen=True, slots=True)
class TokenGuard:
    """What guarding tokens is given."""

    node: TokenChain
    books: Books
    holds: Holds

    async def check(
        self, turn: Turn, scanned: ScannedRange, tip: BlockRef, *, fork: BlockRef | None
    ) -> Mapping[Asset, str]:
        """Hold and let go of tokens as they stand at the tip; return why each is held. Raises ChainMoved."""
        states = await self.node.token_states(tip)
        short: dict[Asset, int] = {}
        # What should lie at receivers is known at the tip alone, and not while the books have a lost branch in them.
        for asset in [state.asset for state in states] if scanned.last == tip and fork is None else []:
            if lacking := await self._short(turn, asset, scanned):
                short[asset] = lacking
        return await self.holds.hold(turn, states, short) if states else {}

    async def _short(self, turn: Turn, asset: Asset, scanned: ScannedRange) -> int:
        """Return how many open receivers have less than was credited to them and has not left."""
        accounts = [each for each in await self.books.open(turn, asset) if each.expected > 0]
        if not accounts:
            return 0
        keys = [account.watch_key for account in accounts]
        balances = await self.node.token_balances(asset, keys, scanned.last)
        change = moved(scanned.blocks, frozenset(keys), asset)
        return sum(balances[each.watch_key] < each.expected + change[each.watch_key] for each in accounts)
