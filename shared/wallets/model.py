"""Values of wallets: signing in, the person behind an address, staff keys."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from shared.kernel.decision import Role
from shared.kernel.ids import KeyId, MerchantId, ShopId, UserId
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
    expires_at: datetime


class SignIn(Frozen):
    """A message of EIP-4361 and its EIP-191 signature, as wallets return them from `personal_sign`."""

    message: str = Field(min_length=1, max_length=4096, strict=True)
    signature: str = Field(pattern=r"^0x[0-9a-fA-F]{130}$", strict=True, description="r, s, v as 65 bytes in hex")


class SignedIn(Frozen):
    """Who signed in, and the token that says so. A person is a customer, and the owner of their own merchant."""

    user_id: UserId
    merchant_id: MerchantId
    token: str = Field(repr=False)
    token_type: Literal["Bearer"] = "Bearer"
    expires_in_s: int


class User(Frozen):
    """A person: the fold of a stream `usr_…`, one row of `users`. `address` is in lower case."""

    user_id: UserId
    merchant_id: MerchantId
    address: str
    chain_id: int
    registered_at: datetime


class CreateApiKey(Frozen):
    """A key for staff, for all shops of the merchant or for one."""

    role: StaffRole
    shop_id: ShopId | None = None
    label: Name = Field(description="Whose key it is, or on which device it lives")


class ApiKey(Frozen):
    """A staff key as it is kept: the fold of a stream `key_…`, one row of `api_keys`. Never the secret itself."""

    key_id: KeyId
    merchant_id: MerchantId
    role: StaffRole
    shop_id: ShopId | None = None
    secret_hash: Digest = Field(repr=False)
    label: str
    created_at: datetime
    revoked_at: datetime | None = None


class ApiKeyView(Frozen):
    """A staff key. `key` is told once, in the first answer; a repeated request is answered without it."""

    key_id: KeyId
    merchant_id: MerchantId
    role: StaffRole
    shop_id: ShopId | None = None
    label: str
    created_at: datetime
    key: str | None = Field(default=None, repr=False, description="`ck_…`: keep it, it is shown this once")
