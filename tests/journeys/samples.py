"""A good request for every HTTP operation: what a test spoils, or sends on behalf of somebody who may not.

An operation without a sample fails the tests that need one. Bodies are good as they stand: each is accepted at the end.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
from eth_account import Account
from eth_account.messages import encode_defunct

from shared.kernel.ids import ModifierId
from tests.integration.shopkeeping import BITCOIN
from tests.journeys import catalog_requests, notifications_requests, supply_requests, wallets_requests
from tests.journeys.cast import A_WEEK, ELSEWHERE, HOME, Cast, a_shop
from triggers.registry import Entry, load

JSON = dict[str, Any]
_GROUP: Final = {
    "name": "Milk",
    "min": 0,
    "max": 1,
    "modifiers": [{"modifier_id": ModifierId.new(), "name": "Hafer", "price_delta": "50", "available": True}],
    "defaults": [],
}


@dataclass(frozen=True)
class Sample:
    """A request: by whom, with what."""

    entry: Entry
    part: str
    """Who of the cast sends it; '' for anybody."""
    path: str
    body: JSON | None
    query: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    """What stands in its path, by the variables' names."""

    @property
    def method(self) -> str:
        return self.entry.method


def sample(operation: str, cast: Cast) -> Sample:
    """Return a good request of the operation. Raises KeyError for one without a sample."""
    entry = load()[operation]
    part = PARTS[operation]
    ids = cast.ids()
    if operation in ("get_destination", "set_destination"):
        ids["order_id"] = cast.brought_id
    if operation == "pause_shop":  # nobody else in a test needs the other shop to be open
        ids["shop_id"] = cast.merchant.places[1].shop_id
    path = re.sub(r"\{(\w+)\}", lambda variable: ids[variable[1]], entry.path)
    return Sample(entry, part, path, _body(operation, cast), _QUERIES.get(operation, {}), ids)


def operations() -> list[str]:
    """Return every HTTP operation of the registry."""
    return [entry.operation for entry in load().http()]


PARTS: Final = {
    "approve_refund": "manager",
    "list_refunds": "manager",
    "request_refund": "customer",
    "acknowledge_difference": "owner",
    "cancel_order": "customer",
    "cancel_payout": "owner",
    "confirm_payout": "owner",
    "convert": "",
    "create_api_key": "owner",
    "create_order": "customer",
    "dispatch_order": "barista",
    "export_statement": "manager",
    "drop_sweep": "owner",
    "find_nearby_shops": "",
    "generate_payment_address": "customer",
    "get_balances": "owner",
    "get_claim": "customer",
    "get_claim_qr": "customer",
    "get_kitchen_queue": "barista",
    "get_menu": "",
    "get_order": "customer",
    "get_payment": "customer",
    "get_payment_qr": "customer",
    "get_price_history": "",
    "get_prices": "",
    "get_payout_changes": "manager",
    "get_quote_key": "",
    "get_reconciliation": "owner",
    "get_shop": "",
    "get_destination": "customer",
    "get_estimate": "",
    "get_receipt": "customer",
    "get_statement": "manager",
    "get_stock": "barista",
    "get_sweep": "manager",
    "get_timeline": "customer",
    "import_menu": "owner",
    "list_orders": "customer",
    "list_sweeps": "manager",
    "mark_ready": "barista",
    "modify_order": "customer",
    "list_ratings": "",
    "list_slots": "",
    "pause_shop": "owner",
    "plan_sweep": "owner",
    "propose_payout": "owner",
    "prove_payout": "owner",
    "put_menu_item": "owner",
    "put_modifier_group": "owner",
    "rate_shop": "customer",
    "receive_stock": "owner",
    "redeem_claim": "barista",
    "register_device": "customer",
    "register_shop": "owner",
    "request_nonce": "",
    "request_payout_challenge": "manager",
    "requote_payment": "customer",
    "remove_destination": "customer",
    "request_photo_upload": "owner",
    "resume_shop": "barista",
    "set_capacity": "manager",
    "set_confirmations": "owner",
    "set_delivery": "manager",
    "set_destination": "customer",
    "set_opening_hours": "owner",
    "set_preferences": "customer",
    "set_photos": "manager",
    "set_special_hours": "manager",
    "set_spreads": "manager",
    "sign_in_with_ethereum": "",
    "start_preparing": "barista",
    "submit_sweep": "owner",
    "update_shop": "manager",
    **catalog_requests.PARTS,
    **catalog_requests.OPEN,
    **supply_requests.PARTS,
    **notifications_requests.PARTS,
    **wallets_requests.PARTS,
}
_QUERIES: Final = {
    "convert": {"asset": "BTC", "currency": "EUR", "units": "420"},
    "export_statement": {"day": "2026-05-06"},
    "find_nearby_shops": {"lat": "53.55", "lon": "9.99", "radius_m": "2000", "open_now": "true", "limit": "5"},
    "get_price_history": {"step": "minute", "since": "2026-05-06T12:00:00Z", "until": "2026-05-06T13:00:00Z"},
    "get_prices": {"currency": "EUR"},
    "get_statement": {"day": "2026-05-06", "limit": "10"},
    "get_reconciliation": {"day": "2026-05-06", "limit": "10"},
    "get_stock": {"limit": "10"},
    "get_claim_qr": {"format": "svg"},
    "get_payment_qr": {"format": "png"},
    "get_receipt": {"format": "html"},
    "list_orders": {"limit": "10"},
    "list_ratings": {"limit": "10"},
    "list_sweeps": {"limit": "10"},
    "list_refunds": {"state": "requested", "limit": "10"},
    **catalog_requests.QUERIES,
    **supply_requests.QUERIES,
    **notifications_requests.QUERIES,
    **wallets_requests.QUERIES,
}


