"""Customers: they order, ask for an address, pay as the plan says, and keep what they were told."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx

from emulators.people import StepFailed
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.order_terms import PostgresMenus, PostgresShopTerms
from shared.adapters.postgres.orders import PostgresOrders, PostgresPaymentStandings
from shared.adapters.postgres.recipes import PostgresOrderRecipes
from shared.kernel.decision import By, Claim, Role
from shared.kernel.errors import Transient
from shared.kernel.ids import ItemId, MerchantId, ShopId
from shared.orders.create_order import create_order
from shared.orders.lifecycle import PAY_WITHIN
from shared.orders.model import LineRequest, PlaceOrder
from shared.orders.ports import Orders
from shared.settings import PostgresSettings
from tests.chaos.ground import Ground, other
from tests.chaos.mining import BitcoinMiner
from tests.chaos.nodes import DUST, Signed
from tests.chaos.plan import WHOLE, Part, Paying

JSON = dict[str, Any]
AT_ONCE: Final = 8
_LEFT: Final = timedelta(seconds=15)
"""As long as an order placed long ago may still be paid in time."""


@dataclass
class Known:
    """What one customer was told in so many words, and what they sent: the oracle's first source."""

    paying: Paying
    order_id: str = ""
    payment_id: str = ""
    address: str = ""
    due: int = 0
    told_twice: list[str] = field(default_factory=list)
    """Ids that a repeated request was answered with, where they differ."""
    sent: list[Signed] = field(default_factory=list)
    sent_at: datetime | None = None
    served: bool = False
    unknown: str = ""
    """Why it is not known whether a request had its effect."""
    refused: str = ""


