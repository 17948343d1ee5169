"""Claims, composed."""

from functools import cache

from shared.adapters.postgres.claims import PostgresClaims, PostgresOrderStandings
from shared.claims.codes import Codes
from shared.claims.get_claim_qr import Pictures
from shared.claims.ports import Claims
from shared.settings import ClaimCodeSettings
from shared.wiring.resources import clock, database, region


@cache
def claims() -> Claims:
    """Return everything the operations of claims are given."""
    db = database()
    return Claims(
        store=PostgresClaims(db, region=region()),
        orders=PostgresOrderStandings(db),
        codes=Codes(ClaimCodeSettings.from_env().key),
        clock=clock(),
    )


@cache
def pictures() -> Pictures:
    """Return what draws QR codes."""
    from shared.adapters.qr import QrPictures

    return QrPictures()
