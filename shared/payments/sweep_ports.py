"""What sweeps need from outside: the node of their chain, account keys, and their own store beside the payments'."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from shared.kernel.clock import Clock
from shared.kernel.decision import By, Page, Stored
from shared.kernel.errors import Conflict
from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId, PaymentId, ShopId, SweepId
from shared.kernel.money import Asset
from shared.kernel.reply import Reply
from shared.payments.chain import Addresses
from shared.payments.facts import SweepPlanned
from shared.payments.model import Payment
from shared.payments.sweep_model import Sweep, SweepView
from shared.payments.sweep_values import PlannedTransaction, SweepPlan, SweptCoin
from shared.payments.sweeps import Sweepable


class NothingToSweep(Conflict):
    """No final coins are left that are worth their fee."""

    type = "nothing-to-sweep"
    title = "There is nothing to move"


class SweepRefused(Conflict):
    """The sweep is not in a state for this, or what was sent is not what was planned."""

    type = "sweep-refused"
    title = "This is not the sweep that was planned"


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a plan is to be made. `account_key` returns the account key of a fingerprint."""

    asset: Asset
    to: str
    to_key: str
    fee_rate: int
    gas_from: str | None
    origin: str | None
    account_key: Callable[[str], str]


class Broadcast(NamedTuple):
    """A signed transaction that is one of the plan, as it may be given to the network."""

    number: int
    txid: str
    raw: str


class SweepChain(Protocol):
    """The node of one chain, and how its transactions are written. No private key is anywhere near."""

    @property
    def native(self) -> Asset:
        """Return the asset that fees are paid in."""
        ...

    @property
    def assets(self) -> frozenset[Asset]:
        """Return what can be swept here."""
        ...

    @property
    def outputs(self) -> bool:
        """Return whether coins are outputs, as on Bitcoin, and not balances."""
        ...

    @property
    def addresses(self) -> Addresses:
        """Return how addresses are written here."""
        ...

    async def plan(
        self, coins: Sequence[Sweepable], wanted: Wanted
    ) -> tuple[Sequence[SweptCoin], Sequence[PlannedTransaction]]:
        """Return unsigned transactions and what each coin pays; coins that are not worth their fee are left out.

        Raises Invalid, Transient.
        """
        ...

    def signed(self, plan: SweepPlan, text: str) -> Broadcast:
        """Return the transaction of the plan that the text is, signed. Raises Invalid for any other."""
        ...

    async def broadcast(self, signed: Broadcast) -> None:
        """Give it to the network; known already is no error. Raises Invalid, Transient."""
        ...

    async def whereabouts(self, txids: Sequence[str]) -> Mapping[str, int | None]:
        """Return the height of each transaction that the node knows, None while it is in the mempool."""
        ...


class SweepStore(Protocol):
    """Sweeps and the payments whose coins they move, changed together."""

    async def load(self, id: str) -> Stored[Sweep] | None:
        """Return a sweep, or None when there is none."""
        ...

    async def merchant_of(self, shop_id: ShopId) -> MerchantId | None:
        """Return whose shop it is, or None when there is none."""
        ...

    async def candidates(self, shop_id: ShopId, chain: str) -> Sequence[tuple[Stored[Payment], str]]:
        """Return payments that something arrived for and that may have coins left, each with its account."""
        ...

    async def account_keys(self, shop_id: ShopId, family: str) -> Mapping[str, str]:
        """Return the shop's account keys of a family in clear, present and former ones, by fingerprint."""
        ...

    async def cursor(self, chain: str) -> tuple[int, int] | None:
        """Return (height, final height) up to which the chain was read, or None."""
        ...

    async def watched(self, chain: str, key: str) -> bool:
        """Return whether the key is a receive address that was ever shown."""
        ...

    async def plan(
        self,
        planned: SweepPlanned,
        reserved: Mapping[PaymentId, tuple[Stored[Payment], Sequence[Fact]]],
        *,
        by: By,
        now: datetime,
        reply: Callable[[Stored[Sweep]], Reply[SweepView]],
    ) -> Stored[Sweep] | None:
        """Append the plan and reserve its coins in one commit; None when a payment moved on meanwhile."""
        ...

    async def open(self, chain: str) -> Sequence[Sweep]:
        """Return the sweeps of a chain that are neither final nor dropped."""
        ...

    async def outflows(self, chain: str, keys: Sequence[str]) -> Sequence[tuple[str, str, Asset, int, int]]:
        """Return (watch key, txid, asset, units, height) of what left these addresses in the best chain."""
        ...

    async def advance(
        self,
        sweep_id: SweepId,
        rule: Callable[[Sweep, Mapping[PaymentId, Payment]], tuple[Sequence[Fact], Mapping[PaymentId, Sequence[Fact]]]],
        *,
        by: By,
        now: datetime,
    ) -> Stored[Sweep]:
        """Decide about a sweep and its payments, all of them locked, in one commit."""
        ...

    async def page(self, shop_id: ShopId, *, before: SweepId | None, limit: int) -> Page[Sweep]:
        """Return a shop's sweeps, the newest first."""
        ...


@dataclass(frozen=True, slots=True)
class Sweeping:
    """Everything that sweeps are given. `chains` by name."""

    store: SweepStore
    chains: Mapping[str, SweepChain]
    clock: Clock
