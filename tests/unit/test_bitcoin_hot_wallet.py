"""What a hot wallet on Bitcoin must never sign, whoever built it."""

import asyncio
import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext

import pytest
from embit.psbt import PSBT
from embit.script import Script
from embit.transaction import Transaction, TransactionInput, TransactionOutput

from shared.adapters.bitcoin import inspection, psbt
from shared.adapters.bitcoin.address import BitcoinAddresses
from shared.adapters.bitcoin.coins import Coin, fee_at, vsize
from shared.adapters.bitcoin.hot_wallet import BitcoinHotWallet, BitcoinRules, FeePolicy
from shared.adapters.bitcoin.inspection import Output
from shared.adapters.bitcoin.node import State
from shared.adapters.bitcoin.spending_node import Known, SpendingNode, Verdict
from shared.adapters.json_rpc import RpcRefused
from shared.adapters.signing.ecdsa import ORDER
from shared.adapters.signing.local_key import LocalKey
from shared.kernel.errors import Invalid, Transient
from shared.kernel.money import Asset
from shared.payments.chain import Outpoint, ReceiveAddress
from shared.payments.spending import Draft, Intent, UnsafeTransaction

SECRET = bytes(31) + b"\x2a"
ADDRESSES = BitcoinAddresses("regtest")
TO = ReceiveAddress("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "0014751e76e8199196d454941c45d1b3a323f1433bd6")
THIEF = "0014" + "66" * 20
INTENT = Intent("ref_1", "bitcoin", Asset.BTC, TO, 300_000)
COINS = (200_000, 190_000, 80_000)


class CountingKey(LocalKey):
    """Signs, and counts how often."""

    asked = 0

    async def sign(self, digest: bytes) -> tuple[int, int, int]:
        self.asked += 1
        return await super().sign(digest)


class Node(SpendingNode):
    """A node in memory, with three coins of the wallet."""

    def __init__(self) -> None:
        self.script = ""
        self.estimate: int | None = None
        self.least = 1000
        self.said = Verdict(allowed=True)
        self.refusal: RpcRefused | None = None
        self.sent: list[str] = []

    @property
    def funding(self) -> bytes:
        coins = [TransactionOutput(satoshi, Script(bytes.fromhex(self.script))) for satoshi in COINS]
        return bytes(Transaction(2, [TransactionInput(bytes(32), 0)], coins, 0).serialize())

    async def close(self) -> None:
        pass

    async def state(self) -> State:
        return State("regtest", 100, "00" * 32, 0)

    async def coins(self, address: str) -> list[Coin]:
        self.script = script_of(address)
        txid = inspection.read(self.funding).txid
        return [Coin(Outpoint(txid, output), satoshi, 6) for output, satoshi in enumerate(COINS)]

    async def known(self, address: str, txid: str) -> Known | None:
        return Known(self.funding.hex(), 6) if txid == inspection.read(self.funding).txid else None

    async def in_mempool(self, txid: str) -> bool:
        return False

    async def fee_rates(self, blocks: int) -> tuple[int | None, int]:
        return self.estimate, self.least

    async def verdict(self, raw: str) -> Verdict:
        return self.said

    async def send(self, raw: str) -> str:
        if self.refusal:
            raise self.refusal
        self.sent.append(raw)
        return inspection.read(bytes.fromhex(raw)).txid


def script_of(address: str) -> str:
    return ADDRESSES.parse(address).key


def wallet_of(node: Node, key: LocalKey | None = None, fees: FeePolicy | None = None) -> BitcoinHotWallet:
    rules = BitcoinRules("regtest", final_depth=6, fees=fees or FeePolicy())
    return BitcoinHotWallet(node, key or LocalKey(SECRET), rules)


def drafted(node: Node) -> Draft:
    return asyncio.run(wallet_of(node).draft(INTENT, taken=()))


Change = Callable[[PSBT], None]


def outputs(change: Callable[[list[TransactionOutput]], None]) -> Change:
    """Change the PSBT's outputs, in the order payment, change."""

    def changed(built: PSBT) -> None:
        listed = [scope.vout for scope in built.outputs]
        change(listed)
        built.outputs = [built.PSBTOUT_CLS(vout=each) for each in listed]

    return changed


def setting(position: int, **fields: object) -> Change:
    def change(listed: list[TransactionOutput]) -> None:
        for name, value in fields.items():
            setattr(listed[position], name, value)

    return outputs(change)


def more_paid(built: PSBT) -> None:
    built.outputs[0].value += 1
    built.outputs[1].value -= 1


def worth_less(built: PSBT) -> None:
    """The coin is shown as worth less than it is: the rest would be a hidden fee."""
    for scope in built.inputs:
        scope.witness_utxo = TransactionOutput(scope.witness_utxo.value - 1000, scope.witness_utxo.script_pubkey)


def lying_parent(built: PSBT) -> None:
    for scope in built.inputs:
        parent = Transaction.parse(scope.non_witness_utxo.serialize())
        parent.vout[scope.vout].value -= 1000
        scope.non_witness_utxo, scope.witness_utxo = parent, parent.vout[scope.vout]


def no_parent(built: PSBT) -> None:
    built.inputs[0].non_witness_utxo = None


def other_coin(built: PSBT) -> None:
    built.inputs[0].vout = 2
    built.inputs[0].witness_utxo = built.inputs[0].non_witness_utxo.vout[2]


def final_sequence(built: PSBT) -> None:
    built.inputs[0].sequence = 0xFFFFFFFF


def same_coin_twice(built: PSBT) -> None:
    built.inputs[1].vout = built.inputs[0].vout
    built.inputs[1].witness_utxo = built.inputs[0].witness_utxo


def another_kind(built: PSBT) -> None:
    built.tx_version = 1


def later(built: PSBT) -> None:
    built.locktime = 500


@pytest.mark.parametrize(
    "change",
    [
        setting(0, value=300_001),
        setting(0, value=299_999),
        setting(0, script_pubkey=Script(bytes.fromhex(THIEF))),
        setting(1, script_pubkey=Script(bytes.fromhex(THIEF))),
        setting(1, script_pubkey=Script(bytes.fromhex(TO.key))),
        setting(1, value=1),
        setting(1, value=39_999),
        more_paid,
        outputs(lambda listed: listed.pop()),
        outputs(lambda listed: listed.pop(0)),
        outputs(lambda listed: listed.append(TransactionOutput(600, Script(bytes.fromhex(THIEF))))),
        outputs(lambda listed: listed.append(TransactionOutput(600, listed[1].script_pubkey))),
        outputs(lambda listed: listed.append(TransactionOutput(0, Script(b"\x6a\x01\x00")))),
        outputs(lambda listed: listed.append(listed[0])),
        outputs(lambda listed: listed.clear()),
        worth_less,
        lying_parent,
        no_parent,
        other_coin,
        same_coin_twice,
        lambda built: built.inputs.pop(),
        lambda built: built.inputs.reverse(),
        final_sequence,
        another_kind,
        later,
    ],
)
def test_a_builder_that_builds_anything_else_is_found_out_before_anything_is_signed(change: Change) -> None:
    node, key = Node(), CountingKey(SECRET)
    draft = drafted(node)
    built = PSBT.parse(draft.body)
    change(built)
    body = bytes(built.serialize())
    assert body != draft.body
    with pytest.raises(UnsafeTransaction):
        asyncio.run(wallet_of(node, key).sign(dataclasses.replace(draft, body=body)))
    assert key.asked == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda draft: dataclasses.replace(draft, fee=draft.fee + 1),
        lambda draft: dataclasses.replace(draft, fee=draft.fee - 1),
        lambda draft: dataclasses.replace(draft, fee_asset=Asset.ETH),
        lambda draft: dataclasses.replace(draft, slots=draft.slots[:1]),
        lambda draft: dataclasses.replace(draft, slots=draft.slots[::-1]),
        lambda draft: dataclasses.replace(draft, intent=dataclasses.replace(INTENT, units=299_999)),
        lambda draft: dataclasses.replace(draft, intent=dataclasses.replace(INTENT, to=thief())),
        lambda draft: dataclasses.replace(draft, body=b""),
        lambda draft: dataclasses.replace(draft, body=draft.body[:-3]),
        lambda draft: dataclasses.replace(draft, body=b"psbt\xff" + bytes(40)),
    ],
)
def test_a_draft_that_contradicts_its_transaction_is_not_signed(change: Callable[[Draft], Draft]) -> None:
    node, key = Node(), CountingKey(SECRET)
    draft = change(drafted(node))
    with pytest.raises(UnsafeTransaction):
        asyncio.run(wallet_of(node, key).sign(draft))
    assert key.asked == 0


