"""Sweeps on EVM chains as unsigned EIP-1559 transactions, one per address; for tokens, one before it that brings gas.

What comes back signed is the plan exactly when its fields and its sender are.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from shared.adapters.evm.address import EvmAddresses
from shared.adapters.evm.chain import Token
from shared.adapters.evm.dynamic_fee import TRANSFER_CALL, Transaction, read_signed, read_unsigned, txid_of
from shared.adapters.evm.spending_node import EvmSpendingNode
from shared.adapters.json_rpc import RpcRefused
from shared.kernel.errors import Invalid
from shared.kernel.money import Asset
from shared.payments.spending import UnsafeTransaction
from shared.payments.sweep_ports import Broadcast, Wanted
from shared.payments.sweep_values import PlannedTransaction, SweepPlan, SweptCoin
from shared.payments.sweeps import Sweepable

PLAIN_GAS: Final = 21_000
TIP: Final = 10**9
"""The most that is offered to whoever makes the block, in wei per gas."""


class EvmSweeps:
    """Fulfils `shared.payments.sweep_ports.SweepChain`."""

    outputs = False
    addresses = EvmAddresses()

    def __init__(self, url: str, *, chain_id: int, tokens: Sequence[Token], native: Asset) -> None:
        self.native = native
        self._chain_id = chain_id
        self._contract_by_asset = {token.asset: token.contract.lower() for token in tokens}
        self.assets = frozenset({native, *self._contract_by_asset})
        self._node = EvmSpendingNode(url, target=f"evm:{chain_id} sweeps")

    async def close(self) -> None:
        """Close the connections."""
        await self._node.close()

    async def plan(
        self, coins: Sequence[Sweepable], wanted: Wanted
    ) -> tuple[Sequence[SweptCoin], Sequence[PlannedTransaction]]:
        """Return a transaction for each address, for tokens after one that brings gas. Raises Invalid, Transient."""
        if wanted.gas_from is None or wanted.asset == self.native:
            return await self._natives(coins, wanted)
        return await self._tokens(coins, wanted, wanted.gas_from)

    async def _natives(
        self, coins: Sequence[Sweepable], wanted: Wanted
    ) -> tuple[list[SweptCoin], list[PlannedTransaction]]:
        taken: list[SweptCoin] = []
        transactions: list[PlannedTransaction] = []
        for coin in coins:
            sender = coin.payment.watch_key
            gas = await self._gas(sender, wanted.to_key, 1, b"")
            fee = gas * wanted.fee_rate
            if coin.units <= 2 * fee:
                continue
            sent = self._transaction(wanted, await self._node.transaction_count(sender), gas)
            full = _with(sent, to=wanted.to_key, value=coin.units - fee, call_data=b"")
            number = len(transactions)
            transactions.append(_planned(full, number, "sweep", sender, wanted.to, coin.units - fee))
            taken.append(_swept(coin, fee, number, gas=0))
        return taken, transactions

    async def _tokens(
        self, coins: Sequence[Sweepable], wanted: Wanted, funder: str
    ) -> tuple[list[SweptCoin], list[PlannedTransaction]]:
        contract = self._contract_by_asset[wanted.asset]
        nonce = await self._node.transaction_count(funder)
        taken: list[SweptCoin] = []
        bringing: list[PlannedTransaction] = []
        moving: list[PlannedTransaction] = []
        for coin in coins:
            sender = coin.payment.watch_key
            call = TRANSFER_CALL + bytes.fromhex(wanted.to_key[2:]).rjust(32, b"\0") + coin.units.to_bytes(32, "big")
            gas = await self._gas(sender, contract, 0, call)
            fee = gas * wanted.fee_rate
            to_sender = self._transaction(wanted, nonce + len(bringing), PLAIN_GAS)
            brings = _with(to_sender, to=sender, value=fee, call_data=b"")
            bringing.append(_planned(brings, len(bringing), "gas", funder, coin.payment.address, fee))
            moves = self._transaction(wanted, await self._node.transaction_count(sender), gas)
            moves = _with(moves, to=contract, value=0, call_data=call)
            number = len(coins) + len(moving)
            moving.append(_planned(moves, number, "sweep", sender, wanted.to, coin.units))
            taken.append(_swept(coin, fee, number, gas=fee))
        return taken, [*bringing, *moving]

    def _transaction(self, wanted: Wanted, nonce: int, gas: int) -> Transaction:
        tip = min(TIP, wanted.fee_rate)
        return Transaction(self._chain_id, nonce, tip, wanted.fee_rate, gas, "0x", 0, b"")

    async def _gas(self, sender: str, to: str, value: int, call: bytes) -> int:
        """Return the gas to offer: what it needs now and a quarter more, where it is more than a plain transfer."""
        needed = await self._node.gas(sender, to, value, call)
        return PLAIN_GAS if needed <= PLAIN_GAS else needed * 5 // 4

    def signed(self, plan: SweepPlan, text: str) -> Broadcast:
        """Return the transaction of the plan that is signed here, in hex. Raises Invalid for any other."""
        try:
            raw = bytes.fromhex(text.removeprefix("0x"))
            transaction, sender = read_signed(raw)
        except (ValueError, UnsafeTransaction) as wrong:
            raise Invalid("This is no signed EIP-1559 transaction in hex.", pointer="/signed") from wrong
        body = f"0x{transaction.unsigned().hex()}"
        same = [planned for planned in plan.transactions if planned.body == body]  # equal amounts look the same
        for planned in same:
            if planned.sender == sender:
                return Broadcast(planned.number, txid_of(raw), raw.hex())
        if same:
            raise Invalid("Another key has signed than that of the sender.", pointer="/signed")
        raise Invalid("This transaction is none of the plan: its fields are others.", pointer="/signed")

    async def broadcast(self, signed: Broadcast) -> None:
        """Give it to the network; known already is no error. Raises Invalid for what the network refuses, Transient."""
        try:
            await self._node.send(signed.raw)
        except RpcRefused as refused:
            if not await self._known(signed.txid):
                raise Invalid(f"The network refuses the transaction: {refused.message}", pointer="/signed") from refused

    async def _known(self, txid: str) -> bool:
        return await self._node.waits(txid) or await self._node.receipt(txid) is not None

    async def whereabouts(self, txids: Sequence[str]) -> Mapping[str, int | None]:
        """Return nothing: what leaves accounts is seen by the watcher."""
        return {}


def _with(transaction: Transaction, *, to: str, value: int, call_data: bytes) -> Transaction:
    return Transaction(
        transaction.chain_id,
        transaction.nonce,
        transaction.tip,
        transaction.max_fee,
        transaction.gas,
        to,
        value,
        call_data,
    )


def _planned(transaction: Transaction, number: int, kind: str, sender: str, to: str, units: int) -> PlannedTransaction:
    raw = transaction.unsigned()
    if read_unsigned(raw) != transaction:
        raise UnsafeTransaction("a transaction that reads otherwise than it was written")
    return PlannedTransaction.model_validate(
        {
            "number": number,
            "kind": kind,
            "body": f"0x{raw.hex()}",
            "sender": sender,
            "to": to,
            "units": units,
            "fee": transaction.fee,
            "fields": {
                "type": "0x2",
                "chainId": hex(transaction.chain_id),
                "nonce": hex(transaction.nonce),
                "to": EvmAddresses().text(transaction.to),
                "value": hex(transaction.value),
                "data": f"0x{transaction.call_data.hex()}",
                "gas": hex(transaction.gas),
                "maxFeePerGas": hex(transaction.max_fee),
                "maxPriorityFeePerGas": hex(transaction.tip),
            },
        }
    )


def _swept(coin: Sweepable, fee: int, number: int, *, gas: int) -> SweptCoin:
    payment = coin.payment
    return SweptCoin(
        payment_id=payment.payment_id,
        shop_id=payment.shop_id,
        address=payment.address,
        key=payment.watch_key,
        fingerprint=coin.fingerprint,
        index=payment.derivation_index,
        units=coin.units,
        fee=fee,
        transaction=number,
        gas=gas,
    )
