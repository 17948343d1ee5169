"""Payout accounts, composed: what opens keys and checks signatures is loaded only where that is done."""

from datetime import timedelta
from functools import cache

from shared.adapters.postgres.payout import PostgresPayouts
from shared.adapters.postgres.shops import PostgresShops
from shared.shops.ports import DuePayouts, PayoutDesk, Payouts
from shared.wiring.resources import clock, database, region


@cache
def payouts() -> Payouts:
    """Return what proving, proposing and confirming accounts is given."""
    from shared.adapters.account_keys import SealedAccountKeys, SignedMessages
    from shared.adapters.sealing import Sealer
    from shared.settings import ChainsSettings, PayoutSettings, SealingSettings

    settings, network = PayoutSettings.from_env(), ChainsSettings.from_env().bitcoin_network
    return Payouts(
        store=PostgresPayouts(database(), region=region()),
        account_keys=SealedAccountKeys(Sealer(SealingSettings.from_env()), bitcoin_network=network),
        ownership=SignedMessages(bitcoin_network=network),
        domain=settings.domain,
        delay=timedelta(seconds=settings.delay_s),
        clock=clock(),
    )


@cache
def payout_desk() -> PayoutDesk:
    """Return what showing accounts and calling changes off is given: no key is opened there."""
    return PayoutDesk(store=PostgresShops(database(), region=region()), clock=clock())


@cache
def due_payouts() -> DuePayouts:
    """Return what letting changes take effect is given."""
    return DuePayouts(store=PostgresPayouts(database(), region=region()), clock=clock())
