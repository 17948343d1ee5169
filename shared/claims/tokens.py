"""Claim tokens: what the QR code of a claim says, signed anew every half minute. Pure.

A token is a JWS in compact form (RFC 7515) with Ed25519 (RFC 8037): `aud` is the shop, `sub` the claim, `n` the serial
number of its code, `iat` the beginning of its step, `exp` its end. Within a step a claim has one token. It proves who
made it and when; whether the order was handed over already, only the platform knows.
"""

import json
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from shared.kernel.ids import ClaimId, ShopId

STEP_S: Final = 30
"""A new token every so many seconds."""
GOOD_S: Final = 60
"""As long is a token good, from the beginning of its step."""
SKEW_S: Final = 5
"""As much may the clocks of who makes and who checks it differ."""
KID_CHARS: Final = 11
MOST: Final = 512
_TYPE: Final = "claim+jwt"


class Unreadable(ValueError):
    """This is no claim token."""


class ClaimSigner(Protocol):
    """Signs tokens; the public keys are published."""

    @property
    def key_id(self) -> str:
        """Return the thumbprint of the key that signs."""
        ...

    @property
    def public_keys(self) -> Mapping[str, bytes]:
        """Return every key that is published, by its thumbprint: first the one that signs."""
        ...

    def sign(self, message: bytes) -> str:
        """Return the signature, 64 bytes in base64."""
        ...


SignedBy = Callable[[bytes, bytes, str], bool]
"""Whether a public key made this signature (base64) of a message."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says, and what was signed of it."""

    claim_id: ClaimId
    shop_id: ShopId
    serial: int
    issued_at: int
    expires_at: int
    """Both in seconds since 1970."""
    key_id: str
    signed: bytes
    signature: str

    def made_by(self, keys: Mapping[str, bytes], signed_by: SignedBy) -> bool:
        """Return whether one of these public keys signed it."""
        return any(signed_by(key, self.signed, self.signature) for key in named(keys, self.key_id))

    def good_at(self, now: datetime) -> bool:
        """Return whether now is within its time, give or take what clocks differ."""
        seconds = now.timestamp()
        return self.issued_at - SKEW_S <= seconds < self.expires_at + SKEW_S


def named(keys: Mapping[str, bytes], kid: str) -> list[bytes]:
    """Return the keys that a token means by `kid`."""
    return [key for key_id, key in keys.items() if key_id[:KID_CHARS] == kid]


def token_of(claim_id: ClaimId, shop_id: ShopId, serial: int, *, now: datetime, signer: ClaimSigner) -> str:
    """Return the token of a claim in the present step: at most 340 characters."""
    head = {"alg": "EdDSA", "kid": signer.key_id[:KID_CHARS], "typ": _TYPE}
    begin = _step(now)
    said = {"aud": shop_id, "exp": begin + GOOD_S, "iat": begin, "n": serial, "sub": claim_id}
    signed = b".".join(_encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (head, said))
    return (signed + b"." + _encoded(b64decode(signer.sign(signed)))).decode()


def times(now: datetime) -> tuple[datetime, datetime]:
    """Return when the present token ends, and from when there is a newer one."""
    begin = _step(now)
    return datetime.fromtimestamp(begin + GOOD_S, UTC), datetime.fromtimestamp(begin + STEP_S, UTC)


def read(text: str) -> Token:
    """Return what a token says, whoever made it. Raises Unreadable; each token has one way to be written."""
    parts = text.split(".") if len(text) <= MOST and text.isascii() else []
    if len(parts) != 3:
        raise Unreadable("This is no claim token: it has not three parts.")
    try:
        head, said, signature = (_decoded(part) for part in parts)
        head_said, told = json.loads(head), json.loads(said)
        if not isinstance(head_said, dict) or not isinstance(told, dict):
            raise Unreadable("This is no claim token: its parts are no objects.")
        if head_said.get("alg") != "EdDSA" or head_said.get("typ") != _TYPE or set(head_said) != {"alg", "kid", "typ"}:
            raise Unreadable("This is no claim token: it is signed in another way, or is something else.")
        if set(told) != {"aud", "exp", "iat", "n", "sub"} or len(signature) != 64:
            raise Unreadable("This is no claim token: it says something else.")
        return Token(
            claim_id=ClaimId.parse(_text(told["sub"])),
            shop_id=ShopId.parse(_text(told["aud"])),
            serial=_number(told["n"]),
            issued_at=_number(told["iat"]),
            expires_at=_number(told["exp"]),
            key_id=_text(head_said["kid"]),
            signed=f"{parts[0]}.{parts[1]}".encode(),
            signature=_standard(parts[2]),
        )
    except Unreadable:
        raise
    except (ValueError, RecursionError) as wrong:
        raise Unreadable("This is no claim token.") from wrong


def _step(now: datetime) -> int:
    seconds = int(now.timestamp())
    return seconds - seconds % STEP_S


def _encoded(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")


def _decoded(part: str) -> bytes:
    raw = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if _encoded(raw).decode() != part:
        raise Unreadable("This is no claim token: it is not written as tokens are.")
    return raw


def _standard(part: str) -> str:
    return part.replace("-", "+").replace("_", "/") + "=" * (-len(part) % 4)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Unreadable("This is no claim token: what shall be text is none.")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 40:
        raise Unreadable("This is no claim token: what shall be a number is none.")
    return value
