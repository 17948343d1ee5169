"""`python -m shared.wiring.verify_quote payment.json --url https://…`: check what you are told to pay, before you pay.

Reads a quote, or the payment that the platform answered, from a file or from standard input, and checks its signature,
its rate against what each feed said, its amount, and the link. Keys come from `--url` (its /v1/quotes/key), from a file
(`--keys`), or from the command line (`--key`, base64), where they can be pinned. Needs nothing of the platform but this
code. Exit code: 0 genuine, 1 not genuine, 2 unreadable, 3 no key, 4 genuine but expired.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from shared.adapters.quote_signing import signed_by
from shared.payments.verify_quote import Judged, Unreadable, Verdict, judge, quote_in
from shared.wiring.published_keys import MAX_BYTES, NoKeys, keys_of

_ENDINGS = {
    Verdict.GENUINE: "Genuine: pay exactly this.",
    Verdict.FORGED: "NOT genuine: do not pay.",
    Verdict.NO_KEY: "Unknown key: do not pay before you know whose it is.",
    Verdict.EXPIRED: "Genuine, but expired: ask for a new one.",
}


def main(arguments: Sequence[str]) -> int:
    """Check one quote, say what was found, and return the exit code."""
    options = argparse.ArgumentParser(prog="verify_quote", description=(__doc__ or "").partition("\n")[0])
    options.add_argument("file", nargs="?", default="-", help="the quote or payment as JSON; standard input without")
    options.add_argument("--url", help="where the platform's API is: its keys are asked for there")
    options.add_argument("--keys", type=Path, help="a file with the answer of /v1/quotes/key")
    options.add_argument(
        "--key", action="append", default=[], help="a public key in base64; may be given several times"
    )
    options.add_argument("--link", help="a payment link that is to be what the quote says")
    options.add_argument("--decimals", type=int, choices=range(31), help="of a token that is not known here")
    options.add_argument("--at", type=datetime.fromisoformat, help="judge as of this time instead of now")
    given = options.parse_args(arguments)
    now = given.at or datetime.now(UTC)
    if now.tzinfo is None:
        options.error("--at needs a time zone, such as 2026-05-06T12:00:00Z")
    try:
        quote, payment = quote_in(_read(given.file))
        keys = keys_of(given.key, given.keys, given.url, "/v1/quotes/key")
        decimals, link = given.decimals, given.link
        judged = judge(quote, payment, keys, signed_by=signed_by, now=now, decimals=decimals, link=link)
    except Unreadable as wrong:
        print(wrong, file=sys.stderr)
        return Verdict.UNREADABLE
    except NoKeys as wrong:
        print(wrong, file=sys.stderr)
        return Verdict.NO_KEY
    print(said(judged))
    return judged.verdict


def said(judged: Judged) -> str:
    """Return the findings as a person reads them."""
    lines = [judged.title]
    lines += [f"  {'ok   ' if finding.right else 'WRONG'}  {finding.what}" for finding in judged.findings]
    return "\n".join([*lines, _ENDINGS[judged.verdict]])


def _read(file: str) -> str:
    try:
        return sys.stdin.read(MAX_BYTES) if file == "-" else Path(file).read_text()[:MAX_BYTES]
    except (OSError, UnicodeDecodeError) as wrong:
        raise Unreadable(f"{file} can't be read: {wrong}.") from wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
