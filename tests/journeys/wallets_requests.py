"""Good requests, and wrong values, of what people and staff have: staff keys, wallets, what they may pick up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import httpx
from eth_account import Account

from shared.kernel.ids import UserId
from tests.journeys.cast import ELSEWHERE, Cast
from tests.signing import message, signature_of

JSON = dict[str, Any]
PARTS: Final = {
    "broadcast_transaction": "customer",
    "delegate_claim": "customer",
    "erase_my_data": "stranger",
    "export_my_data": "customer",
    "get_claim_key": "",
    "get_wallet_balances": "customer",
    "link_wallet": "customer",
    "list_api_keys": "owner",
    "list_wallet_transactions": "customer",
    "list_wallet_transfers": "customer",
    "list_wallets": "customer",
    "revoke_api_key": "owner",
    "revoke_claim": "customer",
    "unlink_wallet": "customer",
}
"""Who sends it."""
OWN: Final = (
    "broadcast_transaction",
    "export_my_data",
    "link_wallet",
    "list_api_keys",
    "list_wallet_transactions",
    "list_wallets",
)
"""What everybody may do for themself."""
CUSTOMERS: Final = ("delegate_claim", "get_wallet_balances", "list_wallet_transfers", "unlink_wallet")
"""What is the customer's alone."""
QUERIES: Final[dict[str, dict[str, str]]] = {
    "list_api_keys": {"revoked": "false", "limit": "10"},
    "list_wallet_transactions": {"limit": "10"},
    "list_wallet_transfers": {"chain": "evm:31337"},
}


def body(operation: str, cast: Cast) -> JSON | None:
    """Return a good body of an operation; None for one that takes none."""
    match operation:
        case "broadcast_transaction":
            return {"chain": "evm:31337", "signed": _of_another_chain()}
        case "delegate_claim":
            return {"to": cast.customer.user_id}
        case "erase_my_data":  # nobody is to be erased: it is confirmed with another's id
            return {"confirm": f"erase {UserId.new()}"}
        case "link_wallet":
            return _link(cast)
    return None


def _of_another_chain() -> str:
    """Return a signed transaction that is good elsewhere."""
    fees = {"maxFeePerGas": 10**9, "maxPriorityFeePerGas": 10**9, "gas": 21_000}
    transaction = {"chainId": 1, "nonce": 0, "to": ELSEWHERE, "value": 1, "type": 2, **fees}
    return "0x" + bytes(Account.create().sign_transaction(transaction).raw_transaction).hex()


def _link(cast: Cast) -> JSON:
    nonce = httpx.post(f"{cast.platform.url}/v1/auth/nonce", timeout=10.0).json()
    account = Account.create()
    text = message(
        account=account,
        domain=nonce["domain"],
        uri=f"http://{nonce['domain']}",
        chain_id=str(nonce["chain_ids"][0]),
        nonce=nonce["nonce"],
        issued_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        statement=f"Link this wallet to {cast.customer.user_id}.",
    )
    return {"kind": "evm", "message": text, "signature": signature_of(text, account)}


WRONG: Final[dict[str, dict[str, tuple[object, ...]]]] = {
    "broadcast_transaction": {
        "/chain": ("evm:1", "EVM:31337", "bitcoin", "evm:31337/..", "", 31337, None),
        "/signed": ("", "0x", "0x" + "5a" * 9, "0x5", "0x" + "zz" * 40, "02" * 40, "é" * 40, None, 1),
        "/fee": ("1",),
    },
    "delegate_claim": {
        "/to": ("usr_0", "USR_" + "0" * 32, "usr_" + "0" * 32, "key_" + "0" * 32, "", 1, ["usr_" + "0" * 32]),
        "/code": ("ABCDE-12345",),
    },
    "erase_my_data": {
        "/confirm": ("", "erase", "erase usr_" + "0" * 32, "yes", "x" * 65, None, 1, ["erase"]),
        "/user_id": ("usr_" + "0" * 32,),
    },
    "link_wallet": {
        "/kind": ("EVM", "bitcoin", "solana", "", None),
        "/message": ("", " ", "hello", "x" * 4097, None, 1),
        "/signature": ("", "0x", "0x" + "0" * 130, "0x" + "g" * 130, "A" * 88, "é" * 65, None, 1),
        "/user_id": ("usr_" + "0" * 32,),
    },
}
WRONG_QUERIES: Final[dict[str, tuple[str, ...]]] = {
    "list_api_keys": ("limit=0", "limit=101", "cursor=x", "cursor=usr_" + "0" * 32, "shop_id=x", "revoked=maybe"),
    "list_wallet_transfers": ("chain=evm:1", "chain=EVM:31337", "chain=", "chain=bitcoin", "until=-1", "until=x"),
    "list_wallet_transactions": ("limit=0", "limit=101", "cursor=x", "cursor=ord_" + "0" * 32),
}
