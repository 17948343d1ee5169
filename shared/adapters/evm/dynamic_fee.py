"""EIP-1559 transactions: bytes from fields and fields from bytes, and what a payment must look like.

The checks read the bytes again, unsigned and signed; the sender is recovered from the signature. Sources: EIP-1559,
EIP-2718, EIP-2 (low s).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import rlp
from coincurve import PublicKey
from rlp.exceptions import RLPException

from shared.adapters.evm.keccak import keccak256
from shared.kernel.money import Asset
from shared.payments.spending import Intent, UnsafeTransaction

TYPE: Final = b"\x02"
TRANSFER_CALL: Final = bytes.fromhex("a9059cbb")
"""`transfer(address,uint256)`, ERC-20."""
_UNSIGNED_FIELDS: Final = 9
_HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction that pays. `to` in lower-case hex with 0x, fees in wei per gas, `value` in wei."""

    chain_id: int
    nonce: int
    tip: int
    max_fee: int
    gas: int
    to: str
    value: int
    call_data: bytes

    @property
    def fee(self) -> int:
        """Return the wei that it can cost at most."""
        return self.gas * self.max_fee

    def slot(self, account: str) -> str:
        """Return how `shared.payments.spending.Draft.slots` names what this uses up of the account."""
        return slot_of(account, self.nonce)

    def unsigned(self) -> bytes:
        """Return the bytes whose Keccak-256 is signed."""
        return TYPE + bytes(rlp.encode(self._fields()))

    def signed(self, r: int, s: int, recovery: int) -> bytes:
        """Return the bytes that are broadcast."""
        return TYPE + bytes(rlp.encode([*self._fields(), _number(recovery), _number(r), _number(s)]))

    def _fields(self) -> list[Any]:
        numbers = [self.chain_id, self.nonce, self.tip, self.max_fee, self.gas]
        return [
            *map(_number, numbers),
            bytes.fromhex(self.to[2:]),
            _number(self.value),
            self.call_data,
            [],
        ]


def read_unsigned(raw: bytes) -> Transaction:
    """Return the transaction of these bytes. Raises UnsafeTransaction when they are anything else."""
    fields = _decoded(raw)
    if len(fields) != _UNSIGNED_FIELDS:
        raise UnsafeTransaction("what is to be signed has other fields than an unsigned transaction")
    return _transaction(fields)


def read_signed(raw: bytes) -> tuple[Transaction, str]:
    """Return the transaction and who signed it (lower-case hex with 0x). Raises UnsafeTransaction."""
    fields = _decoded(raw)
    if len(fields) != _UNSIGNED_FIELDS + 3:
        raise UnsafeTransaction("a signed transaction with other fields than one has")
    transaction = _transaction(fields[:_UNSIGNED_FIELDS])
    recovery, r, s = (_integer(field) for field in fields[_UNSIGNED_FIELDS:])
    if recovery not in (0, 1) or not 0 < s <= _HALF_ORDER:
        raise UnsafeTransaction("a signature that the chain does not take")
    return transaction, _sender(keccak256(transaction.unsigned()), recovery, r, s)


def txid_of(raw: bytes) -> str:
    """Return the hash by which the chain names a signed transaction."""
    return "0x" + keccak256(raw).hex()


def slot_of(account: str, nonce: int) -> str:
    """Return the slot of an account's nonce. The account is in it, because another key's nonces begin anew."""
    return f"{account}:{nonce}"


def payment(intent: Intent, contract_by_asset: Mapping[Asset, str]) -> tuple[str, int, bytes]:
    """Return (to, value, call data) that pay the intent. `contract_by_asset` has the tokens; all else is native."""
    contract = contract_by_asset.get(intent.asset)
    if contract is None:
        return intent.to.key, intent.units, b""
    receiver = bytes.fromhex(intent.to.key[2:]).rjust(32, b"\0")
    return contract, 0, TRANSFER_CALL + receiver + intent.units.to_bytes(32, "big")


def address_of(public_key: bytes) -> str:
    """Return the lower-case address of a public key."""
    return "0x" + keccak256(PublicKey(public_key).format(compressed=False)[1:])[12:].hex()


def _sender(digest: bytes, recovery: int, r: int, s: int) -> str:
    try:
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([recovery])
        return address_of(PublicKey.from_signature_and_message(signature, digest, hasher=None).format())
    except (ValueError, OverflowError) as error:
        raise UnsafeTransaction("a signature of nobody") from error


def _decoded(raw: bytes) -> Sequence[Any]:
    if raw[:1] != TYPE:
        raise UnsafeTransaction("a transaction of another type than EIP-1559")
    try:
        fields = rlp.decode(raw[1:], strict=True)
    except RLPException as error:
        raise UnsafeTransaction("a transaction that is no RLP") from error
    if not isinstance(fields, list) or TYPE + rlp.encode(fields) != raw:
        raise UnsafeTransaction("a transaction that is not written in the shortest way")
    return fields


def _transaction(fields: Sequence[Any]) -> Transaction:
    chain_id, nonce, tip, max_fee, gas, to, value, call_data, access_list = fields
    if not isinstance(to, bytes) or len(to) != 20 or not isinstance(call_data, bytes) or access_list != []:
        raise UnsafeTransaction("a transaction to no address, or with an access list")
    return Transaction(
        chain_id=_integer(chain_id),
        nonce=_integer(nonce),
        tip=_integer(tip),
        max_fee=_integer(max_fee),
        gas=_integer(gas),
        to="0x" + to.hex(),
        value=_integer(value),
        call_data=call_data,
    )


def _number(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def _integer(field: object) -> int:
    if not isinstance(field, bytes) or len(field) > 32 or field[:1] == b"\0":
        raise UnsafeTransaction("a transaction with a number that is none")
    return int.from_bytes(field, "big")
