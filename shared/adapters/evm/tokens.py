"""What stands behind token contracts: their code, through proxies; whether they are paused; what receivers have.

A token is only as good as the code behind its address, and its owner may exchange it. Sources: EIP-1967 (where proxies
keep their implementation), the older slot of OpenZeppelin that USDC's proxy uses, and Tether's `deprecated`.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from shared.adapters.evm.node import EvmNode, number_of
from shared.adapters.evm.state_code import CODE_HASHES, TOKEN_CODE
from shared.adapters.json_rpc import RpcRefused
from shared.kernel.money import Asset
from shared.payments.chain import BlockRef, ChainMoved, NodeUntrusted, TokenState

_IMPLEMENTATIONS: Final = (
    "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc",
    "0xa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6cb3582b35133d50",
    "0x7050c9e0f4ca769c69bd3a8ef740bc37934f8e2c036e5a723fd8ee048ed3f8c3",
)
"""Slots of EIP-1967 (implementation, beacon) and of OpenZeppelin before it."""
_PAUSED: Final = "0x5c975abb"
_DEPRECATED: Final = "0x0e136b19"
_DECIMALS: Final = "0x313ce567"
_AT_ONCE: Final = 1_000


class EvmTokens:
    """The allowed tokens of one node's chain."""

    def __init__(self, node: EvmNode, contract_by_asset: Mapping[Asset, str]) -> None:
        self._node = node
        self._contract_by_asset = contract_by_asset

    async def states(self, at: BlockRef) -> list[TokenState]:
        """Return how each token stands after this block. Raises ChainMoved when the node does not have it any more."""
        contracts = list(self._contract_by_asset.items())
        if not contracts:
            return []
        try:
            places = [(contract, slot) for _, contract in contracts for slot in _IMPLEMENTATIONS]
            words = await self._node.storage(places, at.hash)
            hashes = await self._code_hashes([*(each for _, each in contracts), *words], at)
        except RpcRefused as refused:
            raise ChainMoved(f"the node does not know block {at.hash} (any more)") from refused
        questions = (_PAUSED, _DEPRECATED, _DECIMALS)
        answers = await self._node.asked([(each, what) for _, each in contracts for what in questions], at.hash)
        found: list[TokenState] = []
        for number, (asset, contract) in enumerate(contracts):
            slots = slice(number * len(_IMPLEMENTATIONS), (number + 1) * len(_IMPLEMENTATIONS))
            behind = hashes[len(contracts) :][slots]
            code = " ".join([hashes[number], *(f"{w}:{h}" for w, h in zip(words[slots], behind, strict=True))])
            paused, deprecated, decimals = answers[number * len(questions) : (number + 1) * len(questions)]
            found.append(TokenState(asset, contract, code, _reason(asset, paused, deprecated, decimals)))
        return found

    async def balances(self, asset: Asset, keys: Collection[str], at: BlockRef) -> dict[str, int]:
        """Return what the token says each receiver has after this block, in base units."""
        ordered, found = list(keys), dict[str, int]()
        for start in range(0, len(ordered), _AT_ONCE):
            piece = ordered[start : start + _AT_ONCE]
            words = [self._contract_by_asset[asset], *piece]
            try:
                told = await self._node.run(TOKEN_CODE, _call_data(words), at.hash)
            except RpcRefused as refused:
                if not await self._node.knows(at.hash):
                    raise ChainMoved(f"the node does not know block {at.hash} (any more)") from refused
                raise
            found |= zip(piece, (int(word, 16) for word in _words(told, len(piece))), strict=True)
        return found

    async def _code_hashes(self, addresses: Sequence[str], at: BlockRef) -> list[str]:
        told = await self._node.run(CODE_HASHES, _call_data([each[-40:] for each in addresses]), at.hash)
        return _words(told, len(addresses))


def _reason(asset: Asset, paused: str | None, deprecated: str | None, decimals: str | None) -> str | None:
    """Return why nothing may settle in a token, by what it says itself; a contract need not know all questions."""
    if _yes(paused):
        return "its contract is paused"
    if _yes(deprecated):
        return "its contract is given up for another one"
    if decimals is not None and len(decimals) == 66 and number_of(decimals) != asset.decimals:
        return f"it has {number_of(decimals)} decimals on the chain, and {asset.decimals} in CHAINS"
    return None


def _yes(answer: str | None) -> bool:
    return answer is not None and len(answer) == 66 and number_of(answer) != 0


def _call_data(addresses: Sequence[str]) -> str:
    return "0x" + "".join(each.removeprefix("0x").rjust(64, "0") for each in addresses)


def _words(told: str, count: int) -> list[str]:
    if len(told) != 2 + 64 * count:
        raise NodeUntrusted(f"the node answered {len(told) // 64} words of {count}")
    return [told[2 + 64 * at : 66 + 64 * at] for at in range(count)]
