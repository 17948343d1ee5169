"""Refunds: customers want back what is theirs, shops give back what was theirs, each to an address of its own.

One address a refund: what the chain holds there is what that refund has paid, to the unit and for ever.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import threading
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from eth_account import Account

from emulators.people import Api, StepFailed
from tests.chaos.ground import Ground, other
from tests.chaos.nodes import PURSE
from tests.chaos.payers import Known, Payers
from tests.chaos.plan import BITCOIN

JSON = dict[str, Any]
_KINDS: Final = ("bech32", "legacy", "p2sh-segwit", "bech32m")
_NOT_YET: Final = " answered 409"
_TRIES: Final = 40
MANAGERS: Final = 2
AT_ONCE: Final = 4


@dataclass
class KnownRefund:
    """A refund as it was acknowledged. `declined` by a manager, before anything was signed."""

    refund_id: str
    payment_id: str
    chain: str
    asset: str
    units: int
    to: str
    approvals: int = 0
    declined: bool = False
    told_twice: list[str] = field(default_factory=list)


class Refunding:
    """Everybody who asks for refunds, and the two managers who agree or don't; in a thread of their own."""

    def __init__(self, ground: Ground, payers: Payers, seed: int) -> None:
        self._ground = ground
        self._payers = payers
        self._seed = seed
        self._tries: Counter[int] = Counter()
        self._asked: set[int] = set()
        self._managers = [_manager(ground, number) for number in range(MANAGERS)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="refunds", daemon=True)
        self.known: list[KnownRefund] = []
        self.unknown: list[str] = []
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask for nothing more. Raises what went wrong."""
        self._stop.set()
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def ask_the_last(self) -> None:
        """Ask for what could not be given back before, now that the chains are final. Not while the thread runs."""
        for known in self._wanted(len(self._payers.known)):
            self._ask(known)

    def _run(self) -> None:
        try:
            while not self._stop.wait(1.0):
                for known in self._wanted():
                    if self._stop.is_set():
                        return
                    self._ask(known)
        except BaseException as failure:  # noqa: BLE001  it is raised again where the run ends
            self.failure = failure

    def _wanted(self, most: int = AT_ONCE) -> list[Known]:
        """Return payments that are to be refunded and were not, tried least often first."""
        wanted = [
            known
            for known in self._payers.known
            if known.paying.refunded and known.sent and known.paying.number not in self._asked
        ]
        left = [known for known in wanted if self._tries[known.paying.number] < _TRIES]
        return sorted(left, key=lambda known: self._tries[known.paying.number])[:most]

    def _ask(self, known: Known) -> None:
        paying, chance = known.paying, random.Random(f"{self._seed} refund {known.paying.number}")
        self._tries[paying.number] += 1
        customers = paying.kind in ("over", "two_blocks", "foreign", "late", "too_late")
        api = self._ground.customers[paying.customer].api if customers else self._ground.owner.api
        asset = other(paying.asset) if paying.kind == "foreign" else paying.asset
        units = None if customers else str(max(known.due // chance.randint(1, 4), 1))
        body = {"to": self._destination(paying.chain, paying.number, chance), "asset": asset, "units": units}
        body = {name: value for name, value in body.items() if value is not None}
        path, key = f"/v1/payments/{known.payment_id}/refunds", uuid.uuid4().hex
        try:
            told = api.send("POST", path, body, key=key)
        except StepFailed as refused:
            if _NOT_YET not in str(refused):
                self._asked.add(paying.number)
                self.unknown += [str(refused)] if " answered 5" in str(refused) else []
            return
        except httpx.HTTPError as lost:
            self._asked.add(paying.number)
            self.unknown.append(f"refund of payment {paying.number}: {type(lost).__name__}")
            return
        self._asked.add(paying.number)
        refund = KnownRefund(
            refund_id=told["refund_id"],
            payment_id=known.payment_id,
            chain=paying.chain,
            asset=told["amount"]["asset"],
            units=int(told["amount"]["units"]),
            to=str(body["to"]).lower() if paying.chain != BITCOIN else str(body["to"]),
        )
        self.known.append(refund)
        with contextlib.suppress(StepFailed, httpx.HTTPError):  # asked twice, or decided by whoever was faster
            if paying.repeats:
                again = api.send("POST", path, body, key=key)["refund_id"]
                refund.told_twice += [again] if again != refund.refund_id else []
            self._decide(refund, int(told["approvals"]), chance)

    def _decide(self, refund: KnownRefund, approvals: int, chance: random.Random) -> None:
        """Let both managers agree, or one of them decline, where somebody must agree."""
        path = f"/v1/refunds/{refund.refund_id}/approve"
        if approvals and chance.random() < 0.15:
            self._managers[0].send("POST", path, {"approve": False, "reason": "Not ours."})
            refund.declined = True
            return
        for manager in self._managers[:approvals]:
            manager.send("POST", path, {"approve": True})
            refund.approvals += 1

    def _destination(self, chain: str, number: int, chance: random.Random) -> str:
        if chain == BITCOIN:
            node, kind = self._ground.nodes[chain], chance.choice(_KINDS)
            return str(node.call("getnewaddress", "", kind, path=f"/wallet/{PURSE}"))
        key = hashlib.sha256(f"{self._seed} destination {number}".encode()).digest()
        return str(Account.from_key(key).address)


def _manager(ground: Ground, number: int) -> Api:
    body = {"role": "manager", "label": f"manager {number}", "shop_id": None}
    return Api(ground.platform.url, token=str(ground.owner.api.send("POST", "/v1/api-keys", body)["key"]))
