"""Wallets, composed."""

from functools import cache

from shared.adapters.postgres.wallets import PostgresApiKeys, PostgresNonces, PostgresPeople, PostgresShopOwners
from shared.settings import SignInSettings
from shared.wallets.ports import ApiKeys, Proof, SigningIn, SignInTerms
from shared.wiring.edge import customer_tokens
from shared.wiring.resources import clock, database, region


@cache
def signing_in() -> SigningIn:
    """Return what asking for a nonce and signing in are given."""
    db, settings = database(), SignInSettings.from_env()
    return SigningIn(
        nonces=PostgresNonces(db, most_per_minute=settings.tries_per_minute),
        people=PostgresPeople(db, region=region()),
        terms=SignInTerms(settings.domain, settings.chain_ids),
        clock=clock(),
    )


@cache
def proof() -> Proof:
    """Return what turns a signature into a token; loads curves and JWTs, so only the sign-in asks for it."""
    from shared.adapters.evm.personal_sign import PersonalSignatures

    return Proof(PersonalSignatures(), customer_tokens())


@cache
def api_keys() -> ApiKeys:
    """Return what staff keys are given."""
    db = database()
    return ApiKeys(store=PostgresApiKeys(db, region=region()), shops=PostgresShopOwners(db), clock=clock())