def thief() -> ReceiveAddress:
    return ADDRESSES.parse(ADDRESSES.text(THIEF))


def test_fee_beyond_the_limit_is_neither_drafted_nor_signed() -> None:
    node = Node()
    draft = drafted(node)
    tight = wallet_of(node, fees=FeePolicy(limit=draft.fee - 1))
    with pytest.raises(UnsafeTransaction, match="fee"):
        asyncio.run(tight.sign(draft))
    with pytest.raises(Transient, match="fees"):
        asyncio.run(tight.draft(INTENT, taken=()))


class Stranger(LocalKey):
    """Signs with another key than it shows."""

    async def sign(self, digest: bytes) -> tuple[int, int, int]:
        return await LocalKey(b"\x01" * 32).sign(digest)


class OfAnotherDigest(LocalKey):
    async def sign(self, digest: bytes) -> tuple[int, int, int]:
        return await super().sign(hashlib.sha256(digest).digest())


class HighS(LocalKey):
    async def sign(self, digest: bytes) -> tuple[int, int, int]:
        r, s, recovery = await super().sign(digest)
        return r, ORDER - s, 1 - recovery


@pytest.mark.parametrize("kind", [Stranger, OfAnotherDigest, HighS])
def test_a_signature_that_is_not_the_wallets_is_found_out(kind: type[LocalKey]) -> None:
    node = Node()
    draft = drafted(node)
    with pytest.raises(UnsafeTransaction, match="signature"):
        asyncio.run(wallet_of(node, kind(SECRET)).sign(draft))


