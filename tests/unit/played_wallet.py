"""A hot wallet that plays a chain in memory, a store that keeps what is sent, and deaths at any point between the two.

The chain takes what a real one takes: of two transactions that share a slot one at most, replacements for a higher fee
only; it reorganises, forgets and reverts when it is told to, but never what it called final.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, cast

from shared.kernel.decision import By, Stored
from shared.kernel.errors import Fenced, Invalid, Transient
from shared.kernel.facts import Fact
from shared.kernel.ids import PaymentId, RefundId
from shared.kernel.money import Asset
from shared.payments.chain import ReceiveAddress
from shared.payments.facts import RefundConfirmed, RefundFailed, RefundSigned
from shared.payments.ledger import Position
from shared.payments.model import Payment
from shared.payments.refund_model import OPEN
from shared.payments.refund_ports import SendTurn, SlotTaken
from shared.payments.refunds import find
from shared.payments.spending import Draft, Intent, SignedTransaction, Standing, WalletShort, Whereabouts
from tests.unit.refunding import folded

FINAL = 3
"""Confirmations from which a block is final."""


class Killed(BaseException):
    """The process is gone; nothing of it runs any more."""


@dataclass
class PlayedClock:
    """A clock that goes when it is told to."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def passes(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Sent:
    """A transaction as the chain reads it."""

    txid: str
    raw: str
    reference: str
    units: int
    slots: tuple[str, ...]
    fee: int


@dataclass
class PlayedChain:
    """The world outside: blocks and a mempool. `nonces`: slots are the account's nonces, else coins."""

    name: str
    nonces: bool
    coins: int = 8
    blocks: list[list[tuple[Sent, bool]]] = field(default_factory=list)
    """Of each transaction in them whether it moved anything."""
    pool: dict[str, Sent] = field(default_factory=dict)
    down: bool = False
    seen: set[str] = field(default_factory=set)
    """Every raw transaction that anybody ever gave it."""

    @property
    def mined(self) -> dict[str, tuple[int, Sent, bool]]:
        return {sent.txid: (h, sent, moved) for h, block in enumerate(self.blocks) for sent, moved in block}

    @property
    def spent(self) -> set[str]:
        return {slot for _, sent, _ in self.mined.values() for slot in sent.slots}

    def mine(self, txids: Iterable[str], reverting: Collection[str] = ()) -> None:
        """Add a block with these of the mempool, in an order that the chain allows."""
        block: list[tuple[Sent, bool]] = []
        self.blocks.append(block)
        for sent in sorted((self.pool[txid] for txid in txids if txid in self.pool), key=_first_nonce):
            if set(sent.slots) & self.spent or (self.nonces and _first_nonce(sent) != len(self.spent)):
                continue
            block.append((sent, not (self.nonces and sent.txid in reverting)))
            del self.pool[sent.txid]
        for txid, sent in list(self.pool.items()):
            if set(sent.slots) & self.spent:
                del self.pool[txid]

    def reorganise(self, depth: int, kept: Collection[str]) -> None:
        """Take off blocks that are not final, and put as many empty ones there; what was kept waits again."""
        depth = min(depth, FINAL - 1, len(self.blocks))
        lost = [sent for block in self.blocks[len(self.blocks) - depth :] for sent, _ in block]
        del self.blocks[len(self.blocks) - depth :]
        self.blocks += [[] for _ in range(depth)]
        for sent in lost:
            if sent.txid in kept and not any(set(sent.slots) & set(each.slots) for each in self.pool.values()):
                self.pool[sent.txid] = sent

    def take(self, raw: str) -> None:
        """Take what somebody broadcasts. Raises Invalid for what can't be mined or pays less than what waits."""
        sent = read(raw)
        self.seen.add(raw)
        if sent.txid in self.pool or sent.txid in self.mined:
            return
        if set(sent.slots) & self.spent:
            raise Invalid("its inputs are spent")
        rivals = [each for each in self.pool.values() if set(each.slots) & set(sent.slots)]
        if any(each.fee >= sent.fee for each in rivals):
            raise Invalid("it pays less than what waits")
        for each in rivals:
            del self.pool[each.txid]
        self.pool[sent.txid] = sent


