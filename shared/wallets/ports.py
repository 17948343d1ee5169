"""What wallets need from outside: their stores, signatures, tokens, and what they read of shops."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from shared.kernel.clock import Clock
from shared.kernel.decision import By, Page, Stored
from shared.kernel.ids import KeyId, MerchantId, ShopId, UserId, WalletId
from shared.kernel.store import Store
from shared.wallets.facts import WalletLinked, WalletRegistered
from shared.wallets.model import ApiKey, User


class Nonces(Protocol):
    """Numbers used once, and the limits of signing in: both in the database, so that they hold everywhere."""

    async def issue(self, nonce: str, *, client: str, lifetime: timedelta) -> datetime:
        """Keep a fresh nonce and return when it ends. Raises TooMany when `client` asked too often."""
        ...

    async def admit(self, *, client: str) -> None:
        """Count a sign-in of `client`, good or not. Raises TooMany when there were too many."""
        ...

    async def live(self, nonce: str) -> bool:
        """Return whether the nonce could be used now. It is not used up by that."""
        ...


class People(Protocol):
    """The people by their address."""

    async def sign_in(self, registered: WalletRegistered, nonce: str, *, by: By, now: datetime) -> User:
        """Use the nonce up and return the person whose wallet this is, registered in the same commit if new.

        Raises SignInRefused when the nonce is unknown, used or too old; nothing is written then.
        """
        ...

    async def link(self, linked: WalletLinked, nonce: str, *, by: By, now: datetime) -> Stored[User]:
        """Use the nonce up and link the wallet, in one commit; one that is theirs already changes nothing.

        Raises SignInRefused as `sign_in`, WalletTaken when it is somebody else's; nothing is written then.
        """
        ...

    async def unlink(self, user_id: UserId, wallet_id: WalletId, *, by: By, now: datetime) -> Stored[User]:
        """Take a wallet from its person. Raises NotFound, LastWallet."""
        ...

    async def person(self, user_id: UserId) -> Stored[User] | None:
        """Return a person, or None."""
        ...


class Signatures(Protocol):
    """Who signed."""

    def signer(self, message: str, signature: str) -> str | None:
        """Return the EIP-55 address that signed `message` by EIP-191 (`personal_sign`), or None for a bad signature.

        `signature` is 0x and 65 bytes r, s, v; v is 27 or 28, s in the lower half: one message, one signature.
        """
        ...


class ContractWallets(Protocol):
    """Asks smart-contract wallets who signs for them."""

    async def signed(self, chain_id: int, address: str, message: str, signature: str) -> bool:
        """Return whether the contract at this EIP-55 address takes the signature for its own (EIP-1271), now.

        False where there is no contract, or none that says so. Raises Transient when the chain's node doesn't answer,
        NoSuchChain where no node of the chain is known.
        """
        ...


class BitcoinWallets(Protocol):
    """Checks what Bitcoin wallets signed, on one network."""

    @property
    def chain(self) -> str:
        """Return the network as messages name it: 32 digits of its first block's hash (CAIP-2)."""
        ...

    def written(self, address: str) -> str:
        """Return the address in its one form. Raises Invalid for none, and for one that is not native segwit."""
        ...

    def signed(self, address: str, message: str, signature: str) -> bool:
        """Return whether the key of the address signed the message, by BIP-322 or BIP-137."""
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

    async def all_of(self, shop_ids: Sequence[ShopId], merchant_id: MerchantId) -> bool:
        """Return whether all of these are shops of the merchant."""
        ...


class KeyStore(Store[ApiKey], Protocol):
    """The staff keys' own store."""

    async def of_merchant(
        self, merchant_id: MerchantId, *, shop_id: ShopId | None, revoked: bool | None, before: KeyId | None, limit: int
    ) -> Page[ApiKey]:
        """Return a page of the merchant's keys, newest first; of those good at one shop, or (not) revoked, if named."""
        ...


@dataclass(frozen=True, slots=True)
class SignInTerms:
    """What a message must name to be meant for us."""

    domain: str
    chain_ids: frozenset[int]
    bitcoin_chain: str | None = None


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
    contracts: ContractWallets
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class Linking:
    """What shows that a wallet is somebody's: needed for linking alone."""

    signatures: Signatures
    contracts: ContractWallets
    bitcoin: BitcoinWallets


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """Everything that staff keys are given."""

    store: KeyStore
    shops: Shops
    clock: Clock
