"""The calls of wallets. Written by `python -m triggers docs` from the registry; not to be edited."""

from shared.client.call import Call, Scalar, call, segment
from shared.wallets.chain_model import (
    BroadcastTransaction,
    BroadcastView,
    TransactionPage,
    TransferPage,
    WalletBalances,
)
from shared.wallets.model import ApiKeyPage, ApiKeyView, CreateApiKey, LinkWallet, Nonce, SignedIn, SignIn, WalletList
from shared.wallets.personal_model import ErasedView, EraseMe, PersonalData


def broadcast_transaction(body: BroadcastTransaction) -> Call[BroadcastView]:
    """POST /v1/transactions: give the network what a wallet signed, after a look at what it is."""
    return call("broadcast_transaction", "POST", "/v1/transactions", BroadcastView, body=body)


def create_api_key(body: CreateApiKey, *, key: str | None = None) -> Call[ApiKeyView]:
    """POST /v1/api-keys: a staff key, its secret told once."""
    return call("create_api_key", "POST", "/v1/api-keys", ApiKeyView, body=body, idempotent=True, key=key)


def erase_my_data(body: EraseMe) -> Call[ErasedView]:
    """POST /v1/me/erase: the caller is forgotten; what stays tells of orders and coins, and of nobody."""
    return call("erase_my_data", "POST", "/v1/me/erase", ErasedView, body=body)


def export_my_data() -> Call[PersonalData]:
    """GET /v1/me/data: everything that is held about the caller."""
    return call("export_my_data", "GET", "/v1/me/data", PersonalData)


def get_wallet_balances(wallet_id: str) -> Call[WalletBalances]:
    """GET /v1/wallets/{wallet_id}/balances: what a wallet holds, each chain at one block."""
    return call("get_wallet_balances", "GET", f"/v1/wallets/{segment(wallet_id)}/balances", WalletBalances)


def link_wallet(body: LinkWallet) -> Call[WalletList]:
    """POST /v1/wallets: another wallet of the caller, by proof."""
    return call("link_wallet", "POST", "/v1/wallets", WalletList, body=body)


def list_api_keys(
    *, shop_id: Scalar = None, revoked: Scalar = None, cursor: Scalar = None, limit: Scalar = None
) -> Call[ApiKeyPage]:
    """GET /v1/api-keys: a merchant's staff keys, newest first."""
    return call(
        "list_api_keys",
        "GET",
        "/v1/api-keys",
        ApiKeyPage,
        query={"shop_id": shop_id, "revoked": revoked, "cursor": cursor, "limit": limit},
    )


def list_wallet_transactions(*, cursor: Scalar = None, limit: Scalar = None) -> Call[TransactionPage]:
    """GET /v1/transactions: what the caller paid on chains, and was paid back."""
    return call(
        "list_wallet_transactions", "GET", "/v1/transactions", TransactionPage, query={"cursor": cursor, "limit": limit}
    )


def list_wallet_transfers(wallet_id: str, *, chain: Scalar = None, until: Scalar = None) -> Call[TransferPage]:
    """GET /v1/wallets/{wallet_id}/transfers: what came to a wallet and left it, as far as a node can tell."""
    return call(
        "list_wallet_transfers",
        "GET",
        f"/v1/wallets/{segment(wallet_id)}/transfers",
        TransferPage,
        query={"chain": chain, "until": until},
    )


def list_wallets() -> Call[WalletList]:
    """GET /v1/wallets: the wallets that the caller has proven to be theirs."""
    return call("list_wallets", "GET", "/v1/wallets", WalletList)


def request_nonce() -> Call[Nonce]:
    """POST /v1/auth/nonce: a number to be used once, for the message that a wallet signs."""
    return call("request_nonce", "POST", "/v1/auth/nonce", Nonce)


def revoke_api_key(key_id: str, *, if_match: int | None = None) -> Call[ApiKeyView]:
    """DELETE /v1/api-keys/{key_id}: a staff key opens nothing any more."""
    return call("revoke_api_key", "DELETE", f"/v1/api-keys/{segment(key_id)}", ApiKeyView, if_match=if_match)


def sign_in_with_ethereum(body: SignIn) -> Call[SignedIn]:
    """POST /v1/auth/siwe: a signed message proves an address; its person gets a token."""
    return call("sign_in_with_ethereum", "POST", "/v1/auth/siwe", SignedIn, body=body)


def unlink_wallet(wallet_id: str, *, if_match: int | None = None) -> Call[WalletList]:
    """DELETE /v1/wallets/{wallet_id}: a wallet is the caller's no more."""
    return call("unlink_wallet", "DELETE", f"/v1/wallets/{segment(wallet_id)}", WalletList, if_match=if_match)
