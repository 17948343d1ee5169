"""reconcile_payments: compare ledger, facts and chains, and name every difference until it is gone.

Money is never written, with one exception: an entry that a fact makes and the ledger lacks is posted, as post_ledger
would have. Everything else is told, counted and left to people.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from shared.kernel.decision import By
from shared.kernel.errors import Problem
from shared.kernel.ids import DifferenceId, ShopId
from shared.kernel.money import Asset
from shared.payments.bookkeeping import Balances, Ledger
from shared.payments.chain import BlockRef, ChainMoved
from shared.payments.ledger import difference
from shared.payments.reconciliation import BOOKS, Booked, Difference, Kind, compare_books, unposted
from shared.payments.reconciliation_chain import Evidence, Receiver, compare_chain
from shared.payments.reconciliation_wallet import Wallet, compare_wallet, funded, sent
from shared.payments.refund_model import Refund
from shared.payments.statement import balance_views

PATIENCE: Final = timedelta(minutes=5)
"""An entry may be missing so long without a word: its event is on its way."""
PAGE: Final = 500
"""Payments that are read, and compared, at once."""
CHUNK: Final = 20_000
"""Receivers that a chain is asked about at once."""


@dataclass(frozen=True, slots=True)
class Run:
    """One comparison under a lease of its own. `since` is None where all payments are looked at.

    `block` is the final block that a chain is compared at (`block_time` its own time), None for the books.
    `last_height` is that of the last complete run of the scope, `funded` what was known then to be put into its hot
    wallet; of `excused` assets somebody acknowledged that less is there. `suspects` are the transactions that open
    differences name, by payment.
    """

    run_id: str
    scope: str
    owner: str
    generation: int
    epoch: int
    began: datetime
    since: datetime | None
    block: BlockRef | None
    last_height: int | None
    suspects: Mapping[str, Sequence[str]]
    block_time: datetime | None = None
    funded: Mapping[Asset, int] = field(default_factory=dict)
    excused: frozenset[Asset] = frozenset()


@dataclass
class Outcome:
    """What a run found. `reason` says why it is incomplete, '' when it is complete.

    `covered` are the kinds that it looked for everywhere it looked: open ones of these that it did not find are gone.
    """

    covered: frozenset[Kind] = frozenset()
    compared: int = 0
    posted: int = 0
    differences: list[Difference] = field(default_factory=list)
    totals: dict[str, Counter[Asset]] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """A difference that this run was the first to find."""

    difference_id: DifferenceId
    difference: Difference


@dataclass(frozen=True, slots=True)
class Summary:
    """How a scope stands after a run: what is new, and what is open, acknowledged or not, by kind."""

    scope: str
    complete: bool
    reason: str
    opened: Sequence[Opened]
    open: Mapping[Kind, int]
    unacknowledged: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What a chain has at the addresses it was asked about: units in all, and evidence where they don't add up.

    `whole` says whether coins that nobody was credited with would have been found everywhere.
    """

    held: Mapping[Asset, int]
    evidence: Mapping[str, Evidence]
    whole: bool


class Holdings(Protocol):
    """What a chain really has, read on other ways than the watcher's. Raises Transient when the node is in trouble."""

    @property
    def name(self) -> str:
        """Return the chain's name in the settings."""
        ...

    async def hash_at(self, height: int) -> str | None:
        """Return the hash of the best chain's block at the height."""
        ...

    async def read(self, receivers: Sequence[Receiver], at: BlockRef, *, since: int, whole: bool) -> Reading:
        """Return what lies at these addresses at this block.

        Blocks from `since` on are searched for what the evidence lacks; `whole`: spare no effort to find coins that
        nobody knows of. Raises ChainMoved when the node does not have the block (any more).
        """
        ...

    async def wallet(self, at: BlockRef, *, whole: bool) -> Wallet | None:
        """Return what the chain's hot wallet holds at this block, None where there is none or it takes too long now."""
        ...


class Runs(Protocol):
    """Runs and differences as they are kept, and what is compared."""

    async def begin(self, scope: str, owner: str) -> Run | None:
        """Return a run, or None while another has the lease, or before the chain has a final block."""
        ...

    async def books(self, run: Run, *, after: str, limit: int) -> tuple[Sequence[Booked], str | None]:
        """Return a page of payments with their facts, rows and entries, and after which the next page begins."""
        ...

    async def strays(self, run: Run) -> Sequence[Difference]:
        """Return the entries whose fact is in no stream, and the payments whose row is in no table."""
        ...

    async def balances(self, run: Run) -> tuple[Mapping[ShopId, Balances], Mapping[ShopId, Balances]]:
        """Return the balances of all shops as they are kept, and, in a whole run, added up anew; of one moment."""
        ...

    async def receivers(self, run: Run, *, after: str, limit: int) -> tuple[Sequence[Receiver], str | None]:
        """Return a page of the chain's addresses with what was credited there up to the run's block."""
        ...

    async def refunds(self, run: Run) -> Sequence[Refund]:
        """Return every refund of the chain's payments."""
        ...

    async def end(self, run: Run, outcome: Outcome) -> Summary:
        """Keep what was found, close what is gone. Raises Fenced when another run took over meanwhile."""
        ...


class Alarms(Protocol):
    """Who is told."""

    def reconciled(self, summary: Summary) -> None:
        """Measure how the scope stands, and log what is not as it ought to be."""
        ...


