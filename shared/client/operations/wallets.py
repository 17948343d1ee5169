"""The calls of wallets. Written by `python -m triggers docs` from the registry; not to be edited."""

from shared.client.call import Call, call
from shared.wallets.model import ApiKeyView, CreateApiKey, Nonce, SignedIn, SignIn


def create_api_key(body: CreateApiKey, *, key: str | None = None) -> Call[ApiKeyView]:
    """POST /v1/api-keys: a staff key, its secret told once."""
    return call("create_api_key", "POST", "/v1/api-keys", ApiKeyView, body=body, idempotent=True, key=key)


def request_nonce() -> Call[Nonce]:
    """POST /v1/auth/nonce: a number to be used once, for the message that a wallet signs."""
    return call("request_nonce", "POST", "/v1/auth/nonce", Nonce)


def sign_in_with_ethereum(body: SignIn) -> Call[SignedIn]:
    """POST /v1/auth/siwe: a signed message proves an address; its person gets a token."""
    return call("sign_in_with_ethereum", "POST", "/v1/auth/siwe", SignedIn, body=body)
