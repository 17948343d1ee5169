"""What wallets need from outside: their stores, signatures, tokens, and what they read of shops."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from shared.kernel.clock import Clock
from shared.kernel.decision import By
from shared.kernel.ids import MerchantId, ShopId, UserId
from shared.kernel.store import Store
from shared.wallets.facts import WalletRegistered
from shared.wallets.model import ApiKey, User


class Nonces(Protocol):
    """Numbers used once, and the limits of signing in: both in the database, so that they hold everywhere."""

    async def issue(self, nonce: str, *, client: str, lifetime: timedelta) -> datetime:
        """Keep a fresh nonce and return when it ends. Raises TooMany when `client` asked too often."""
        ...

    async def admit(self, *, client: str) -> None:
        """Count a sign-in of `client`, good or not. Raises TooMany when there were too many."""
        ...


class People(Protocol):
    """The people by their address."""

    async def sign_in(self, registered: WalletRegistered, nonce: str, *, by: By, now: datetime) -> User:
        """Use the nonce up and return the person with this address, registered in the same commit if new.

        Raises SignInRefused when the nonce is unknown, used or too old; nothing is written then.
        """
        ...


class Signatures(Protocol):
    """Who signed."""

    def signer(self, message: str, signature: str) -> str | None:
        """Return the EIP-55 address that signed `message` by EIP-191 (`personal_sign`), or None for a bad signature.

        `signature` is 0x and 65 bytes r, s, v; v is 27 or 28, s in the lower half: one message, one signature.
        """
        ...


class Token(Protocol):
    """A token of a person."""

    @property
    def token(self) -> str: ...

    @property
    def expires_in_s(self) -> int: ...


class Tokens(Protocol):
    """Issues what the edge believes."""

    def issue(self, user_id: UserId) -> Token:
        """Return a token for a person who has just proven who they are."""
        ...


class Shops(Protocol):
    """Reads shops."""

    async def merchant_of(self, shop_id: ShopId) -> MerchantId | None:
        """Return whose shop it is, or None when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class SignInTerms:
    """What a message must name to be meant for us."""

    domain: str
    chain_ids: frozenset[int]


@dataclass(frozen=True, slots=True)
class SigningIn:
    """Everything that signing in is given."""

    nonces: Nonces
    people: People
    terms: SignInTerms
    clock: Clock


@dataclass(frozen=True, slots=True)
class Proof:
    """What turns a signature into a token: needed by the sign-in alone."""

    signatures: Signatures
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """Everything that staff keys are given."""

    store: Store[ApiKey]
    shops: Shops
    clock: Clock