def read(raw: str) -> Sent:
    """Return what the bytes say."""
    told = json.loads(bytes.fromhex(raw))
    txid = sha256(raw.encode()).hexdigest()
    return Sent(txid, raw, told["reference"], told["units"], tuple(told["slots"]), told["fee"])


def _first_nonce(sent: Sent) -> int:
    number = sent.slots[0].rpartition(":")[2]
    return int(number)


@dataclass
class PlayedWallet:
    """Fulfils `spending.HotWallet` on the chain in memory."""

    world: PlayedChain
    signatures: int = 0

    @property
    def chain(self) -> str:
        return self.world.name

    async def address(self) -> ReceiveAddress:
        return ReceiveAddress("the hot wallet", "home")

    async def balances(self) -> Mapping[Asset, int]:
        return {}

    async def draft(self, intent: Intent, *, taken: Collection[str]) -> Draft:
        self._up()
        return self._draft(intent, (self._free(taken),), fee=10)

    async def bump(self, intent: Intent, before: Sequence[SignedTransaction], *, taken: Collection[str]) -> Draft:
        self._up()
        shared = before[0].slots
        fee = before[-1].fee + 5
        if not self.world.nonces and len(before) == 2:
            shared = (*shared, self._free({*taken, *shared}))  # a bump may need another coin
        return self._draft(intent, shared, fee=fee)

    async def sign(self, draft: Draft) -> SignedTransaction:
        self._up()
        self.signatures += 1  # no two signatures are the same, whatever is signed
        told = {**json.loads(draft.body), "n": self.signatures}
        raw = json.dumps(told).encode().hex()
        return SignedTransaction(read(raw).txid, raw, draft.slots, draft.fee, draft.fee_asset)

    async def broadcast(self, signed: SignedTransaction) -> None:
        self._up()
        self.world.take(signed.raw)

    async def standing(self, signed: Sequence[SignedTransaction]) -> Sequence[Standing]:
        self._up()
        return [self._standing(each) for each in signed]

    def _standing(self, signed: SignedTransaction) -> Standing:
        found = self.world.mined.get(signed.txid)
        if found is None:
            return Standing(Whereabouts.MEMPOOL if signed.txid in self.world.pool else Whereabouts.UNKNOWN)
        height, sent, moved = found
        confirmations = len(self.world.blocks) - height
        return Standing(
            Whereabouts.MINED if moved else Whereabouts.FAILED,
            confirmations=confirmations,
            height=height,
            block_hash=f"{height}:{id(self.world.blocks[height])}",
            fee=sent.fee - 3,
            final=confirmations >= FINAL,
        )

    def _free(self, taken: Collection[str]) -> str:
        if self.world.nonces:
            number = len(self.world.spent)
            while f"nonce:{number}" in taken:
                number += 1
            return f"nonce:{number}"
        listed = (f"coin{n}:0" for n in range(self.world.coins))
        free = next((slot for slot in listed if slot not in taken and slot not in self.world.spent), None)
        if free is None:
            raise WalletShort("there is no coin left")
        return free

    def _draft(self, intent: Intent, slots: tuple[str, ...], *, fee: int) -> Draft:
        told = {"reference": intent.reference, "units": intent.units, "slots": slots, "fee": fee, "to": intent.to.key}
        return Draft(intent, slots, fee, Asset.ETH, json.dumps(told).encode())

    def _up(self) -> None:
        if self.world.down:
            raise Transient("The node does not answer.")


