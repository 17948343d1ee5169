"""Reconciliation, composed: the books, and every chain of CHAINS read on ways of its own."""

import os
from functools import cache

from shared.adapters.postgres.ledger import PostgresLedger
from shared.adapters.postgres.reconciliation import PostgresRuns
from shared.adapters.postgres.reconciliation_shown import PostgresReconciliations
from shared.kernel.ids import uuid7_hex
from shared.kernel.money import Asset
from shared.payments.get_reconciliation import Showing
from shared.payments.reconcile_payments import Holdings, Reconciling, Summary
from shared.settings import ChainSettings, ChainsSettings
from shared.wiring.resources import clock, database


@cache
def reconciling() -> Reconciling:
    """Return what the comparison is given."""
    return Reconciling(
        runs=PostgresRuns(database()),
        ledger=PostgresLedger(database()),
        chains=tuple(holdings(chain) for chain in ChainsSettings.from_env().chains),
        alarms=LoggedAlarms(),
        owner=f"{os.getpid()}-{uuid7_hex()[-12:]}",
    )


@cache
def showing() -> Showing:
    """Return what is needed to show it."""
    return Showing(PostgresReconciliations(database()), clock())


def holdings(settings: ChainSettings) -> Holdings:
    """Return what a chain really has."""
    if settings.kind == "bitcoin":
        from shared.adapters.bitcoin.holdings import BitcoinHoldings

        small = settings.network == "regtest"
        return BitcoinHoldings(settings.rpc, name=settings.name, hot_wallet=settings.hot_wallet, always_whole=small)
    from shared.adapters.evm.chain import Token
    from shared.adapters.evm.holdings import EvmHoldings

    tokens = [Token(Asset(token.symbol), token.contract, token.decimals) for token in settings.tokens]
    return EvmHoldings(
        settings.rpc,
        chain_id=settings.chain_id,
        tokens=tokens,
        native=Asset(settings.native),
        hot_wallet=settings.hot_wallet,
    )


class LoggedAlarms:
    """Fulfils `shared.payments.reconcile_payments.Alarms`: gauges, and lines at error."""

    def reconciled(self, summary: Summary) -> None:
        """Measure how the scope stands; log each new difference, that some are open, and that a run is incomplete."""
        from shared.adapters.reconciliation_gauges import measure
        from shared.edge.alarm import alarm

        measure(summary)
        function = "reconcile_payments"
        for opened in summary.opened:
            found = opened.difference
            units = "" if found.found is None else f": {found.found} instead of {found.expected} {found.asset or ''}"
            ids = tuple(each for each in (opened.difference_id, found.payment_id, found.shop_id) if each)
            told = f"{summary.scope}: {found.kind}{units}"
            alarm(function, "reconciliation-difference", told, ids=ids, merchant=found.merchant_id or "")
        if summary.unacknowledged:
            told = f"{summary.scope}: {summary.unacknowledged} differences are open and not acknowledged"
            alarm(function, "reconciliation-open", told)
        if not summary.complete:
            alarm(function, "reconciliation-incomplete", f"{summary.scope}: {summary.reason}")
