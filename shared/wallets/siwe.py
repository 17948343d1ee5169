"""Messages of "Sign in with Ethereum", parsed strictly and checked. Pure: no clock, no keys, no I/O.

Source: EIP-4361 and its ABNF. One message has one reading: whatever the grammar does not allow is refused.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from shared.kernel.errors import Invalid, Unauthenticated

MAX_AGE: Final = timedelta(minutes=10)
"""How long ago a message may have been written; its nonce lives no longer."""
SKEW: Final = timedelta(minutes=1)
"""How much the clocks of wallets may be ahead of ours."""
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
_URI = r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]{1,1024}"
_MESSAGE = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<domain>[A-Za-z0-9.:\[\]-]{1,255})"
    r" wants you to sign in with your Ethereum account:\n"
    r"(?P<address>0x[0-9A-Fa-f]{40})\n"
    r"\n"
    r"(?:(?P<statement>[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;= ]+)\n)?"
    r"\n"
    rf"URI: (?P<uri>{_URI})\n"
    r"Version: (?P<version>[0-9]{1,3})\n"
    r"Chain ID: (?P<chain_id>[1-9][0-9]{0,17})\n"
    r"Nonce: (?P<nonce>[A-Za-z0-9]{8,96})\n"
    rf"Issued At: (?P<issued_at>{_TIME})"
    rf"(?:\nExpiration Time: (?P<expires_at>{_TIME}))?"
    rf"(?:\nNot Before: (?P<not_before>{_TIME}))?"
    r"(?:\nRequest ID: (?P<request_id>[A-Za-z0-9\-._~:@!$&'()*+,;=%]*))?"
    rf"(?:\nResources:(?P<resources>(?:\n- {_URI})*))?"
)


class MalformedMessage(Invalid):
    """The message is none of EIP-4361."""

    type = "siwe-message"
    title = "The message is not one of Sign in with Ethereum"


class SignInRefused(Unauthenticated):
    """The message or its signature does not prove who is asking, or not now, or not to us."""

    type = "sign-in-refused"
    title = "The sign-in is not accepted"


@dataclass(frozen=True, slots=True)
class Message:
    """What a message says, as far as it is checked. `address` is as it was written."""

    scheme: str | None
    domain: str
    address: str
    uri: str
    version: int
    chain_id: int
    nonce: str
    issued_at: datetime
    expires_at: datetime | None
    not_before: datetime | None


def parse(text: str) -> Message:
    """Return what the message says. Raises MalformedMessage."""
    found = _MESSAGE.fullmatch(text)
    if found is None:
        raise MalformedMessage("Build it exactly as EIP-4361 says, with the nonce from request_nonce.")
    issued_at = _time(found["issued_at"])
    if issued_at is None:
        raise MalformedMessage("`Issued At` is missing.")
    return Message(
        scheme=found["scheme"],
        domain=found["domain"],
        address=found["address"],
        uri=found["uri"],
        version=int(found["version"]),
        chain_id=int(found["chain_id"]),
        nonce=found["nonce"],
        issued_at=issued_at,
        expires_at=_time(found["expires_at"]),
        not_before=_time(found["not_before"]),
    )


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError as wrong:
        raise MalformedMessage(f"{text} is not a time.") from wrong


def check(message: Message, *, domain: str, chain_ids: frozenset[int], now: datetime) -> None:
    """Refuse a message that was not written for `domain`, on a known chain, now. Raises SignInRefused."""
    if message.version != 1:
        raise SignInRefused("The message must be of version 1.")
    if message.domain != domain or not _schemed(message.scheme, domain):
        raise SignInRefused(f"The message must be for the domain {domain}.")
    if not _within(message.uri, domain):
        raise SignInRefused(f"The URI of the message must be a page of {domain}.")
    if message.chain_id not in chain_ids:
        raise SignInRefused("The message names a chain that is not known here.", chain_ids=sorted(chain_ids))
    if message.issued_at > now + SKEW:
        raise SignInRefused("The message was issued in the future; look at your clock.")
    if message.issued_at < now - MAX_AGE:
        raise SignInRefused("The message is too old. Sign a fresh one.")
    if message.expires_at is not None and message.expires_at <= now:
        raise SignInRefused("The message has expired. Sign a fresh one.")
    if message.not_before is not None and message.not_before > now:
        raise SignInRefused("The message is not good yet.")


def _schemed(scheme: str | None, domain: str) -> bool:
    """Return whether a page of `domain` may have this scheme: https, or http on one's own machine."""
    host = urlsplit(f"//{domain}").hostname
    return scheme in (None, "https") or (scheme == "http" and host in _LOOPBACK)


def _within(uri: str, domain: str) -> bool:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    return parts.netloc == domain and _schemed(parts.scheme, domain)
