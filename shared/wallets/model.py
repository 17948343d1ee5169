"""Values of wallets: signing in, the person behind an address, staff keys."""

import re
from datetime import datetime
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from shared.kernel.decision import Role
from shared.kernel.ids import KeyId, MerchantId, ShopId, UserId, WalletId
from shared.kernel.money import Frozen
from shared.kernel.text import Name

StaffRole = Literal[Role.OWNER, Role.MANAGER, Role.BARISTA]


def _bytes_of(value: object) -> object:
    return bytes.fromhex(value[2:]) if isinstance(value, str) and value.startswith("\\x") else value


Digest = Annotated[
    bytes,
    BeforeValidator(_bytes_of),
    PlainSerializer(lambda value: "\\x" + value.hex(), return_type=str, when_used="json"),
]
"""Bytes that JSON carries as Postgres writes them: backslash, x, hexadecimal digits."""


class Nonce(Frozen):
    """A number to be used once, to be put into the message that the wallet signs."""

    nonce: str
    domain: str = Field(description="The domain that the message must name")
    chain_ids: tuple[int, ...] = Field(description="The chains that the message may name")
    bitcoin_chain: str | None = Field(default=None, description="The chain id of a message that links a Bitcoin wallet")
    expires_at: datetime


_HEX: Final = re.compile("0x(?:[0-9a-fA-F]{2})+")
MOST_WALLETS: Final = 20
"""As many wallets may one person have."""


class SignIn(Frozen):
    """A message of EIP-4361 and what the wallet returned from `personal_sign`."""

    message: str = Field(min_length=1, max_length=4096, strict=True)
    signature: str = Field(
        pattern=r"^0x(?:[0-9a-fA-F]{2}){1,3072}$",
        strict=True,
        description="In hex: r, s, v as 65 bytes (EIP-191); of a contract wallet what it takes (EIP-1271)",
    )


class LinkWallet(Frozen):
    """Proof that another wallet is the caller's: a message as for signing in, whose statement is
    `Link this wallet to usr_….` with the caller's id, and its signature.

    `evm`: EIP-4361, signed as for signing in. `bitcoin`: CAIP-122 ("… with your Bitcoin account", the chain id as
    `request_nonce` tells it), signed by BIP-322 or BIP-137, in base64; a native segwit address (P2WPKH).
    """

    kind: Literal["evm", "bitcoin"]
    message: str = Field(min_length=1, max_length=4096, strict=True)
    signature: str = Field(min_length=2, max_length=6146, strict=True, pattern=r"^[0-9A-Za-z+/=]+$")

    @model_validator(mode="after")
    def _as_its_kind_writes(self) -> Self:
        if self.kind == "evm" and not _HEX.fullmatch(self.signature):
            raise ValueError("an EVM wallet's signature is 0x and bytes in hex")
        return self


class SignedIn(Frozen):
    """Who signed in, and the token that says so. A person is a customer, and the owner of their own merchant."""

    user_id: UserId
    merchant_id: MerchantId
    token: str = Field(repr=False)
    token_type: Literal["Bearer"] = "Bearer"
    expires_in_s: int


class Wallet(Frozen):
    """A wallet as it is kept. `address` is in lower case on EVM chains."""

    wallet_id: WalletId
    kind: Literal["eoa", "contract", "bitcoin"]
    chain: str | None = None
    address: str
    account: str
    linked_at: datetime

    @property
    def signs_in(self) -> bool:
        """Return whether one can sign in with it."""
        return self.kind != "bitcoin"


class User(Frozen):
    """A person: the fold of a stream `usr_…`, one row of `users`.

    Addresses are sealed with the person's key there, and accounts are keyed digests. Where a person is read to be
    shown, addresses are in clear, in lower case on EVM chains.
    """

    user_id: UserId
    merchant_id: MerchantId
    address: str
    chain_id: int
    registered_at: datetime
    contract: bool = False
    linked: tuple[Wallet, ...] = ()
    unlinked_at: datetime | None = None
    """When the wallet that they came with was unlinked."""
    account: str | None = None
    erased_at: datetime | None = None

    @property
    def wallets(self) -> tuple[Wallet, ...]:
        """Return the wallets that are theirs, the one they came with first."""
        kind, chain = ("contract", f"evm:{self.chain_id}") if self.contract else ("eoa", None)
        first = Wallet(
            wallet_id=WalletId.like(self.user_id),
            kind=kind,
            chain=chain,
            address=self.address,
            account=self.account or evm_account(self.address, self.chain_id if self.contract else None),
            linked_at=self.registered_at,
        )
        if self.erased_at is not None:
            return ()
        return self.linked if self.unlinked_at is not None else (first, *self.linked)


