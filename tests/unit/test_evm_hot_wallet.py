"""What a hot wallet on an EVM chain must never sign, whoever built it."""

import asyncio
import dataclasses
from collections.abc import Callable

import pytest
import rlp
from eth_account import Account

from shared.adapters.evm.address import EvmAddresses
from shared.adapters.evm.chain import EvmChain
from shared.adapters.evm.dynamic_fee import Transaction, read_signed, read_unsigned
from shared.adapters.evm.hot_wallet import EvmHotWallet, EvmRules, FeePolicy
from shared.adapters.evm.node import Log
from shared.adapters.evm.spending_node import EvmSpendingNode, Receipt, Trial
from shared.adapters.json_rpc import RpcRefused
from shared.adapters.signing.ecdsa import ORDER
from shared.adapters.signing.local_key import LocalKey
from shared.kernel.errors import Invalid, Transient
from shared.kernel.money import Asset
from shared.payments.chain import BlockRef
from shared.payments.spending import Draft, Intent, Standing, UnsafeTransaction, WalletShort, Whereabouts

SECRET = bytes(31) + b"\x2a"
ADDRESSES = EvmAddresses()
OWN = Account.from_key(SECRET).address.lower()
USDT = "0x" + "dd" * 20
USDC = "0x" + "cc" * 20
TO = ADDRESSES.parse("0x" + "11" * 20)
THIEF = ADDRESSES.parse("0x" + "66" * 20)
RULES = EvmRules(8453, Asset.ETH, {Asset.USDT: USDT, Asset.USDC: USDC})
TOKEN = Intent("ref_1", "evm:8453", Asset.USDT, TO, 5_000_000)
COIN = dataclasses.replace(TOKEN, asset=Asset.ETH, units=10**17)
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"


class CountingKey(LocalKey):
    asked = 0

    async def sign(self, digest: bytes) -> tuple[int, int, int]:
        self.asked += 1
        return await super().sign(digest)


class Node(EvmSpendingNode):
    """A node in memory: an account with plenty, its fourth transaction next."""

    def __init__(self) -> None:
        self.trial = Trial(True, TOKEN.units)
        self.base, self.tip, self.wei = 10**9, 10**8, 10**18
        self.refusal: RpcRefused | None = None
        self.found: Receipt | None = None

    async def transaction_count(self, address: str) -> int:
        return 4

    async def balance(self, address: str, *, waiting: bool = True) -> int:
        return self.wei

    async def token_balance(self, contract: str, address: str) -> int:
        return 10**12

    async def fees(self) -> tuple[int, int]:
        return self.base, self.tip

    async def gas(self, sender: str, to: str, value: int, call_data: bytes) -> int:
        return 50_000 if call_data else 21_000

    async def try_transfer(self, contract: str, sender: str, receiver: str, units: int) -> Trial:
        return self.trial

    async def send(self, raw: str) -> str:
        if self.refusal:
            raise self.refusal
        raise AssertionError("nothing is sent here")

    async def receipt(self, txid: str) -> Receipt | None:
        return self.found

    async def waits(self, txid: str) -> bool:
        return False


class Seen(EvmChain):
    """The chain at height 10, final up to 8."""

    def __init__(self) -> None:
        self._chain_id = RULES.chain_id

    async def tip(self) -> BlockRef:
        return BlockRef("evm:8453", 10, "0x" + "aa" * 32)

    async def finalized_height(self) -> int:
        return 8


def wallet_of(node: Node, key: LocalKey | None = None, rules: EvmRules = RULES) -> EvmHotWallet:
    return EvmHotWallet(node, Seen(), key or LocalKey(SECRET), rules)


def drafted(intent: Intent = TOKEN) -> Draft:
    return asyncio.run(wallet_of(Node()).draft(intent, taken=()))


def built(draft: Draft, **fields: object) -> bytes:
    return dataclasses.replace(read_unsigned(draft.body), **fields).unsigned()  # type: ignore[arg-type]