def with_sighash(kind: int) -> Callable[[bytes, Sequence[Sequence[bytes]]], bytes]:
    """Complete transactions as a broken library would that signs less than all."""
    complete = psbt.complete
    return lambda body, witnesses: complete(body, [(der[:-1] + bytes([kind]), key) for der, key in witnesses])


def paying_the_thief(body: bytes, witnesses: Sequence[Sequence[bytes]]) -> bytes:
    built = PSBT.parse(body)
    built.outputs[0].script_pubkey = Script(bytes.fromhex(THIEF))
    return COMPLETE(bytes(built.serialize()), witnesses)


def unsigned(body: bytes, witnesses: Sequence[Sequence[bytes]]) -> bytes:
    return COMPLETE(body, [[] for _ in witnesses])


def twice(body: bytes, witnesses: Sequence[Sequence[bytes]]) -> bytes:
    return COMPLETE(body, witnesses) * 2


COMPLETE = psbt.complete


@pytest.mark.parametrize(
    "complete",
    [with_sighash(0), with_sighash(2), with_sighash(3), with_sighash(0x81), paying_the_thief, unsigned, twice],
)
def test_what_a_broken_library_makes_of_the_signatures_is_not_returned(
    complete: Callable[[bytes, Sequence[Sequence[bytes]]], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node()
    draft = drafted(node)
    monkeypatch.setattr(psbt, "complete", complete)
    with pytest.raises(UnsafeTransaction):
        asyncio.run(wallet_of(node).sign(draft))


def test_a_library_that_signs_the_wrong_hash_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node()
    draft = drafted(node)
    monkeypatch.setattr(PSBT, "sighash", lambda self, position: hashlib.sha256(bytes([position])).digest())
    with pytest.raises(UnsafeTransaction, match="signature"):
        asyncio.run(wallet_of(node).sign(draft))


def test_a_builder_that_pays_too_much_is_found_out_at_the_draft(monkeypatch: pytest.MonkeyPatch) -> None:
    build = psbt.build

    def broken(inputs: Sequence[Outpoint], paid: Sequence[Output], raw_by_txid: dict[str, bytes]) -> bytes:
        return build(inputs, [paid[0]._replace(satoshi=paid[0].satoshi + 1), *paid[1:]], raw_by_txid)

    monkeypatch.setattr(psbt, "build", broken)
    with pytest.raises(UnsafeTransaction):
        drafted(Node())


@pytest.mark.parametrize(
    ("reason", "raised"),
    [
        ("missing-inputs", Transient),
        ("insufficient fee, rejecting replacement", Transient),
        ("too-long-mempool-chain", Transient),
        ("mempool full", Transient),
        ("mandatory-script-verify-flag-failed (Signature must be zero)", UnsafeTransaction),
        ("dust", UnsafeTransaction),
        ("bad-txns-in-belowout", UnsafeTransaction),
    ],
)
def test_the_nodes_verdict_counts(reason: str, raised: type[Exception]) -> None:
    node = Node()
    draft = drafted(node)
    node.said = Verdict(allowed=False, reject_reason=reason)
    with pytest.raises(raised):
        asyncio.run(wallet_of(node).sign(draft))
    node.said = Verdict(allowed=False, reject_reason="txn-already-in-mempool")
    assert asyncio.run(wallet_of(node).sign(draft)).slots == draft.slots


@pytest.mark.parametrize(
    ("code", "message", "raised"),
    [
        (-27, "Transaction outputs already in utxo set", None),
        (-26, "txn-already-known", None),
        (-26, "min relay fee not met, 100 < 110", Transient),
        (-25, "bad-txns-inputs-missingorspent", Transient),
        (-26, "mandatory-script-verify-flag-failed", Invalid),
        (-28, "Loading block index…", Transient),
    ],
)
def test_refused_broadcasts_say_whether_to_try_again(code: int, message: str, raised: type[Exception] | None) -> None:
    node = Node()
    signed = asyncio.run(wallet_of(node).sign(drafted(node)))
    node.refusal = RpcRefused("sendrawtransaction", code, message)
    with pytest.raises(raised) if raised else nullcontext():
        asyncio.run(wallet_of(node).broadcast(signed))


def test_rates_keep_to_floor_ceiling_and_what_nodes_take() -> None:
    node = Node()
    size = vsize(2, (22, 22))
    for estimate, least, rate in ((None, 1000, 1000), (5000, 1000, 5000), (10**7, 1000, 300_000), (2000, 7000, 7000)):
        node.estimate, node.least = estimate, least
        assert drafted(node).fee == fee_at(rate, size)
    node.least = 300_001
    with pytest.raises(Transient, match="ceiling"):
        drafted(node)


def test_hash_that_is_signed_is_that_of_the_standard() -> None:
    """The example "Native P2WPKH" of BIP-143."""
    transaction = inspection.read(
        bytes.fromhex(
            "0100000002fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f0000000000eeffffffef51e1b804cc89d1"
            "82d279655c3aa89e815b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff02202cb206000000001976a9148280b37df378db99"
            "f66f85c95a783a76ac7a6d5988ac9093510d000000001976a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa815988ac11000000"
        )
    )
    key = bytes.fromhex("025476c2e83188368da1ff3e292e7acafcdb3566bb0ad253f62fc70f07aeee6357")
    digest = inspection.signature_hash(transaction, 1, key, 600_000_000)
    assert digest.hex() == "c37af31116d1b27caf68aae9e3ac82f1477929014d5b917657d0eb49478cb670"


def test_transactions_that_are_none_are_refused() -> None:
    node = Node()
    raw = bytes.fromhex(asyncio.run(wallet_of(node).sign(drafted(node))).raw)
    assert inspection.read(raw).weight == 3 * len(node_stripped(raw)) + len(raw)
    for cut in range(len(raw)):
        with pytest.raises(UnsafeTransaction):
            inspection.read(raw[:cut])
    with pytest.raises(UnsafeTransaction):
        inspection.read(raw + b"\0")


def node_stripped(raw: bytes) -> bytes:
    parsed = Transaction.parse(raw)
    for each in parsed.vin:
        each.witness.items = []
    return bytes(parsed.serialize())
