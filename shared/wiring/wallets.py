"""Wallets, composed."""

from functools import cache

from shared.adapters.person_keys import PersonKeys
from shared.adapters.postgres.person_books import PostgresPersonBooks
from shared.adapters.postgres.wallets import PostgresApiKeys, PostgresNonces, PostgresPeople, PostgresShopOwners
from shared.adapters.sealing import Sealer
from shared.settings import ChainsSettings, EvmNodeSettings, SealingSettings, SignInSettings
from shared.wallets.ports import ApiKeys, ContractWallets, Linking, Proof, SigningIn, SignInTerms
from shared.wallets.siwe import BITCOIN_CHAINS
from shared.wiring.edge import customer_tokens
from shared.wiring.resources import clock, database, region


@cache
def person_keys() -> PersonKeys:
    """Return what makes and opens the keys that personal facts are sealed with."""
    return PersonKeys(Sealer(SealingSettings.from_env()))


@cache
def signing_in() -> SigningIn:
    """Return what asking for a nonce and signing in are given."""
    db, settings = database(), SignInSettings.from_env()
    return SigningIn(
        nonces=PostgresNonces(db, most_per_minute=settings.tries_per_minute),
        people=PostgresPeople(db, region=region(), keys=person_keys()),
        terms=SignInTerms(settings.domain, settings.chain_ids, BITCOIN_CHAINS.get(settings.bitcoin_network)),
        clock=clock(),
    )


@cache
def proof() -> Proof:
    """Return what turns a signature into a token; loads curves and JWTs, so only the sign-in asks for it."""
    from shared.adapters.evm.personal_sign import PersonalSignatures

    return Proof(PersonalSignatures(), _contract_wallets(), customer_tokens())


@cache
def person_books() -> PostgresPersonBooks:
    """Return what the platform's books say of a person's coins."""
    return PostgresPersonBooks(database())


@cache
def linking() -> Linking:
    """Return what shows that a wallet is somebody's; loads curves, so only linking asks for it."""
    from shared.adapters.bitcoin.linked_wallets import LinkedBitcoinWallets
    from shared.adapters.evm.personal_sign import PersonalSignatures

    bitcoin = LinkedBitcoinWallets(ChainsSettings.from_env().bitcoin_network)
    return Linking(PersonalSignatures(), _contract_wallets(), bitcoin)


@cache
def _contract_wallets() -> ContractWallets:
    from shared.adapters.evm.contract_wallets import EvmContractWallets

    return EvmContractWallets(EvmNodeSettings.from_env().url_by_chain)


@cache
def api_keys() -> ApiKeys:
    """Return what staff keys are given."""
    db = database()
    return ApiKeys(store=PostgresApiKeys(db, region=region()), shops=PostgresShopOwners(db), clock=clock())
