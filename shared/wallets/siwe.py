"""Messages of "Sign in with Ethereum", parsed strictly and checked. Pure: no clock, no keys, no I/O.

Source: EIP-4361 and its ABNF; for Bitcoin, CAIP-122, which has the same form. One message has one reading: whatever the
grammar does not allow is refused.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from shared.kernel.errors import Invalid, Unauthenticated
from shared.kernel.ids import UserId

MAX_AGE: Final = timedelta(minutes=10)
"""How long ago a message may have been written; its nonce lives no longer."""
SKEW: Final = timedelta(minutes=1)
"""How much the clocks of wallets may be ahead of ours."""
BITCOIN_CHAINS: Final = {
    "main": "000000000019d6689c085ae165831e93",
    "test": "000000000933ea01ad0ee984209779ba",
    "testnet4": "00000000da84f2bafbbc53dee25a72ae",
    "signet": "00000008819873e925422c1ff0f99f7c",
    "regtest": "0f9188f13cb7b2c71f2a335e3a4fc328",
}
"""Bitcoin networks as nodes call them, and as messages do: the first 32 digits of the first block's hash (CAIP-2)."""
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
_URI = r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]{1,1024}"
_FORM = (
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<domain>[A-Za-z0-9.:\[\]-]{1,255})"
    r" wants you to sign in with your KIND account:\n"
    r"(?P<address>ADDRESS)\n"
    r"\n"
    r"(?:(?P<statement>[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;= ]+)\n)?"
    r"\n"
    rf"URI: (?P<uri>{_URI})\n"
    r"Version: (?P<version>[0-9]{1,3})\n"
    r"Chain ID: (?P<chain_id>CHAIN)\n"
    r"Nonce: (?P<nonce>[A-Za-z0-9]{8,96})\n"
    rf"Issued At: (?P<issued_at>{_TIME})"
    rf"(?:\nExpiration Time: (?P<expires_at>{_TIME}))?"
    rf"(?:\nNot Before: (?P<not_before>{_TIME}))?"
    r"(?:\nRequest ID: (?P<request_id>[A-Za-z0-9\-._~:@!$&'()*+,;=%]*))?"
    rf"(?:\nResources:(?P<resources>(?:\n- {_URI})*))?"
)


def _form(kind: str, address: str, chain: str) -> re.Pattern[str]:
    return re.compile(_FORM.replace("KIND", kind).replace("ADDRESS", address).replace("CHAIN", chain))


_ETHEREUM: Final = _form("Ethereum", "0x[0-9A-Fa-f]{40}", "[1-9][0-9]{0,17}")
_BITCOIN: Final = _form("Bitcoin", "[A-Za-z0-9]{14,90}", "[0-9a-f]{32}")
_LINK: Final = "Link this wallet to "


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
    statement: str | None
    uri: str
    version: int
    chain: str
    """Ethereum: a chain id in decimal. Bitcoin: the first 32 digits of the hash of the network's first block."""
    nonce: str
    issued_at: datetime
    expires_at: datetime | None
    not_before: datetime | None

    @property
    def chain_id(self) -> int:
        """Return the chain id of a message of Ethereum's."""
        return int(self.chain)


def parse(text: str) -> Message:
    """Return what a message for an Ethereum wallet says. Raises MalformedMessage."""
    return _parsed(_ETHEREUM, text, "EIP-4361")


def parse_bitcoin(text: str) -> Message:
    """Return what a message for a Bitcoin wallet says. Raises MalformedMessage."""
    return _parsed(_BITCOIN, text, "CAIP-122")


def _parsed(form: re.Pattern[str], text: str, standard: str) -> Message:
    found = form.fullmatch(text)
    if found is None:
        raise MalformedMessage(f"Build it exactly as {standard} says, with the nonce from request_nonce.")
    issued_at = _time(found["issued_at"])
    if issued_at is None:
        raise MalformedMessage("`Issued At` is missing.")
    return Message(
        scheme=found["scheme"],
        domain=found["domain"],
        address=found["address"],
        statement=found["statement"],
        uri=found["uri"],
        version=int(found["version"]),
        chain=found["chain_id"],
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
    check_place_and_time(message, domain=domain, now=now)
    if message.chain_id not in chain_ids:
        raise SignInRefused("The message names a chain that is not known here.", chain_ids=sorted(chain_ids))


def check_sign_in(message: Message) -> None:
    """Refuse a message that was written to link a wallet: it is for that alone. Raises SignInRefused."""
    if (message.statement or "").startswith(_LINK):
        raise SignInRefused("This message links a wallet, and signs nobody in.")


def check_link(message: Message, *, user_id: UserId) -> None:
    """Refuse a message that does not say to which account it links the wallet. Raises SignInRefused."""
    wanted = f"{_LINK}{user_id}."
    if message.statement != wanted:
        raise SignInRefused(f"The statement of the message must be: {wanted}", statement=wanted)


def check_place_and_time(message: Message, *, domain: str, now: datetime) -> None:
    """Refuse a message that was not written for `domain`, now. Raises SignInRefused."""
    if message.version != 1:
        raise SignInRefused("The message must be of version 1.")
    if message.domain != domain or not _schemed(message.scheme, domain):
        raise SignInRefused(f"The message must be for the domain {domain}.")
    if not _within(message.uri, domain):
        raise SignInRefused(f"The URI of the message must be a page of {domain}.")
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
