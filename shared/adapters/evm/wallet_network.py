"""One EVM chain as people's wallets use it: what an address holds, what a signed transaction is before it is sent."""

from collections.abc import Collection
from typing import Final

from shared.adapters.evm.chain import EvmChain
from shared.adapters.evm.dynamic_fee import read_signed, slot_of, txid_of
from shared.adapters.evm.spending_node import EvmSpendingNode
from shared.adapters.json_rpc import RpcRefused
from shared.kernel.errors import Invalid, Transient
from shared.kernel.money import Asset
from shared.payments.chain import ChainMoved
from shared.payments.spending import UnsafeTransaction
from shared.wallets.chain_model import Signed
from shared.wallets.chain_ports import Held, TransactionRefused

MOST_FEE: Final = 10**17
"""Wei: a transaction that may cost more than a tenth of a coin is a mistake."""
MOST_PER_GAS: Final = 1_000 * 10**9
"""Wei: nobody was ever asked for more for long."""
_TRIES: Final = 2


class EvmHoldings:
    """Fulfils `shared.wallets.chain_ports.Holdings`."""

    def __init__(self, chain: EvmChain, tokens: Collection[Asset]) -> None:
        self._chain = chain
        self._tokens = sorted(tokens)

    @property
    def name(self) -> str:
        """Return the chain's name."""
        return self._chain.name

    async def held(self, address: str) -> Held:
        """Return what the address holds at the tip; once more where that block was lost meanwhile."""
        for _ in range(_TRIES):
            at = await self._chain.tip()
            try:
                units = {self._chain.native: (await self._chain.balances([address], at))[address]}
                for asset in self._tokens:
                    units[asset] = (await self._chain.token_balances(asset, [address], at))[address]
            except ChainMoved:
                continue
            return Held(at.height, at.hash, units)
        raise Transient("The chain is being reorganised.")


class EvmNetwork:
    """Fulfils `shared.wallets.chain_ports.Network`."""

    def __init__(self, url: str, *, chain_id: int, native: Asset) -> None:
        self._chain_id = chain_id
        self._native = native
        self._node = EvmSpendingNode(url, target=f"evm:{chain_id} broadcasts")

    async def read(self, raw: str) -> Signed:
        """Return what the bytes are: an EIP-1559 transaction of this chain, signed, whose fee makes sense."""
        try:
            transaction, sender = read_signed(bytes.fromhex(raw))
        except UnsafeTransaction as wrong:
            raise Invalid(f"This is no signed EIP-1559 transaction: {wrong}.", pointer="/signed") from wrong
        if transaction.chain_id != self._chain_id:
            raise Invalid(f"It is for chain {transaction.chain_id}, not for {self._chain_id}.", pointer="/signed")
        if transaction.fee > MOST_FEE or transaction.max_fee > MOST_PER_GAS or transaction.tip > transaction.max_fee:
            raise TransactionRefused("Its fee is out of all proportion. Sign it anew with a lower one.")
        return Signed(
            chain=f"evm:{self._chain_id}",
            txid=txid_of(bytes.fromhex(raw)),
            raw=raw,
            size=len(raw) // 2,
            fee=transaction.fee,
            asset=self._native,
            sender=sender,
            slots=(slot_of(sender, transaction.nonce),),
        )

    async def known(self, txid: str) -> bool:
        """Return whether the network has it: in a block, or waiting for one."""
        return await self._node.waits(txid) or await self._node.receipt(txid) is not None

    async def send(self, signed: Signed) -> None:
        """Give it to the network; known already is no error."""
        try:
            await self._node.send(signed.raw)
        except RpcRefused as refused:
            if not await self.known(signed.txid):
                raise TransactionRefused(f"The network refuses it: {refused.message[:200]}") from refused
