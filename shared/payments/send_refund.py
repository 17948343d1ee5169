"""send_refund: send what was agreed to, watch it to the end, and pay a higher fee for what is stuck.

The order is what makes it safe: draft, sign, store the signed bytes with the coins or the nonce they use up in one
commit under the lease's epoch, and only then broadcast. Killed anywhere, the next pass goes on from what is stored:
bytes that were stored are sent again as they are, bytes that were not are forgotten and were never sent.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from shared.kernel.clock import Clock
from shared.kernel.decision import By, Stored
from shared.kernel.errors import Bug, Fenced, Invalid, Problem, Transient
from shared.kernel.facts import Fact
from shared.kernel.ids import RefundId, uuid7_hex
from shared.payments import facts
from shared.payments.facts import RefundDelay
from shared.payments.model import Payment
from shared.payments.refund_model import OPEN, Refund, RefundState
from shared.payments.refund_policy import RefundPolicy
from shared.payments.refund_ports import Alarms, Sendings, SendTurn, SlotTaken
from shared.payments.refund_sending import about, blocked, intent_of, lapsed, observed, signed_fact, stuck, transaction
from shared.payments.refunds import find
from shared.payments.spending import Draft, HotWallet, SignedTransaction, WalletShort, Whereabouts

BATCH: Final = 100
BUDGET_S: Final = 15.0
"""A pass stops after so long; the next one goes on behind the payment it looked at last."""
TRIES: Final = 3
_TIME_HELPS: Final = frozenset({RefundDelay.NOT_FINAL, RefundDelay.COINS_GONE})


@dataclass(frozen=True, slots=True)
class Sending:
    """What sending on one chain is given. `family` is the chain's, as the policy knows it."""

    wallet: HotWallet
    sendings: Sendings
    alarms: Alarms
    policy: RefundPolicy
    family: str
    clock: Clock
    budget_s: float = BUDGET_S


@dataclass
class Sender:
    """The sender of one chain in this process. It remembers behind which payment the next pass goes on."""

    using: Sending
    _after: str = ""
    _waiting: Counter[str] = field(default_factory=Counter)
    _running: asyncio.Lock = field(default_factory=asyncio.Lock)
    _name: str = field(default_factory=lambda: f"{os.getpid()}-{uuid7_hex()[-12:]}")

    async def run(self, *, by: By) -> bool:
        """Look at the chain's open refunds; return False when another sender is at it.

        One that goes wrong stops no other; the first failure is raised afterwards. Raises Fenced at once.
        """
        if self._running.locked():
            return False
        async with self._running:
            turn = await self.using.sendings.take(self.using.wallet.chain, self._name)
            if turn is None:
                return False
            try:
                await self._pass(turn, by=by)
            finally:
                await self.using.sendings.release(turn)
            return True

    async def _pass(self, turn: SendTurn, *, by: By) -> None:
        end = asyncio.get_running_loop().time() + self.using.budget_s
        listed = await self.using.sendings.open(turn, after=self._after, limit=BATCH)
        failures: list[Exception] = []
        for found in listed:
            await self._payment(turn, found, failures, by=by)
            self._after = found.state.payment_id
            if asyncio.get_running_loop().time() >= end:
                break
        else:
            if len(listed) < BATCH:
                self._after = ""
                self.using.alarms.waiting(turn.chain, dict(self._waiting))
                self._waiting.clear()
        if failures:
            raise failures[0]

    async def _payment(self, turn: SendTurn, found: Stored[Payment], failures: list[Exception], *, by: By) -> None:
        """Take each open refund of a payment a step further; one that went wrong is told and passed over."""
        for refund in [refund for refund in found.state.refunds if refund.state in OPEN]:
            step = _Step(self.using, turn, by, found, refund.refund_id)
            try:
                await step.go()
            except Fenced:
                raise
            except (Problem, SlotTaken) as error:
                self.using.alarms.raised(turn.chain, refund.refund_id, "failing", str(error))
                failures.append(error if isinstance(error, Problem) else Transient("Its coins are another refund's."))
            if step.refund.state in OPEN:
                self._waiting[str(step.refund.delayed or step.refund.state)] += 1
            if step.moved:
                break  # what is known of the payment is old: its other refunds are looked at in the next pass
            found = step.found


