"""The senders of refunds, composed: one per chain that has a hot wallet. Only functions that need `signing` use it."""

from functools import cache

from shared.adapters.postgres.refunds import PostgresSendings
from shared.adapters.refund_alarms import LoggedAlarms
from shared.payments.send_refund import Sender, Sending
from shared.settings import ChainsSettings
from shared.wiring.refunds import policy
from shared.wiring.resources import clock, database, region
from shared.wiring.signing import hot_wallets


@cache
def senders() -> tuple[Sender, ...]:
    """Return the senders of the chains of CHAINS that have a key in SIGNING. Raises Misconfigured."""
    family = {chain.name: chain.kind for chain in ChainsSettings.from_env().chains}
    return tuple(
        Sender(
            Sending(
                wallet=wallet,
                sendings=PostgresSendings(database(), region=region()),
                alarms=LoggedAlarms(),
                policy=policy(),
                family=family[wallet.chain],
                clock=clock(),
            )
        )
        for wallet in hot_wallets()
    )
