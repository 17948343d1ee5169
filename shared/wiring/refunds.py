"""Refunds, composed: asking for them, agreeing to them, listing them. What can spend is in `sending.py`."""

from functools import cache

from shared.adapters.postgres.refunds import PostgresRefunds
from shared.payments.refund_policy import RefundPolicy, policy_of
from shared.payments.refund_ports import Refunds, RequestingRefunds
from shared.settings import ChainsSettings, Misconfigured, RefundSettings
from shared.wiring.resources import clock, database, region


@cache
def refunds() -> Refunds:
    """Return everything that agreeing to refunds and listing them is given."""
    return Refunds(store=PostgresRefunds(database(), region=region()), clock=clock())


@cache
def requesting() -> RequestingRefunds:
    """Return what asking for a refund is given; only here addresses are read. Raises Misconfigured."""
    from shared.adapters.postgres.payment_terms import PostgresQuotes
    from shared.adapters.refund_destinations import ParsedDestinations
    from shared.adapters.refund_market import RefundMarkets

    return RequestingRefunds(
        store=PostgresRefunds(database(), region=region()),
        destinations=ParsedDestinations(ChainsSettings.from_env().chains),
        market=RefundMarkets(PostgresQuotes(database())),
        policy=policy(),
        clock=clock(),
    )


@cache
def policy() -> RefundPolicy:
    """Return what refunds are judged by. Raises Misconfigured."""
    try:
        return policy_of(RefundSettings.from_env().told)
    except ValueError as wrong:
        raise Misconfigured(f"REFUNDS makes no sense: {wrong}") from wrong
