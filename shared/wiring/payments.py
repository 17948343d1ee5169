"""Payments, composed: requesting, reading, deciding. What talks to a chain's node is in `chains.py`."""

from functools import cache

from shared.adapters.postgres.address_pool import PostgresAddressPool
from shared.adapters.postgres.payment_terms import PostgresPayableOrders, PostgresQuotes
from shared.adapters.postgres.payments import PostgresPayments
from shared.kernel.money import Asset
from shared.payments.get_payment_qr import Pictures
from shared.payments.policy import AssetPolicy, policy_of
from shared.payments.ports import Confirming, PayableChain, Payments, QuoteSigner, Requesting
from shared.settings import ChainSettings, ChainsSettings, Misconfigured
from shared.wiring.resources import clock, database, region


@cache
def payments() -> Payments:
    """Return everything the operations of payments are given."""
    return Payments(store=PostgresPayments(database(), region=region()), clock=clock())


@cache
def confirming() -> Confirming:
    """Return what confirming payments is given."""
    store = PostgresPayments(database(), region=region())
    return Confirming(store=store, quotes=PostgresQuotes(database()), clock=clock())


@cache
def requesting() -> Requesting:
    """Return what requesting a payment is given; only here account keys are opened and quotes are signed."""
    from shared.adapters.account_keys import SealedAccountKeys
    from shared.adapters.receive_addresses import DerivedAddresses
    from shared.adapters.sealing import Sealer
    from shared.settings import SealingSettings

    db, chains = database(), ChainsSettings.from_env().chains
    network = next((chain.network for chain in chains if chain.kind == "bitcoin"), "main")
    account_keys = SealedAccountKeys(Sealer(SealingSettings.from_env()), bitcoin_network=network)
    return Requesting(
        store=PostgresPayments(db, region=region()),
        orders=PostgresPayableOrders(db),
        quotes=PostgresQuotes(db),
        signer=signer(),
        account_keys=DerivedAddresses(account_keys, chains),
        pool=PostgresAddressPool(db),
        chains=tuple(payable(chain) for chain in chains),
        clock=clock(),
    )


@cache
def signer() -> QuoteSigner:
    """Return what signs quotes."""
    from shared.adapters.quote_signing import Ed25519Quotes
    from shared.settings import QuoteSigningSettings

    return Ed25519Quotes(QuoteSigningSettings.from_env())


@cache
def pictures() -> Pictures:
    """Return what draws QR codes."""
    from shared.adapters.qr import QrPictures

    return QrPictures()


def payable(chain: ChainSettings) -> PayableChain:
    """Return a chain as requesting a payment sees it.

    Raises ValueError for a symbol that is no asset here, and Misconfigured for a policy that makes no sense.
    """
    contracts: dict[Asset, str | None] = {Asset(token.symbol): token.contract for token in chain.tokens}
    own = Asset.BTC if chain.kind == "bitcoin" else Asset(chain.native)
    if stray := set(chain.policies) - set(chain.assets):
        raise Misconfigured(f"CHAINS: {chain.name} has a policy for what can't be paid there: {', '.join(stray)}.")
    return PayableChain(
        name=chain.name,
        family=chain.kind,
        contracts={own: None, **contracts},
        confirmations=chain.confirmations,
        policies={asset: _policy(chain, asset) for asset in (own, *contracts)},
        mempool=chain.kind == "bitcoin",
    )


def _policy(chain: ChainSettings, asset: Asset) -> AssetPolicy:
    try:
        return policy_of(asset, chain.policies.get(asset, {}))
    except ValueError as wrong:
        raise Misconfigured(f"CHAINS: the policy of {asset} on {chain.name} makes no sense: {wrong}") from wrong
