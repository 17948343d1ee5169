"""Claims, composed."""

from functools import cache
from typing import TYPE_CHECKING

from shared.adapters.postgres.claims import PostgresClaims, PostgresKnownPeople, PostgresOrderStandings
from shared.claims.codes import Codes
from shared.claims.get_claim_qr import Pictures
from shared.claims.ports import Claims
from shared.settings import ClaimCodeSettings, ClaimSigningSettings
from shared.wiring.resources import clock, database, region

if TYPE_CHECKING:
    from shared.claims.redeem_claim import Checks
    from shared.claims.tokens import ClaimSigner


@cache
def claims() -> Claims:
    """Return everything the operations of claims are given."""
    db = database()
    return Claims(
        store=PostgresClaims(db, region=region()),
        orders=PostgresOrderStandings(db),
        people=PostgresKnownPeople(db),
        codes=Codes(ClaimCodeSettings.from_env().key),
        clock=clock(),
    )


@cache
def signer() -> "ClaimSigner":
    """Return what signs claim tokens; loads the ciphers."""
    from shared.adapters.quote_signing import Ed25519Quotes

    return Ed25519Quotes(ClaimSigningSettings.from_env())


@cache
def checks() -> "Checks":
    """Return what tells genuine claim tokens; loads the ciphers."""
    from shared.adapters.quote_signing import signed_by
    from shared.claims.redeem_claim import Checks

    return Checks(signer().public_keys, signed_by)


@cache
def pictures() -> Pictures:
    """Return what draws QR codes."""
    from shared.adapters.qr import QrPictures

    return QrPictures()
