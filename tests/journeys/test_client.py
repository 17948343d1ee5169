"""A merchant's day through the typed client: told by webhook, while the customer watches the order change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from emulators.demo_data import OWNER_KEY
from emulators.platform import Platform
from emulators.wallets import EvmWallet
from shared.catalog.model import MenuView
from shared.claims.model import RedeemClaim
from shared.client.aio import AsyncClient
from shared.client.operations import catalog, claims, notifications, orders, payments, wallets
from shared.client.problems import NotThere, Refused
from shared.kernel.decision import Role
from shared.kernel.ids import ItemId, ShopId
from shared.kernel.money import Asset
from shared.notifications.webhook_model import RegisterWebhook, RotateSecret
from shared.notifications.webhook_signing import genuine
from shared.orders.model import CancelOrder, LineRequest, LiveOrder, PlaceOrder
from shared.payments.model import RequestPayment
from shared.wallets.model import CreateApiKey
from tests.integration.endpoints import Received, endpoint
from tests.waiting import until

TOLD = ("order.placed.v1", "order.confirmed.v1", "payment.settled.v1", "order.ready.v1", "order.completed.v1")


async def signed_in(url: str, key: str | None = None) -> AsyncClient:
    """Return a client of somebody with a wallet."""
    account, client = Account.from_key(key) if key else Account.create(), AsyncClient(url)

    def sign(text: str) -> str:
        return "0x" + bytes(account.sign_message(encode_defunct(text=text)).signature).hex()

    await client.sign_in(account.address, sign)
    return client


async def test_a_merchant_is_told_and_a_customer_sees_it_as_it_happens(
    platform: Platform, env: Mapping[str, str], shop: dict[str, str], evm_wallet: EvmWallet
) -> None:
    shop_id = ShopId(shop["shop_id"])
    customer, owner = await signed_in(platform.url), await signed_in(platform.url, OWNER_KEY)
    seen: list[LiveOrder] = []
    async with endpoint() as there, customer, owner:
        wanted = RegisterWebhook(url=there.url(), events=TOLD, shop_id=shop_id)
        hook = (await owner.send(notifications.register_webhook(wanted))).view
        menu: MenuView = (await customer.send(catalog.get_menu(shop_id))).view
        item = ItemId(menu.items[0].item_id)
        order = PlaceOrder(shop_id=shop_id, lines=(LineRequest(item_id=item),))
        call = orders.create_order(order)
        placed = (await customer.send(call)).view
        again = await customer.send(call)
        assert (again.view.order_id, again.replayed) == (placed.order_id, True)

        async def watch() -> None:
            async for change in customer.follow(placed.order_id):
                seen.append(change)

        watching = asyncio.create_task(watch())
        asked = payments.generate_payment_address(placed.order_id, RequestPayment(asset=Asset.USDC))
        payment = (await customer.send(asked)).view
        await asyncio.to_thread(evm_wallet.pay, "USDC", payment.address, payment.due.units)
        await asyncio.to_thread(evm_wallet.mine, payment.confirmations)
        await until(lambda: bool(seen) and seen[-1].status == "confirmed" and seen[-1].claimable, "it is paid")
        made = await owner.send(wallets.create_api_key(CreateApiKey(role=Role.BARISTA, shop_id=shop_id, label="till")))
        async with AsyncClient(platform.url, token=made.view.key) as barista:
            await barista.send(orders.start_preparing(placed.order_id))
            await barista.send(orders.mark_ready(placed.order_id))
            code = (await customer.send(claims.get_claim(placed.order_id))).view.code
            assert code is not None
            await barista.send(claims.redeem_claim(shop_id, RedeemClaim(code=code, attempt_id="attempt-1")))
        await asyncio.wait_for(watching, 30)
        assert [one.status for one in seen][-1] == "completed"
        assert {"pending", "confirmed", "completed"} <= {one.status for one in seen}
        assert [one.version for one in seen] == sorted(one.version for one in seen)

        def mine() -> list[Received]:
            return [call for call in there.calls if placed.order_id in call.body.decode()]

        await until(lambda: len({call.headers["webhook-id"] for call in mine()}) == len(TOLD), "all is told")
        assert {json.loads(call.body)["type"] for call in mine()} == set(TOLD)
        assert hook.secret is not None
        assert all(genuine(call.headers, call.body, hook.secret, now=datetime.now(UTC)) for call in there.calls)
        page = (await owner.send(notifications.list_deliveries(hook.webhook_id))).view
        assert {one.status for one in page.deliveries} == {"delivered"}
        rotated = notifications.rotate_webhook_secret(hook.webhook_id, RotateSecret())
        fresh = (await owner.send(rotated)).view.secret
        one, before = page.deliveries[-1], len(there.calls)
        await owner.send(notifications.redeliver(hook.webhook_id, one.delivery_id))
        await until(lambda: len(there.calls) > before, "it comes again")
        call_again = there.calls[-1]
        assert call_again.headers["webhook-id"] == one.event_id
        assert fresh is not None
        assert all(
            genuine(call_again.headers, call_again.body, key, now=datetime.now(UTC)) for key in (hook.secret, fresh)
        )
        await owner.send(notifications.delete_webhook(hook.webhook_id))
        with pytest.raises(NotThere):
            await owner.send(notifications.list_deliveries(hook.webhook_id))
        with pytest.raises(Refused) as refused:
            await customer.send(orders.cancel_order(placed.order_id, CancelOrder()))
        assert refused.value.slug == "order-state"