def evm_account(address: str, chain_id: int | None) -> str:
    """Return what is one person's alone: a key's address on every chain, a contract's on its own."""
    return f"eip155:{address.lower()}" if chain_id is None else f"eip155:{chain_id}:{address.lower()}"


class WalletView(Frozen):
    """A wallet that is the caller's."""

    wallet_id: WalletId
    kind: Literal["eoa", "contract", "bitcoin"]
    chain: str | None = Field(default=None, description="Where a contract is, or `bitcoin`; none: every EVM chain")
    address: str
    signs_in: bool
    linked_at: datetime


class WalletList(Frozen):
    """The caller's wallets, in the order in which they were linked."""

    wallets: tuple[WalletView, ...]


class WalletPath(Frozen):
    """Names one wallet."""

    wallet_id: WalletId


class CreateApiKey(Frozen):
    """A key for staff, for all shops of the merchant, for one, or for several. Another role elsewhere: another key."""

    role: StaffRole
    shop_id: ShopId | None = None
    shop_ids: tuple[ShopId, ...] | None = Field(default=None, min_length=1, max_length=50)
    label: Name = Field(description="Whose key it is, or on which device it lives")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.shop_ids is not None and (self.shop_id is not None or len(set(self.shop_ids)) != len(self.shop_ids)):
            raise ValueError("name each shop once, in shop_id or in shop_ids")
        return self

    @property
    def shops(self) -> tuple[ShopId, ...]:
        """Return the shops it is for; none: all of the merchant's."""
        return self.shop_ids or ((self.shop_id,) if self.shop_id else ())


class ApiKeyPath(Frozen):
    """Names one staff key."""

    key_id: KeyId


class ListApiKeys(Frozen):
    """Which staff keys: those good at one shop, those that still open something, or all."""

    shop_id: ShopId | None = None
    revoked: bool | None = Field(default=None, description="true: those that were revoked; false: those that were not")
    cursor: KeyId | None = None
    limit: int = Field(default=20, ge=1, le=100)


class ApiKey(Frozen):
    """A staff key as it is kept: the fold of a stream `key_…`, one row of `api_keys`. Never the secret itself."""

    key_id: KeyId
    merchant_id: MerchantId
    role: StaffRole
    shop_id: ShopId | None = None
    shop_ids: tuple[ShopId, ...] = ()
    secret_hash: Digest = Field(repr=False)
    label: str
    created_at: datetime
    revoked_at: datetime | None = None

    @property
    def shops(self) -> tuple[ShopId, ...]:
        """Return the shops it is for; none: all of the merchant's."""
        return self.shop_ids or ((self.shop_id,) if self.shop_id else ())


class ApiKeyView(Frozen):
    """A staff key. `key` is told once, in the first answer; a repeated request is answered without it."""

    key_id: KeyId
    merchant_id: MerchantId
    role: StaffRole
    shop_id: ShopId | None = Field(default=None, description="The shop, where it is for one alone")
    shop_ids: tuple[ShopId, ...] = Field(default=(), description="The shops it is for; none: all of the merchant's")
    label: str
    created_at: datetime
    revoked_at: datetime | None = None
    key: str | None = Field(default=None, repr=False, description="`ck_…`: keep it, it is shown this once")

    @classmethod
    def of(cls, kept: ApiKey, *, key: str | None = None) -> Self:
        """Return what is shown of a staff key, its secret only where it is given."""
        return cls(
            key_id=kept.key_id,
            merchant_id=kept.merchant_id,
            role=kept.role,
            shop_id=kept.shops[0] if len(kept.shops) == 1 else None,
            shop_ids=kept.shops,
            label=kept.label,
            created_at=kept.created_at,
            revoked_at=kept.revoked_at,
            key=key,
        )


class ApiKeyPage(Frozen):
    """A page of staff keys, newest first; `next` is the cursor of the following page."""

    api_keys: tuple[ApiKeyView, ...]
    next: KeyId | None = None
