"""`python -m shared.wiring.verify_quote payment.json --url https://…`: check what you are told to pay, before you pay.

Reads a quote, or the payment that the platform answered, from a file or from standard input, and checks its signature,
its rate against what each feed said, its amount, and the link. Keys come from `--url` (its /v1/quotes/key), from a file
(`--keys`), or from the command line (`--key`, base64), where they can be pinned. Needs nothing of the platform but this
code. Exit code: 0 genuine, 1 not genuine, 2 unreadable, 3 no key, 4 genuine but expired.
"""

import argparse
import json
import sys
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, build_opener

from shared.adapters.quote_signing import key_id_of, signed_by
from shared.payments.verify_quote import Judged, Unreadable, Verdict, judge, quote_in

TIMEOUT_S = 10
MAX_BYTES = 1_000_000
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ENDINGS = {
    Verdict.GENUINE: "Genuine: pay exactly this.",
    Verdict.FORGED: "NOT genuine: do not pay.",
    Verdict.NO_KEY: "Unknown key: do not pay before you know whose it is.",
    Verdict.EXPIRED: "Genuine, but expired: ask for a new one.",
}


class NoKeys(Exception):
    """No key can be had to check with."""


class _Stays(HTTPRedirectHandler):
    """Keys come from where they were asked for, and from nowhere else."""

    def redirect_request(self, *args: object, **kwargs: object) -> None:
        """Follow no redirect."""


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
        keys = _keys(given.key, given.keys, given.url)
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


def _keys(given: Sequence[str], file: Path | None, url: str | None) -> Mapping[str, bytes]:
    """Return public keys by id. Raises NoKeys."""
    keys = [_key(each, "--key") for each in given]
    try:
        if file is not None:
            keys += _listed(file.read_text(), str(file))
        if url is not None:
            keys += _listed(_asked(url), url)
    except (OSError, ValueError) as wrong:
        raise NoKeys(f"No keys can be had: {wrong}.") from wrong
    if not keys:
        raise NoKeys("Name a key to check with: --url, --keys or --key.")
    return {key_id_of(key): key for key in keys}


def _asked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise NoKeys("Keys are asked for over https only, or on this machine.")
    with build_opener(_Stays).open(f"{url.rstrip('/')}/v1/quotes/key", timeout=TIMEOUT_S) as reply:
        return str(reply.read(MAX_BYTES), "utf-8")


def _listed(text: str, where: str) -> list[bytes]:
    told = json.loads(text)
    listed = told.get("keys") if isinstance(told, dict) else None
    if not isinstance(listed, list):
        raise NoKeys(f"{where} has no list of keys.")
    return [
        _key(str(each.get("x")), where) for each in listed if isinstance(each, dict) and each.get("crv") == "Ed25519"
    ]


def _key(text: str, where: str) -> bytes:
    padded = text + "=" * (-len(text) % 4)
    try:
        key = urlsafe_b64decode(padded) if set(text) & {"-", "_"} else b64decode(padded, validate=True)
    except ValueError as wrong:
        raise NoKeys(f"{where} has a key that is not base64.") from wrong
    if len(key) != 32:
        raise NoKeys(f"{where} has a key of {len(key)} bytes instead of 32.")
    return key


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