class SlowClock:
    """A clock that is slow by so much."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return datetime.now(UTC) - self._by


class Payers:
    """All customers of a run. Steps run in a few threads, each at its time."""

    def __init__(self, ground: Ground, now: Callable[[], float]) -> None:
        self._ground = ground
        self._now = now
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="customer")
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._running: set[Future[None]] = set()
        self.known: list[Known] = []
        self.failures: list[BaseException] = []

    def add(self, paying: Paying) -> None:
        """Let a payment begin at its time."""
        known = Known(paying)
        self.known.append(known)
        self._at(paying.at_s, lambda: self._begin(known))

    def step(self) -> bool:
        """Begin what is due; return whether anything is left to do. Raises what went wrong in a step."""
        if self.failures:
            raise self.failures[0]
        with self._lock:
            while self._due and self._due[0][0] <= self._now():
                self._start(heapq.heappop(self._due)[2])
            return bool(self._due or self._running)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def paid(self) -> int:
        """Return for how many payments coins were sent."""
        return sum(1 for known in self.known if known.sent)

    @property
    def kinds(self) -> Counter[str]:
        """Return how many payments of each kind were asked for and acknowledged."""
        return Counter(known.paying.kind for known in self.known if known.payment_id)

    def _at(self, at_s: float, act: Callable[[], None]) -> None:
        with self._lock:
            heapq.heappush(self._due, (at_s, next(self._numbers), act))

    def _start(self, act: Callable[[], None]) -> None:
        started = self._pool.submit(act)
        self._running.add(started)
        started.add_done_callback(self._ended)

    def _ended(self, step: Future[None]) -> None:
        with self._lock:
            self._running.discard(step)
        if not step.cancelled() and (failure := step.exception()) is not None:
            self.failures.append(failure)

    def _begin(self, known: Known) -> None:
        paying = known.paying
        try:
            self._ordered(known)
            self._asked(known)
        except StepFailed as refused:
            known.refused = str(refused)
            if " answered 5" in str(refused):
                known.unknown = str(refused)
        except (httpx.HTTPError, Transient) as lost:
            known.unknown = f"{type(lost).__name__}: {lost}"
        if not known.payment_id:
            return
        wait_s = _LEFT.total_seconds() + 1 if paying.kind == "late" else 0.0
        for part in paying.parts:
            self._at(self._now() + wait_s + part.after_s, lambda part=part: self._pay(known, part))  # type: ignore[misc]

    def _ordered(self, known: Known) -> None:
        paying, shop = known.paying, self._ground.shops[known.paying.shop]
        if paying.kind in ("late", "too_late"):
            known.order_id = asyncio.run(self._ordered_long_ago(known))
            return
        lines, key = [{"item_id": shop.item_id, "quantity": paying.quantity}], uuid.uuid4().hex
        customer = self._ground.customers[paying.customer]
        known.order_id = str(customer.order(shop.shop_id, lines, key=key)["order_id"])
        if paying.repeats:
            self._repeated(known, known.order_id, str(customer.order(shop.shop_id, lines, key=key)["order_id"]))

    async def _ordered_long_ago(self, known: Known) -> str:
        """Return an order whose time to pay is nearly over: placed by the operation itself, by a slow clock."""
        paying, shop = known.paying, self._ground.shops[known.paying.shop]
        customer = self._ground.customers[paying.customer]
        db = Database(replace(PostgresSettings.from_env(self._ground.env), connections=1))
        orders = Orders(
            store=PostgresOrders(db, region="local", lanes=1),
            shops=PostgresShopTerms(db),
            menus=PostgresMenus(db),
            recipes=PostgresOrderRecipes(db),
            payments=PostgresPaymentStandings(db),
            clock=SlowClock(PAY_WITHIN - _LEFT),
        )
        claim = Claim(customer.user_id, "POST /v1/orders", uuid.uuid4().hex, b"{}")
        merchant = MerchantId.like(customer.user_id)
        by = By(customer.user_id, frozenset({Role.CUSTOMER}), merchant, once=claim)
        line = LineRequest(item_id=ItemId(shop.item_id), quantity=paying.quantity)
        try:
            placed = await create_order(PlaceOrder(shop_id=ShopId(shop.shop_id), lines=(line,)), by=by, using=orders)
        finally:
            db.close()
        return str(placed.view.order_id)

    def _asked(self, known: Known) -> None:
        paying, customer = known.paying, self._ground.customers[known.paying.customer]
        path, key = f"/v1/orders/{known.order_id}/payments", uuid.uuid4().hex
        told = customer.api.send("POST", path, {"asset": paying.asset}, key=key)
        known.address, known.due = str(told["address"]), int(told["due"]["units"])
        known.payment_id = str(told["payment_id"])
        if paying.repeats:
            again = customer.api.send("POST", path, {"asset": paying.asset}, key=key)
            self._repeated(known, known.payment_id + known.address, str(again["payment_id"]) + str(again["address"]))

    def _repeated(self, known: Known, first: str, second: str) -> None:
        if first != second:
            known.told_twice.append(f"{first} and {second}")

    def _pay(self, known: Known, part: Part) -> None:
        paying = known.paying
        asset = other(paying.asset) if part.foreign else paying.asset
        units = known.due if part.foreign else -(-known.due * part.share // WHOLE) if part.share else DUST[asset]
        miner = self._ground.miners[paying.chain]
        signed = self._ground.purses[paying.chain].pay(asset, known.address, units)
        known.sent_at = known.sent_at or datetime.now(UTC)
        known.sent.append(signed)
        straight = isinstance(miner, BitcoinMiner) and (paying.kind == "too_late" or not part.share)
        if isinstance(miner, BitcoinMiner) and straight:
            (miner.late if paying.kind == "too_late" else miner.straight).append(signed)
            return
        miner.send(signed, asset)
        if paying.kind in ("replaced", "double_spent"):
            self._at(self._now() + paying.again_s, lambda: self._replace(known, signed, asset, units))

    def _replace(self, known: Known, first: Signed, asset: str, units: int) -> None:
        """Bump the fee, or take the payment back, unless it was mined meanwhile."""
        paying = known.paying
        purse, miner = self._ground.purses[paying.chain], self._ground.miners[paying.chain]
        if paying.kind == "replaced":
            second = purse.again(first, asset, known.address, units)
            known.sent.append(second)
        else:
            second = purse.again(first, asset, purse.home, 1)
        miner.replace(first, second, asset)


class Staff:
    """The shops' staff: they make some of the orders that are paid, and hand them over."""

    def __init__(self, ground: Ground, payers: Payers) -> None:
        self._ground = ground
        self._payers = payers
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="staff", daemon=True)
        self.served = 0

    def start(self) -> None:
        """Work from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Go home."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(1.0):
            wanted = {known.order_id: known for known in self._payers.known if known.paying.served and known.order_id}
            for shop in self._ground.shops:
                # What is halted, moved on or not answered is looked at again next time.
                with contextlib.suppress(StepFailed, httpx.HTTPError):
                    for order in shop.barista.queue():
                        if known := wanted.get(order["order_id"]):
                            self._serve(known, order)

    def _serve(self, known: Known, order: JSON) -> None:
        shop = self._ground.shops[known.paying.shop]
        with contextlib.suppress(StepFailed, httpx.HTTPError):
            if order["status"] == "confirmed":
                shop.barista.prepare(known.order_id)
                shop.barista.ready(known.order_id)
            elif order["status"] == "preparing":
                shop.barista.ready(known.order_id)
            claim = self._ground.customers[known.paying.customer].claim(known.order_id, deadline_s=5)
            if "code" not in claim:  # handed over before, and the answer was lost
                return
            shop.barista.redeem(claim["code"])
            known.served = True
            self.served += 1