@dataclass
class _Step:
    """What is done about one refund in one pass. `found` is the payment as it is after what was stored so far."""

    using: Sending
    turn: SendTurn
    by: By
    found: Stored[Payment]
    refund_id: RefundId
    moved: bool = False

    @property
    def refund(self) -> Refund:
        """Return the refund as it is now."""
        refund = find(self.found.state, self.refund_id)
        if refund is None:
            raise Bug(f"{self.refund_id} has vanished from {self.found.state.payment_id}")
        return refund

    async def go(self) -> None:
        """Sign it, or see where it is. Raises what wallet and store raise."""
        if self.refund.signed:
            await self._follow()
        else:
            await self._start()

    async def _start(self) -> None:
        using, refund = self.using, self.refund
        position = await using.sendings.position(self.found.state.payment_id)
        if position is None:
            raise Bug(f"{self.found.state.payment_id} has no facts")
        heights = {"height": self.turn.height, "final_height": self.turn.final_height}
        why = blocked(position, refund, **heights, policy=using.policy)
        if why is not None:
            over = lapsed(self.found.state, refund, why, now=using.clock.now())
            await (self._record(over) if over else self._delay(why, ""))
            return
        home = await using.wallet.address()
        if home.key == refund.to_key:
            await self._delay(RefundDelay.REFUSED, "it would go to the hot wallet itself")
            return
        for _ in range(TRIES):
            draft = await self._drafted()
            if draft is None:
                return
            try:
                await self._signed(draft)
            except SlotTaken:
                continue  # the node shows a coin that it should know to be spent: it is among the taken ones now
            return
        raise Transient(f"{self.turn.chain}: the node offers coins that were spent.")

    async def _drafted(self) -> Draft | None:
        """Return a draft that is within the limits; None when the refund has to wait, which is noted."""
        taken = await self.using.sendings.taken(self.turn)
        intent = intent_of(self.found.state, self.refund)
        try:
            draft = await self.using.wallet.draft(intent, taken=taken)
        except WalletShort as short:
            await self._delay(RefundDelay.WALLET_SHORT, short.detail)
            return None
        except Invalid as refused:
            await self._delay(RefundDelay.REFUSED, refused.detail)
            return None
        if not self._affordable(draft):
            await self._delay(RefundDelay.FEE_TOO_HIGH, f"{draft.fee} units of {draft.fee_asset}")
            return None
        return draft

    def _affordable(self, draft: Draft) -> bool:
        return draft.fee <= self.using.policy.most_fee.get(draft.fee_asset, draft.fee)

    async def _signed(self, draft: Draft) -> None:
        """Sign, store, broadcast. Raises SlotTaken, UnsafeTransaction; then nothing was stored."""
        signed = await self.using.wallet.sign(draft)
        fact = signed_fact(self.found.state, self.refund, draft, signed, now=self.using.clock.now())
        if await self._record(fact):
            await self._broadcast(signed)

    async def _broadcast(self, signed: SignedTransaction) -> None:
        """Give stored bytes to the network, and note that it has them."""
        await self.using.wallet.broadcast(signed)
        if self.refund.state is RefundState.SIGNED:
            told = about(self.found.state, self.refund, self.using.clock.now())
            await self._record(facts.RefundBroadcast(**told, txid=signed.txid))

    async def _follow(self) -> None:
        """See where its transactions are, and do what that asks for."""
        signed = [transaction(each) for each in self.refund.signed]
        standings = await self.using.wallet.standing(signed)
        told = observed(self.found.state, self.refund, standings, now=self.using.clock.now())
        if told and not await self._record(*told):
            return
        if self.refund.state not in OPEN or not self.refund.signed or self.refund.mined is not None:
            return
        lost = all(each.whereabouts is Whereabouts.UNKNOWN for each in standings)
        refused = await self._again(signed) if lost else None
        after = timedelta(seconds=self.using.policy.stuck_after_s.get(self.using.family, 600))
        if stuck(self.refund, standings, after=after, now=self.using.clock.now()):
            await self._bump(signed)
        elif refused is not None:
            raise refused

    async def _again(self, signed: Sequence[SignedTransaction]) -> Transient | None:
        """Send stored bytes again, the dearest first: a node that lost them takes one of them.

        Return why it would not take them now: they may pay too little by now, and then only a bump helps.
        """
        for each in reversed(signed):
            try:
                await self._broadcast(each)
            except Invalid as refused:
                self.using.alarms.raised(self.turn.chain, self.refund_id, "rejected", refused.detail)
                continue
            except Transient as refused:
                return refused
            break
        return None

    async def _bump(self, signed: Sequence[SignedTransaction]) -> None:
        """Sign a dearer transaction that shares a coin or the nonce with each of those before, and send it."""
        using, raised = self.using, self.using.alarms.raised
        if len(signed) > using.policy.most_bumps:
            raised(self.turn.chain, self.refund_id, "stuck", f"{len(signed)} transactions, and none is in a block")
            return
        taken = await using.sendings.taken(self.turn)
        intent = intent_of(self.found.state, self.refund)
        try:
            draft = await using.wallet.bump(intent, signed, taken=taken)
        except (WalletShort, Invalid) as error:
            raised(self.turn.chain, self.refund_id, "stuck", error.detail)
            return
        if not self._affordable(draft):
            raised(self.turn.chain, self.refund_id, "stuck", f"a bump would cost {draft.fee} {draft.fee_asset}")
            return
        await self._signed(draft)

    async def _delay(self, why: RefundDelay, detail: str) -> None:
        """Note what it waits for, once; whoever can help is told every time."""
        if why not in _TIME_HELPS:
            self.using.alarms.raised(self.turn.chain, self.refund_id, why, detail)
        if self.refund.delayed is not why:
            told = about(self.found.state, self.refund, self.using.clock.now())
            await self._record(facts.RefundDelayed(**told, reason=why))

    async def _record(self, *told: Fact) -> bool:
        """Store facts; return False when the payment has moved on: nothing was stored, the next pass looks again."""
        now = self.using.clock.now()
        after = await self.using.sendings.record(self.turn, self.found, told, by=self.by, now=now)
        self.moved = after is None
        self.found = after or self.found
        return after is not None


async def send_refunds(senders: Sequence[Sender], *, by: By) -> None:
    """Run a pass of each chain at once; one that fails stops no other. Raises the first failure afterwards."""
    ended = await asyncio.gather(*(sender.run(by=by) for sender in senders), return_exceptions=True)
    for failure in ended:
        if isinstance(failure, BaseException):
            raise failure