@dataclass(frozen=True, slots=True)
class Reconciling:
    """Everything that reconciliation is given."""

    runs: Runs
    ledger: Ledger
    chains: tuple[Holdings, ...]
    alarms: Alarms
    owner: str


async def reconcile_payments(*, by: By, using: Reconciling) -> list[Summary]:
    """Compare the books and every chain, one after the other; return how each stands that nobody else is at.

    One that fails stops no other: its run is kept as incomplete. Raises the first failure afterwards.
    """
    summaries: list[Summary] = []
    failures: list[Problem] = []
    for chain in (None, *using.chains):
        scope = chain.name if chain else BOOKS
        try:
            run = await using.runs.begin(scope, using.owner)
            if run is None:
                continue
            outcome, failure = await _compared(run, chain, by=by, using=using)
            summary = await using.runs.end(run, outcome)
        except Problem as problem:
            failures.append(problem)
            continue
        using.alarms.reconciled(summary)
        summaries.append(summary)
        failures += [failure] if failure else []
    if failures:
        raise failures[0]
    return summaries


async def _compared(run: Run, chain: Holdings | None, *, by: By, using: Reconciling) -> tuple[Outcome, Problem | None]:
    outcome = Outcome()
    try:
        if chain is None:
            await _books(run, outcome, by=by, using=using)
        else:
            await _chain(run, chain, outcome, using=using)
    except Problem as problem:
        outcome.reason = str(problem) or problem.title
        outcome.covered = frozenset()
        return outcome, problem
    return outcome, None


async def _books(run: Run, outcome: Outcome, *, by: By, using: Reconciling) -> None:
    """Compare facts, rows and ledger, post what is missing, and look whether all of it balances."""
    after: str | None = ""
    while after is not None:
        page, after = await using.runs.books(run, after=after, limit=PAGE)
        for booked in page:
            outcome.differences += compare_books(booked, now=run.began, patience=PATIENCE)
        if missing := [entry for booked in page for entry in unposted(booked)]:
            outcome.posted += await using.ledger.post(missing, by=by)
        outcome.compared += len(page)
    known = {difference.name for difference in outcome.differences}
    outcome.differences += [each for each in await using.runs.strays(run) if each.name not in known]
    await _balances(run, outcome, using=using)
    outcome.covered = frozenset(Kind)


async def _balances(run: Run, outcome: Outcome, *, using: Reconciling) -> None:
    """Look whether debits and credits say the same; where all is compared, whether snapshots still add up, too."""
    kept, anew = await using.runs.balances(run)
    wrong = {
        (shop_id, line.asset): f"{line.book}: {line.account} is kept as another sum than its postings make"
        for shop_id in {**kept, **anew}
        for line in difference(kept.get(shop_id, {}), anew.get(shop_id, {}))
    }
    for shop_id, balances in anew.items():
        for view in balance_views(balances):
            if not view.balanced:
                wrong[shop_id, view.asset] = "debits and credits of the shop don't say the same"
    for (shop_id, asset), says in wrong.items():
        outcome.differences.append(Difference(BOOKS, Kind.UNBALANCED, shop_id=shop_id, asset=asset, says=says))


async def _chain(run: Run, chain: Holdings, outcome: Outcome, *, using: Reconciling) -> None:
    """Compare what was credited with what the chain has at the run's block."""
    at = run.block
    assert at is not None
    if await chain.hash_at(at.height) != at.hash:
        raise ChainMoved(f"{chain.name}: the node has another block {at.height} than the final one that was scanned")
    since = max(0, run.last_height + 1 if run.last_height is not None else 0)
    credited, held = Counter[Asset](), Counter[Asset]()
    after: str | None = ""
    whole = True
    while after is not None:
        receivers: list[Receiver] = []
        while after is not None and len(receivers) < CHUNK:
            page, after = await using.runs.receivers(run, after=after, limit=PAGE)
            receivers += page
        reading = await chain.read(receivers, at, since=since, whole=run.since is None)
        whole = whole and reading.whole
        held.update(reading.held)
        for receiver in receivers:
            credited.update({each.asset: 0 for each in receiver.credited})
            for each in receiver.credited:
                credited[each.asset] += each.units
            if evidence := reading.evidence.get(receiver.key):
                outcome.differences += compare_chain(receiver, evidence, at)
        outcome.compared += len(receivers)
    outcome.totals = {"credited": credited, "held": held}
    unseen = frozenset() if whole else frozenset({Kind.NOT_CREDITED, Kind.STRANGE})
    if not await _wallet(run, chain, outcome, using=using):
        unseen |= {Kind.HOT_WALLET}
    outcome.covered = frozenset(Kind) - unseen


async def _wallet(run: Run, chain: Holdings, outcome: Outcome, *, using: Reconciling) -> bool:
    """Compare the hot wallet, and keep what is known to be put into it; return whether it was looked at."""
    assert run.block is not None
    assert run.block_time is not None
    wallet = await chain.wallet(run.block, whole=run.since is None)
    known = Counter[Asset](dict(run.funded))
    if wallet is not None:
        gone = sent(await using.runs.refunds(run), run.block.height, run.block_time)
        put_in = funded(wallet, gone)
        for asset in run.excused:
            known[asset] = min(known[asset], put_in.get(asset, 0))
        outcome.differences += compare_wallet(wallet, gone, known, run.block)
        known |= Counter(put_in)
    outcome.totals["funded"] = known
    return wallet is not None
