"""Sweeps of Bitcoin as PSBTs (BIP-174): each input says which key of the merchant's wallet signs it.

The txid of an unsigned native segwit transaction is that of the signed one: it commits to every input and output, so
what comes back signed is the plan exactly when its txid is. The node needs `-txindex` to say where a transaction is.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
from embit import finalizer
from embit.base import EmbitError
from embit.bip32 import HDKey, parse_path
from embit.psbt import PSBT, DerivationPath
from embit.script import Script
from embit.transaction import Transaction, TransactionInput, TransactionOutput

from shared.adapters.bitcoin import inspection
from shared.adapters.bitcoin.address import BitcoinAddresses
from shared.adapters.bitcoin.coins import dust, fee_at, vsize
from shared.adapters.json_rpc import JsonRpc, RpcRefused
from shared.adapters.resilience import Limits
from shared.kernel.errors import Invalid
from shared.kernel.money import Asset
from shared.payments.spending import UnsafeTransaction
from shared.payments.sweep_ports import Broadcast, Wanted
from shared.payments.sweep_values import PlannedTransaction, SweepPlan, SweptCoin
from shared.payments.sweeps import Sweepable, shares

INPUTS: Final = 100
"""As many inputs a hardware wallet signs in a reasonable time."""
LIMITS: Final = Limits(timeout_s=15, attempts=3, concurrent=4)
_HARDENED: Final = 1 << 31
_NOT_FOUND: Final = -5
_IN_CHAIN_ALREADY: Final = -27
_HEX: Final = re.compile(r"(0x)?([0-9a-fA-F]{2})+")


class _Place(msgspec.Struct):
    blockhash: str | None = None


class _Height(msgspec.Struct):
    height: int
    confirmations: int


class BitcoinSweeps:
    """Fulfils `shared.payments.sweep_ports.SweepChain`."""

    native = Asset.BTC
    assets = frozenset({Asset.BTC})
    outputs = True

    def __init__(self, url: str, *, network: str, name: str = "bitcoin") -> None:
        self._rpc = JsonRpc(f"{name} sweeps", url, LIMITS)
        self.addresses = BitcoinAddresses(network)

    async def close(self) -> None:
        """Close the connections."""
        await self._rpc.close()

    async def plan(
        self, coins: Sequence[Sweepable], wanted: Wanted
    ) -> tuple[Sequence[SweptCoin], Sequence[PlannedTransaction]]:
        """Return PSBTs of at most 100 inputs each, the dearest coins first; dust to spend is left where it is."""
        script = bytes.fromhex(wanted.to_key)
        own_fee = fee_at(wanted.fee_rate, 68)
        worth = [coin for coin in coins if min(each[2] for each in coin.inputs) > own_fee]
        taken: list[SweptCoin] = []
        transactions: list[PlannedTransaction] = []
        for chunk in _chunks(sorted(worth, key=lambda coin: -coin.units)):
            spent = [(coin, each) for coin in chunk for each in coin.inputs]
            fee = fee_at(wanted.fee_rate, vsize(len(spent), (len(script),)))
            units = sum(coin.units for coin in chunk) - fee
            if units < dust(len(script), witness=script[0] in (0, 0x51)):
                continue
            number = len(transactions)
            psbt = await self._psbt(spent, units, wanted)
            body = b64encode(psbt.serialize()).decode()
            txid = bytes(psbt.tx.txid()).hex()
            transactions.append(
                PlannedTransaction(
                    number=number, kind="sweep", body=body, to=wanted.to, units=units, fee=fee, txid=txid
                )
            )
            parts = shares([coin.units for coin in chunk], fee)
            taken += [_swept(coin, part, number) for coin, part in zip(chunk, parts, strict=True)]
        return taken, transactions

    async def _psbt(self, spent: Sequence[tuple[Sweepable, tuple[str, int, int]]], units: int, wanted: Wanted) -> PSBT:
        vin = [
            TransactionInput(bytes.fromhex(txid), position, sequence=inspection.REPLACEABLE)
            for _, (txid, position, _) in spent
        ]
        vout = [TransactionOutput(units, Script(bytes.fromhex(wanted.to_key)))]
        psbt = PSBT(Transaction(version=2, vin=vin, vout=vout, locktime=0))
        for scope, (coin, (txid, position, satoshi)) in zip(psbt.inputs, spent, strict=True):
            payment = coin.payment
            made_by = Transaction.parse(bytes.fromhex(await self._rpc.call(str, "getrawtransaction", txid)))
            coin_of = made_by.vout[position]
            if bytes(made_by.txid()).hex() != txid or (coin_of.value, coin_of.script_pubkey.data.hex()) != (
                satoshi,
                payment.watch_key,
            ):
                raise UnsafeTransaction(f"{txid}:{position} is not the coin that was credited")
            scope.non_witness_utxo, scope.witness_utxo = made_by, coin_of
            key, derivation = _key(coin, wanted)
            scope.bip32_derivations[key] = derivation
        return psbt

    def signed(self, plan: SweepPlan, text: str) -> Broadcast:
        """Return the transaction of the plan that a signed PSBT, or a transaction in hex, is. Raises Invalid."""
        raw = _raw(text)
        try:
            transaction = inspection.read(raw)
        except UnsafeTransaction as wrong:
            raise Invalid(f"This is no signed transaction: {wrong.detail}", pointer="/signed") from wrong
        for planned in plan.transactions:
            if planned.txid == transaction.txid:
                if not all(len(each.witness) == 2 for each in transaction.inputs):
                    raise Invalid("Not every input is signed.", pointer="/signed")
                return Broadcast(planned.number, transaction.txid, raw.hex())
        raise Invalid(
            "This transaction is none of the plan: its coins, receiver or amount are others.", pointer="/signed"
        )

    async def broadcast(self, signed: Broadcast) -> None:
        """Give it to the network; known already is no error. Raises Invalid for what the network refuses, Transient."""
        try:
            await self._rpc.call(str, "sendrawtransaction", signed.raw)
        except RpcRefused as refused:
            if refused.code != _IN_CHAIN_ALREADY and not await self.whereabouts([signed.txid]):
                raise Invalid(f"The network refuses the transaction: {refused.message}", pointer="/signed") from refused

    async def whereabouts(self, txids: Sequence[str]) -> Mapping[str, int | None]:
        """Return the height of each transaction that the node knows, None while it is in the mempool."""
        found: dict[str, int | None] = {}
        for txid in txids:
            try:
                place = await self._rpc.call(_Place, "getrawtransaction", txid, True)
            except RpcRefused as refused:
                if refused.code == _NOT_FOUND:
                    continue
                raise
            if place.blockhash is None:
                found[txid] = None
                continue
            block = await self._rpc.call(_Height, "getblockheader", place.blockhash)
            found[txid] = block.height if block.confirmations > 0 else None
        return found


def _chunks(coins: Sequence[Sweepable]) -> Iterator[list[Sweepable]]:
    """Yield coins by addresses, each with at most INPUTS inputs; an address with more is passed over."""
    chunk: list[Sweepable] = []
    count = 0
    for coin in coins:
        if chunk and count + len(coin.inputs) > INPUTS:
            yield chunk
            chunk, count = [], 0
        chunk.append(coin)
        count += len(coin.inputs)
    if chunk:
        yield chunk


def _swept(coin: Sweepable, fee: int, number: int) -> SweptCoin:
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
        inputs=tuple(f"{txid}:{position}" for txid, position, _ in coin.inputs),
    )


def _key(coin: Sweepable, wanted: Wanted) -> tuple[object, DerivationPath]:
    """Return the public key that signs for an address, and where the merchant's wallet finds it."""
    account = HDKey.from_string(wanted.account_key(coin.fingerprint))
    branch = [0, coin.payment.derivation_index]
    key = account.derive(branch).key
    if wanted.origin is None:
        return key, DerivationPath(account.my_fingerprint, branch)
    fingerprint, _, path = wanted.origin.partition("/")
    return key, DerivationPath(bytes.fromhex(fingerprint), [*(parse_path(f"m/{path}") if path else []), *branch])


def _raw(text: str) -> bytes:
    """Return the bytes of a signed transaction in hex, or of a signed PSBT in base64. Raises Invalid."""
    if _HEX.fullmatch(text):  # a PSBT in base64 begins with cHNidP
        return bytes.fromhex(text.removeprefix("0x"))
    try:
        psbt = PSBT.parse(b64decode(text, validate=True))
        done = finalizer.finalize_psbt(psbt)
    except (NotBase64, EmbitError, ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
        raise Invalid("This is neither a signed PSBT nor a transaction in hex.", pointer="/signed") from error
    if done is None:
        raise Invalid("Not every input of the PSBT is signed.", pointer="/signed")
    return bytes(done.serialize())