def call_to(receiver: str, units: int, selector: str = "a9059cbb") -> bytes:
    return bytes.fromhex(selector + receiver[2:].rjust(64, "0") + f"{units:064x}")


@pytest.mark.parametrize(
    ("intent", "fields"),
    [
        (TOKEN, {"chain_id": 1}),
        (TOKEN, {"nonce": 5}),
        (TOKEN, {"to": USDC}),
        (TOKEN, {"to": THIEF.key}),
        (TOKEN, {"value": 1}),
        (TOKEN, {"call_data": call_to(THIEF.key, TOKEN.units)}),
        (TOKEN, {"call_data": call_to(TO.key, TOKEN.units + 1)}),
        (TOKEN, {"call_data": call_to(TO.key, TOKEN.units - 1)}),
        (TOKEN, {"call_data": call_to(TO.key, TOKEN.units, "095ea7b3")}),
        (TOKEN, {"call_data": call_to(TO.key, TOKEN.units) + b"\0"}),
        (TOKEN, {"call_data": b""}),
        (TOKEN, {"gas": 62_501}),
        (TOKEN, {"max_fee": 10**12}),
        (TOKEN, {"tip": 0}),
        (TOKEN, {"tip": 10**12}),
        (COIN, {"value": 10**17 + 1}),
        (COIN, {"value": 0}),
        (COIN, {"to": THIEF.key}),
        (COIN, {"call_data": b"\x01"}),
    ],
)
def test_a_builder_that_builds_anything_else_is_found_out_before_anything_is_signed(
    intent: Intent, fields: dict[str, object]
) -> None:
    key, draft = CountingKey(SECRET), drafted(intent)
    body = built(draft, **fields)
    assert body != draft.body
    with pytest.raises(UnsafeTransaction):
        asyncio.run(wallet_of(Node(), key).sign(dataclasses.replace(draft, body=body)))
    assert key.asked == 0


def encoded(change: Callable[[list[object]], object]) -> Callable[[bytes], bytes]:
    def changed(body: bytes) -> bytes:
        fields = rlp.decode(body[1:])
        change(fields)
        return body[:1] + bytes(rlp.encode(fields))

    return changed


@pytest.mark.parametrize(
    "change",
    [
        lambda body: b"",
        lambda body: body + b"\0",
        lambda body: body[:-1],
        lambda body: b"\x01" + body[1:],
        lambda body: body[1:],
        encoded(lambda fields: fields.append(b"")),
        encoded(lambda fields: fields.pop()),
        encoded(lambda fields: fields.__setitem__(8, [[bytes(20), []]])),
        encoded(lambda fields: fields.__setitem__(5, b"")),
        encoded(lambda fields: fields.__setitem__(5, [b"a"])),
        encoded(lambda fields: fields.__setitem__(1, b"\0\4")),
        encoded(lambda fields: fields.__setitem__(1, [])),
        encoded(lambda fields: fields.__setitem__(7, [])),
        encoded(lambda fields: fields.__setitem__(6, b"\1" * 33)),
    ],
)
def test_bytes_that_are_no_such_transaction_are_not_signed(change: Callable[[bytes], bytes]) -> None:
    key, draft = CountingKey(SECRET), drafted()
    with pytest.raises(UnsafeTransaction):
        asyncio.run(wallet_of(Node(), key).sign(dataclasses.replace(draft, body=change(draft.body))))
    assert key.asked == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"fee": 1},
        {"fee_asset": Asset.USDT},
        {"slots": (f"{OWN}:5",)},
        {"slots": (f"{THIEF.key}:4",)},
        {"slots": ()},
        {"slots": (f"{OWN}:4", f"{OWN}:5")},
        {"intent": dataclasses.replace(TOKEN, to=THIEF)},
        {"intent": dataclasses.replace(TOKEN, units=4_999_999)},
        {"intent": dataclasses.replace(TOKEN, asset=Asset.USDC)},
        {"intent": dataclasses.replace(TOKEN, asset=Asset.ETH)},
    ],
)
def test_a_draft_that_contradicts_its_transaction_is_not_signed(fields: dict[str, object]) -> None:
    key = CountingKey(SECRET)
    draft = dataclasses.replace(drafted(), **fields)  # type: ignore[arg-type]
    with pytest.raises(UnsafeTransaction):
        asyncio.run(wallet_of(Node(), key).sign(draft))
    assert key.asked == 0