@dataclass
class PlayedSendings:
    """Fulfils `refund_ports.Sendings`: payments with their facts, slots, and a lease with an epoch."""

    told: dict[PaymentId, list[Fact]]
    slots: dict[str, RefundId] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)
    epoch: int = 0
    held: bool = False
    height: int = 10**6

    def stored(self, payment_id: PaymentId) -> Stored[Payment]:
        told = self.told[payment_id]
        return Stored(folded(told).payment, len(told), b"")

    def append(self, payment_id: PaymentId, facts: Sequence[Fact]) -> None:
        self.told[payment_id] += facts

    async def take(self, chain: str, owner: str) -> SendTurn | None:
        if self.held:
            return None
        self.held = True
        self.epoch += 1
        return SendTurn(chain, owner, 1, self.epoch, self.height, self.height)

    async def release(self, turn: SendTurn) -> None:
        if turn.epoch == self.epoch:
            self.held = False

    async def open(self, turn: SendTurn, *, after: str, limit: int) -> Sequence[Stored[Payment]]:
        listed = [self.stored(payment_id) for payment_id in sorted(self.told) if payment_id > after]
        return [found for found in listed if any(refund.state in OPEN for refund in found.state.refunds)][:limit]

    async def position(self, payment_id: PaymentId) -> Position | None:
        return folded(self.told[payment_id])

    async def taken(self, turn: SendTurn) -> frozenset[str]:
        return frozenset(slot for slot in self.slots if slot not in self.spent)

    async def record(
        self, turn: SendTurn, found: Stored[Payment], facts: Sequence[Fact], *, by: By, now: datetime
    ) -> Stored[Payment] | None:
        if turn.epoch != self.epoch:
            raise Fenced("another epoch")
        payment_id = found.state.payment_id
        if len(self.told[payment_id]) != found.version:
            return None
        for fact in facts:
            self._slots(found.state, fact)
        self.append(payment_id, facts)
        return self.stored(payment_id)

    def _slots(self, payment: Payment, fact: Fact) -> None:
        if isinstance(fact, RefundSigned):
            if any(self.slots.get(slot, fact.refund_id) != fact.refund_id for slot in fact.slots):
                raise SlotTaken
            self.slots |= dict.fromkeys(fact.slots, fact.refund_id)
        if isinstance(fact, RefundConfirmed | RefundFailed):
            refund = find(payment, fact.refund_id)
            assert refund is not None
            used = next(signed.slots for signed in refund.signed if signed.txid == fact.txid)
            self.spent |= set(used)
            for slot, owner in list(self.slots.items()):
                if owner == fact.refund_id and slot not in self.spent:
                    del self.slots[slot]


@dataclass
class Fate:
    """What happens at the n-th point between two steps of a process, counted from 1; 0 for nothing.

    `meanwhile` is what others do there, while the process stands still; without it the process dies.
    """

    at: int = 0
    meanwhile: Callable[[], Awaitable[None]] | None = None
    points: int = 0
    dead: bool = False

    async def point(self) -> None:
        if self.dead:
            raise Killed
        self.points += 1
        if self.points == self.at:
            if self.meanwhile is None:
                self.dead = True
                raise Killed
            await self.meanwhile()


class Mortal:
    """A port whose every call has a point before and one behind it, where its caller may meet its fate."""

    def __init__(self, port: object, fate: Fate) -> None:
        self._port = port
        self._fate = fate

    @property
    def chain(self) -> str:
        return cast(str, cast(Any, self._port).chain)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        call = getattr(self._port, name)

        async def called(*args: object, **named: object) -> object:
            await self._fate.point()
            answer = await call(*args, **named)
            await self._fate.point()
            return answer

        return called


class Quiet:
    """Fulfils `refund_ports.Alarms`: keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.counts: Mapping[str, int] = {}

    def raised(self, chain: str, refund_id: RefundId, what: str, detail: str) -> None:
        self.told.append((str(what), detail))

    def waiting(self, chain: str, by_reason: Mapping[str, int]) -> None:
        self.counts = by_reason
