"""What tests of reconciliation start from: a shop that is paid on real chains, and who compares."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from bip_utils import WifEncoder

from emulators.json_rpc import call
from emulators.wallets import BitcoinWallet, EvmWallet
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
from shared.payments.model import PaymentView
from shared.payments.reconcile_payments import Holdings, Reconciling, Summary, reconcile_payments
from shared.payments.reconciliation import Difference, Kind
from shared.settings import ChainSettings, PostgresSettings
from tests.integration.paying import Paying, both

BITCOIN, EVM = "bitcoin", "evm:31337"
ROW = "update payments set {} where payment_id = '{}'"

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
        return BitcoinHoldings(settings.rpc, hot_wallet=settings.hot_wallet, always_whole=True)
    tokens = [Token(Asset(token.symbol), token.contract, token.decimals) for token in settings.tokens]
    return EvmHoldings(settings.rpc, chain_id=settings.chain_id, tokens=tokens, hot_wallet=settings.hot_wallet)


class World(Comparing):
    """A shop whose account keys the test has, the customers' wallets, and who compares."""

    def __init__(self, paying: Paying, bitcoins: BitcoinWallet, ethers: EvmWallet) -> None:
        super().__init__(paying)
        self.bitcoins = bitcoins
        self.ethers = ethers

    async def paid(self, *assets: Asset) -> list[PaymentView]:
        """Have a payment in each asset settled and final."""
        asked = [await self.paying.requested(asset) for asset in assets]
        for each in asked:
            self.pay(each.asset, each.address, each.due.units)
        await self.final()
        return asked

    def pay(self, asset: Asset, address: str, units: int) -> None:
        """Pay an address as a customer does."""
        if asset == Asset.BTC:
            self.bitcoins.pay(address, units)
        else:
            self.ethers.pay(asset, address, units)

    async def final(self) -> None:
        """Bury what was paid so deep that it is final, and have it read."""
        self.bitcoins.mine(7)
        self.ethers.mine(20)
        for chain in (BITCOIN, EVM):
            await self.paying.settle(chain)

    async def changed(self, payment: PaymentView, change: str) -> None:
        """Change the payment's row behind everybody's back."""
        await self.paying.db.run(Sql(ROW.format(change, payment.payment_id)))

    async def spent(self, payment: PaymentView) -> None:
        """Move the coin of a payment in BTC away, as its shop could with its own keys."""
        stored = await self.paying.store.load(payment.payment_id)
        assert stored is not None
        key = self.paying.bitcoin_account.key(stored.state.derivation_index)
        wif = WifEncoder.Encode(key.secret, b"\xef")
        (arrival,) = stored.state.transfers
        rpc, units = self.bitcoins.rpc_url, arrival.units
        output = {self.bitcoins.address: f"{(units - 500) / 10**8:.8f}"}
        raw = call(rpc, "createrawtransaction", [{"txid": arrival.txid, "vout": arrival.position}], [output])
        coin = {
            "txid": arrival.txid,
            "vout": arrival.position,
            "scriptPubKey": stored.state.watch_key,
            "amount": f"{units / 10**8:.8f}",
        }
        signed = call(rpc, "signrawtransactionwithkey", raw, [wif], [coin])
        assert signed["complete"]
        call(rpc, "sendrawtransaction", signed["hex"])

    def sent(self, sender: str, to: str, *, value: int = 0, call_data: str = "0x") -> str:
        """Send from an address as its shop could with its own keys, and return the transaction."""
        rpc = self.ethers.rpc_url
        call(rpc, "anvil_impersonateAccount", sender)
        transaction = {"from": sender, "to": to, "value": hex(value), "data": call_data}
        txid = str(call(rpc, "eth_sendTransaction", transaction))
        call(rpc, "anvil_stopImpersonatingAccount", sender)
        self.ethers.mine(1)
        return txid


@asynccontextmanager
async def opened(
    database: str, env: Mapping[str, str], bitcoins: BitcoinWallet, ethers: EvmWallet
) -> AsyncIterator[World]:
    """Open a shop on both chains."""
    paying = await Paying(database, both(dict(env), dict(env))).opened()
    ethers.mine(20)
    await paying.scan(BITCOIN)
    await paying.scan(EVM)
    world = World(paying, bitcoins, ethers)
    yield world
    await world.closed()
    await paying.closed()


def named(found: Sequence[Difference]) -> list[tuple[str, Kind, Asset | None]]:
    """Return what was found, in short."""
    return sorted(((each.scope, each.kind, each.asset) for each in found), key=str)