def test_fee_beyond_the_limit_is_not_signed() -> None:
    draft = drafted()
    tight = dataclasses.replace(RULES, fees=FeePolicy(limit=draft.fee - 1))
    with pytest.raises(UnsafeTransaction, match="limit"):
        asyncio.run(wallet_of(Node(), rules=tight).sign(draft))


class Stranger(LocalKey):
    async def sign(self, digest: bytes) -> tuple[int, int, int]:
        return await LocalKey(b"\x01" * 32).sign(digest)


class OtherDigest(LocalKey):
    async def sign(self, digest: bytes) -> tuple[int, int, int]:
        return await super().sign(digest[::-1])


class OtherRecovery(LocalKey):
    async def sign(self, digest: bytes) -> tuple[int, int, int]:
        r, s, recovery = await super().sign(digest)
        return r, s, 1 - recovery


class HighS(LocalKey):
    async def sign(self, digest: bytes) -> tuple[int, int, int]:
        r, s, recovery = await super().sign(digest)
        return r, ORDER - s, 1 - recovery


class Nonsense(LocalKey):
    async def sign(self, digest: bytes) -> tuple[int, int, int]:
        return 5, 5, 0


@pytest.mark.parametrize("kind", [Stranger, OtherDigest, OtherRecovery, HighS, Nonsense])
def test_a_signature_that_is_not_the_wallets_is_found_out(kind: type[LocalKey]) -> None:
    with pytest.raises(UnsafeTransaction):
        asyncio.run(wallet_of(Node(), kind(SECRET)).sign(drafted()))


def test_a_builder_that_pays_somebody_else_is_found_out_at_the_draft(monkeypatch: pytest.MonkeyPatch) -> None:
    unsigned = Transaction.unsigned
    monkeypatch.setattr(Transaction, "unsigned", lambda self: unsigned(dataclasses.replace(self, to=THIEF.key)))
    with pytest.raises(UnsafeTransaction):
        drafted()


@pytest.mark.parametrize("intent", [TOKEN, COIN])
def test_signed_bytes_are_those_that_another_library_makes(intent: Intent) -> None:
    draft = drafted(intent)
    signed = asyncio.run(wallet_of(Node()).sign(draft))
    transaction, sender = read_signed(bytes.fromhex(signed.raw))
    fields = {
        "type": 2,
        "chainId": transaction.chain_id,
        "nonce": transaction.nonce,
        "maxPriorityFeePerGas": transaction.tip,
        "maxFeePerGas": transaction.max_fee,
        "gas": transaction.gas,
        "to": bytes.fromhex(transaction.to[2:]),
        "value": transaction.value,
        "data": transaction.call_data,
    }
    theirs = Account.from_key(SECRET).sign_transaction(fields)
    assert bytes(theirs.raw_transaction).hex() == signed.raw
    assert "0x" + bytes(theirs.hash).hex() == signed.txid
    assert Account.from_key(SECRET).address.lower() == sender
    assert signed.fee == transaction.gas * transaction.max_fee


def test_versions_of_another_account_are_not_bumped() -> None:
    """After a change of keys, a bump would share no nonce with what was signed before: both could be mined."""
    before = asyncio.run(wallet_of(Node(), LocalKey(b"\x01" * 32)).sign(drafted_by(b"\x01" * 32)))
    with pytest.raises(UnsafeTransaction, match="another account"):
        asyncio.run(wallet_of(Node()).bump(TOKEN, [before], taken=()))


def drafted_by(secret: bytes) -> Draft:
    return asyncio.run(wallet_of(Node(), LocalKey(secret)).draft(TOKEN, taken=()))


