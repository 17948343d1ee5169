"""`python -m shared.wiring.verify_claim TOKEN --shop shp_… --keys keys.json`: check a scanned QR code while offline.

Reads the token that a claim's QR code says, from the command line or from standard input. Keys come from a file with
the answer of /v1/claims/key (`--keys`), from the command line (`--key`, base64), or over the network (`--url`). Exit
code: 0 genuine, 1 not genuine, 2 unreadable, 3 no key, 4 genuine and too old, 5 genuine and another shop's.

Genuine means: the platform made it for this shop within the last minute. It can't mean that nobody has picked up yet:
two tills without a connection may be shown the same code. Who hands over on it alone takes that risk.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from shared.adapters.quote_signing import signed_by
from shared.claims.tokens import MOST, Unreadable, read
from shared.claims.verify_claim import Judged, Verdict, judge
from shared.kernel.ids import ShopId
from shared.wiring.published_keys import NoKeys, keys_of

_ENDINGS = {
    Verdict.GENUINE: "Genuine. Whether it was picked up already, only the platform knows: redeem it when you can.",
    Verdict.FORGED: "NOT genuine: hand nothing over.",
    Verdict.NO_KEY: "Unknown key: fetch the keys anew before you hand anything over.",
    Verdict.EXPIRED: "Genuine, but too old: ask for the code of this minute.",
    Verdict.ELSEWHERE: "Genuine, but for another shop: hand nothing over.",
}


def main(arguments: Sequence[str]) -> int:
    """Check one token, say what was found, and return the exit code."""
    options = argparse.ArgumentParser(prog="verify_claim", description=(__doc__ or "").partition("\n")[0])
    options.add_argument("token", nargs="?", default="-", help="what the QR code says; standard input without")
    options.add_argument("--shop", type=_shop, help="the shop that hands over")
    options.add_argument("--keys", type=Path, help="a file with the answer of /v1/claims/key")
    options.add_argument("--key", action="append", default=[], help="a public key in base64; several times if need be")
    options.add_argument("--url", help="where the platform's API is, to ask it for its keys")
    options.add_argument("--at", type=datetime.fromisoformat, help="judge as of this time instead of now")
    given = options.parse_args(arguments)
    now = given.at or datetime.now(UTC)
    if now.tzinfo is None:
        options.error("--at needs a time zone, such as 2026-05-06T12:00:00Z")
    try:
        token = read((sys.stdin.read(2 * MOST) if given.token == "-" else given.token).strip())
        keys = keys_of(given.key, given.keys, given.url, "/v1/claims/key")
    except Unreadable as wrong:
        print(wrong, file=sys.stderr)
        return Verdict.UNREADABLE
    except NoKeys as wrong:
        print(wrong, file=sys.stderr)
        return Verdict.NO_KEY
    judged = judge(token, keys, signed_by=signed_by, now=now, shop_id=given.shop)
    print(said(judged))
    return judged.verdict


def said(judged: Judged) -> str:
    """Return the verdict as a person reads it."""
    what = (
        f"{judged.order_id} at {judged.shop_id}, made {judged.issued_at:%F %T}, good until {judged.expires_at:%T} UTC"
    )
    return f"{what}\n{_ENDINGS[judged.verdict]}"


def _shop(text: str) -> ShopId:
    try:
        return ShopId.parse(text)
    except ValueError as wrong:
        raise argparse.ArgumentTypeError("a shop is written shp_ and 32 hexadecimal digits") from wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
