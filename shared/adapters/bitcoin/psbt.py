"""Transactions of the hot wallet as PSBTs (BIP-174), built and completed with embit.

Each input carries the whole transaction that made its coin: its hash is the txid that is spent, so nobody can lie about
what the coin is worth. embit builds and says what is to be signed; `inspection.py` reads the result on its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from embit.base import EmbitError
from embit.psbt import PSBT
from embit.script import Script, Witness
from embit.transaction import Transaction as EmbitTransaction
from embit.transaction import TransactionInput, TransactionOutput

from shared.adapters.bitcoin import inspection
from shared.adapters.bitcoin.inspection import REPLACEABLE, Output
from shared.payments.chain import Outpoint
from shared.payments.spending import UnsafeTransaction


@dataclass(frozen=True, slots=True)
class Opened:
    """A PSBT read again. `satoshi_by_input` is proven by the transactions that it carries."""

    unsigned: inspection.Transaction
    satoshi_by_input: Mapping[Outpoint, int]
    digests: tuple[bytes, ...]
    """What each input signs, as embit computes it."""


def build(inputs: Sequence[Outpoint], outputs: Sequence[Output], raw_by_txid: Mapping[str, bytes]) -> bytes:
    """Return the PSBT of a replaceable transaction. `raw_by_txid` has the transactions that made the inputs."""
    psbt = PSBT(
        EmbitTransaction(
            version=2,
            vin=[TransactionInput(bytes.fromhex(each.txid), each.output, sequence=REPLACEABLE) for each in inputs],
            vout=[TransactionOutput(each.satoshi, Script(bytes.fromhex(each.script))) for each in outputs],
            locktime=0,
        )
    )
    for scope, each in zip(psbt.inputs, inputs, strict=True):
        made_by = EmbitTransaction.parse(raw_by_txid[each.txid])
        scope.non_witness_utxo = made_by
        scope.witness_utxo = made_by.vout[each.output]
    return bytes(psbt.serialize())


def open_(body: bytes, home: str) -> Opened:
    """Return what a PSBT would do, each coin a coin of the script `home` (hex). Raises UnsafeTransaction."""
    psbt = _parsed(body)
    unsigned = inspection.read(psbt.tx.serialize())
    satoshi_by_input: dict[Outpoint, int] = {}
    for scope, spent in zip(psbt.inputs, unsigned.inputs, strict=True):
        if scope.non_witness_utxo is None or scope.witness_utxo is None:
            raise UnsafeTransaction("a PSBT that does not show where a coin comes from")
        made_by = inspection.read(scope.non_witness_utxo.serialize())
        if made_by.txid != spent.outpoint.txid or spent.outpoint.output >= len(made_by.outputs):
            raise UnsafeTransaction("a PSBT whose coin was made by another transaction")
        coin = made_by.outputs[spent.outpoint.output]
        shown = Output(scope.witness_utxo.value, scope.witness_utxo.script_pubkey.data.hex())
        if coin != shown or coin.script != home:
            raise UnsafeTransaction("a PSBT whose coin is worth something else, or not the wallet's")
        satoshi_by_input[spent.outpoint] = coin.satoshi
    digests = tuple(bytes(psbt.sighash(position)) for position in range(len(psbt.inputs)))
    return Opened(unsigned, satoshi_by_input, digests)


def complete(body: bytes, witnesses: Sequence[Sequence[bytes]]) -> bytes:
    """Return the signed transaction: the PSBT's, with a witness for each input."""
    transaction = _parsed(body).tx
    for signed, witness in zip(transaction.vin, witnesses, strict=True):
        signed.witness = Witness(list(witness))
    return bytes(transaction.serialize())


def _parsed(body: bytes) -> PSBT:
    try:
        return PSBT.parse(body)
    except (EmbitError, ValueError, LookupError, RuntimeError, TypeError, AttributeError) as error:
        raise UnsafeTransaction("what is to be signed is no PSBT") from error