@pytest.mark.parametrize(
    ("trial", "said"), [(Trial(False, 0), "refuses"), (Trial(True, 4_999_999), "keeps a fee"), (Trial(True, 0), "fee")]
)
def test_a_token_that_would_not_bring_every_unit_is_not_asked(trial: Trial, said: str) -> None:
    node = Node()
    node.trial = trial
    with pytest.raises(Invalid, match=said):
        asyncio.run(wallet_of(node).draft(TOKEN, taken=()))


@pytest.mark.parametrize(
    ("base", "raised", "tip"),
    [(10**9, None, 10**8), (10**12, Transient, 0), (4 * 10**11, Transient, 0), (0, None, 10**8)],
)
def test_gas_is_offered_within_the_limits(base: int, raised: type[Exception] | None, tip: int) -> None:
    node = Node()
    node.base, node.wei = base, 10**20
    if raised:
        with pytest.raises(raised, match="Gas"):
            asyncio.run(wallet_of(node).draft(TOKEN, taken=()))
        return
    transaction = read_unsigned(asyncio.run(wallet_of(node).draft(TOKEN, taken=())).body)
    assert (transaction.max_fee, transaction.tip) == (2 * base + tip, tip)


@pytest.mark.parametrize(
    ("message", "raised"),
    [
        ("already known", None),
        ("transaction already imported", None),
        ("nonce too low: next nonce 5, tx nonce 4", Transient),
        ("replacement transaction underpriced", Transient),
        ("insufficient funds for gas * price + value", WalletShort),
        ("intrinsic gas too low", Invalid),
        ("exceeds block gas limit", Invalid),
        ("txpool is full", Transient),
    ],
)
def test_refused_broadcasts_say_whether_to_try_again(message: str, raised: type[Exception] | None) -> None:
    node = Node()
    signed = asyncio.run(wallet_of(node).sign(drafted()))
    node.refusal = RpcRefused("eth_sendRawTransaction", -32000, message)
    if raised is None:
        asyncio.run(wallet_of(node).broadcast(signed))
        return
    with pytest.raises(raised):
        asyncio.run(wallet_of(node).broadcast(signed))


def log(contract: str, sender: str, receiver: str, units: int) -> Log:
    topics = [TRANSFER, *("0x" + key[2:].rjust(64, "0") for key in (sender, receiver))]
    return Log(contract, topics, hex(units), "0x" + "bb" * 32, "0x", "0x0")


def standing(intent: Intent, status: str, *logs: Log, height: int = 9) -> Standing:
    node = Node()
    signed = asyncio.run(wallet_of(node).sign(drafted(intent)))
    node.found = Receipt("0x" + "bb" * 32, hex(height), status, hex(40_000), hex(10**9), list(logs), l1_fee="0x5")
    [found] = asyncio.run(wallet_of(node).standing([signed]))
    return found


def test_what_reached_the_receiver_is_read_from_status_and_logs() -> None:
    paid = log(USDT, OWN, TO.key, TOKEN.units)
    assert standing(TOKEN, "0x1", paid) == Standing(
        Whereabouts.MINED, 2, 9, "0x" + "bb" * 32, 40_000 * 10**9 + 5, False, TOKEN.units
    )
    assert standing(TOKEN, "0x1", paid, height=8).final
    assert standing(COIN, "0x1").moved == COIN.units
    less = standing(TOKEN, "0x1", log(USDT, OWN, TO.key, 4), log(USDT, OWN, THIEF.key, 6))
    assert (less.whereabouts, less.moved) == (Whereabouts.MINED, 4)
    for failed in (
        standing(TOKEN, "0x0", paid),
        standing(COIN, "0x0"),
        standing(TOKEN, "0x1"),
        standing(TOKEN, "0x1", log(USDC, OWN, TO.key, TOKEN.units)),
        standing(TOKEN, "0x1", log(USDT, THIEF.key, TO.key, TOKEN.units)),
        standing(TOKEN, "0x1", log(USDT, OWN, THIEF.key, TOKEN.units)),
    ):
        assert (failed.whereabouts, failed.moved, failed.fee) == (Whereabouts.FAILED, 0, 40_000 * 10**9 + 5)