def _body(operation: str, cast: Cast) -> JSON | None:
    here = cast.place
    item = {
        "name": "Flat White",
        "description": "Two shots",
        "category": "Coffee",
        "price": "420",
        "sku": "shot",
        "modifier_groups": [here.group_id],
        "allergens": ["milk"],
        "available": True,
    }
    match operation:
        case "acknowledge_difference":
            return {"reason": "moved to cold storage by hand"}
        case "approve_refund":
            return {"approve": True, "reason": "they sent another coin"}
        case "request_refund":
            wanted = {"to": ELSEWHERE, "asset": "USDT", "units": "10000"}
            return {**wanted, "rate": "coins", "reason": "another coin"}
        case "cancel_order":
            return {"reason": "changed my mind"}
        case "confirm_payout":
            return {"nonce": "5a" * 16, "signature": "0x" + "5a" * 65}
        case "create_api_key":
            return {"role": "barista", "shop_id": here.shop_id, "label": "counter"}
        case "create_order":
            line = {"item_id": here.item_id, "quantity": 1, "modifiers": []}
            return {"shop_id": here.shop_id, "lines": [line], "note": "no sugar"}
        case "generate_payment_address":
            return {"asset": "USDC", "chain": "evm:31337"}
        case "import_menu":
            return {"items": {here.item_id: item}, "groups": {here.group_id: _GROUP}}
        case "plan_sweep":
            treasury = {"to": "0x" + "5a" * 20, "gas_from": "0x" + "5b" * 20}
            return {"chain": "evm:31337", "asset": "USDC", "fee_rate": "2000000000", **treasury}
        case "submit_sweep":
            return {"signed": "0x02" + "5a" * 40}
        case "propose_payout":
            return cast.merchant.proposal(here, "evm")
        case "prove_payout":
            return cast.merchant.proof(here, "bitcoin")
        case "request_payout_challenge":
            return {"family": "bitcoin", "account_key": BITCOIN}
        case "put_menu_item":
            return item
        case "put_modifier_group":
            return dict(_GROUP)
        case "receive_stock":
            return {"lines": [{"sku": "shot", "quantity": 5}], "note": "by bike"}
        case "redeem_claim":
            return {"code": cast.customer.claim(cast.order_id)["code"], "attempt_id": uuid.uuid4().hex}
        case "register_device":
            return {"platform": "fcm", "token": uuid.uuid4().hex, "label": "phone"}
        case "register_shop":
            return a_shop(confirmations={"BTC": 2})
        case "set_confirmations":
            risk = {"max_order": "1500", "hourly_cap": "6000"}
            return {"confirmations": {"BTC": 2}, "zero_confirmation": risk}
        case "set_opening_hours":
            return {"weekly": A_WEEK}
        case "set_preferences":
            quiet = {"starts": "22:00", "ends": "07:00", "timezone": "Europe/Berlin"}
            return {"language": "de", "channels": ["email", "push"], "email": cast.email, "quiet_hours": quiet}
        case "modify_order":
            return {"lines": [{"item_id": here.item_id, "quantity": 2}], "note": "no lid", "tip": "50"}
        case "set_delivery":
            return {"delivery": {"radius_m": 5_000, "fee": "250", "minimum": "0"}}
        case "set_destination":
            return dict(HOME)
        case "request_photo_upload":
            return {"content_type": "image/webp", "size": 4200}
        case "set_photos":
            return {"keys": []}
        case "set_capacity":
            return {"capacity": {"orders": 1_000, "value": "100000000"}}
        case "pause_shop":
            return {"until": _zulu(datetime.now(UTC) + timedelta(minutes=30)), "reason": "Out of beans"}
        case "rate_shop":
            return {"stars": 5, "comment": "Best flat white in town"}
        case "set_special_hours":
            day = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
            return {"special": [{"day": day, "label": "Stocktaking", "spans": [{"opens": "10:00", "closes": "12:00"}]}]}
        case "update_shop":
            place = {"latitude": 53.5504, "longitude": 9.9927}
            return {"name": "Speicherstadt", "address": "Kehrwieder 6", "position": place, "accepts": ["ETH", "USDC"]}
        case "set_spreads":
            return {"spread_bp": {"BTC": 100, "USDC": 0}}
        case "sign_in_with_ethereum":
            return signed_message(cast.platform.url)
    for requested in (catalog_requests.body, notifications_requests.body, supply_requests.body, wallets_requests.body):
        if (body := requested(operation, cast)) is not None:
            return body
    return None


def signed_message(url: str, **changes: str) -> JSON:
    """Return what a fresh wallet signs to sign in here, other than that in what `changes` names."""
    nonce = httpx.post(f"{url}/v1/auth/nonce", timeout=10.0).json()
    account = Account.create()
    now = datetime.now(UTC).replace(microsecond=0)
    said = {
        "domain": nonce["domain"],
        "address": account.address,
        "uri": f"http://{nonce['domain']}",
        "chain_id": str(nonce["chain_ids"][0]),
        "nonce": nonce["nonce"],
        "issued_at": _zulu(now),
        "expires_at": _zulu(now + timedelta(minutes=5)),
        **changes,
    }
    message = (
        "{domain} wants you to sign in with your Ethereum account:\n{address}\n\nOrder coffee.\n\n"
        "URI: {uri}\nVersion: 1\nChain ID: {chain_id}\nNonce: {nonce}\nIssued At: {issued_at}\n"
        "Expiration Time: {expires_at}"
    ).format_map(said)
    signature = bytes(account.sign_message(encode_defunct(text=message)).signature).hex()
    return {"message": message, "signature": f"0x{signature}"}


def _zulu(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
