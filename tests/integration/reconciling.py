"""What tests of reconciliation start from: a shop that is paid on real chains, and who compares."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from shared.adapters.bitcoin.holdings import BitcoinHoldings
from shared.adapters.evm.chain import Token
from shared.adapters.evm.holdings import EvmHoldings
from shared.adapters.postgres.database import Connection, Sql
from shared.adapters.postgres.ledger import PostgresLedger
from shared.adapters.postgres.reconciliation import PostgresRuns
from shared.adapters.postgres.reconciliation_shown import PostgresReconciliations
from shared.kernel.clock import SystemClock
from shared.kernel.decision import By
from shared.kernel.money import Asset
from shared.payments.get_reconciliation import Showing
from shared.payments.reconcile_payments import Holdings, Reconciling, Summary, reconcile_payments
from shared.payments.reconciliation import Difference, Kind
from shared.settings import ChainSettings, PostgresSettings
from tests.integration.paying import Paying

OPEN = Sql(
    "select kind, payment_id, asset, txid, expected, found, acknowledged_at is not null, scope"
    " from reconciliation_differences where closed_at is null order by difference_id"
)
CLOSED = Sql("select kind, closing from reconciliation_differences where closed_at is not null order by difference_id")
RUNS = Sql("select scope, state, depth, compared, posted, found, reason from reconciliation_runs order by began_at")


class Told:
    """Takes down what alarms would say."""

    def __init__(self) -> None:
        self.summaries: list[Summary] = []

    def reconciled(self, summary: Summary) -> None:
        """Keep it."""
        self.summaries.append(summary)


class Comparing:
    """Reconciliation over a test's shop and chains."""

    def __init__(self, paying: Paying, chains: Sequence[Holdings] | None = None) -> None:
        self.paying = paying
        self.told = Told()
        self.opened = [] if chains is not None else [holdings(each) for each in paying.chains.values()]
        self.chains = tuple(chains if chains is not None else self.opened)
        self.showing = Showing(PostgresReconciliations(paying.db), SystemClock())

    def using(self, owner: str = "test", *, whole_every: timedelta = timedelta(0), lease_s: float = 900) -> Reconciling:
        """Return what a run is given; everything is compared in each unless `whole_every` says otherwise."""
        runs = PostgresRuns(self.paying.db, whole_every=whole_every, lease_s=lease_s)
        return Reconciling(runs, PostgresLedger(self.paying.db), self.chains, self.told, owner)

    async def run(self, *, whole_every: timedelta = timedelta(0)) -> list[Difference]:
        """Compare everything; return what is found for the first time."""
        summaries = await reconcile_payments(by=By("reconcile_payments"), using=self.using(whole_every=whole_every))
        assert all(summary.complete for summary in summaries)
        return [opened.difference for summary in summaries for opened in summary.opened]

    async def open(self) -> list[Kind]:
        """Return what is open, by kind."""
        return sorted(Kind(row[0]) for row in await self.paying.db.run(OPEN))

    async def damaged(self, table: str, sql: str) -> None:
        """Do what nobody can do: change what is append-only."""
        connection = Connection(PostgresSettings(self.paying.url))
        connection.execute(f"alter table {table} disable trigger user")
        connection.execute(sql)
        connection.execute(f"alter table {table} enable trigger user")
        connection.close()

    async def closed(self) -> None:
        """Close the connections."""
        for each in self.opened:
            await each.close()


def holdings(settings: ChainSettings) -> BitcoinHoldings | EvmHoldings:
    """Return what a chain of the test really has."""
    if settings.kind == "bitcoin":
        return BitcoinHoldings(settings.rpc, always_whole=True)
    tokens = [Token(Asset(token.symbol), token.contract, token.decimals) for token in settings.tokens]
    return EvmHoldings(settings.rpc, chain_id=settings.chain_id, tokens=tokens)
