"""The typed client: a function for every route, the same key at every try, refusals as exceptions, pages, events."""

from __future__ import annotations

import importlib
import inspect
import json
import typing
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from shared.client.aio import AsyncClient
from shared.client.call import Call, call, encoded
from shared.client.events import EventLines, ServerEvent
from shared.client.operations import orders, shops
from shared.client.patience import Patience
from shared.client.problems import ApiProblem, Broken, InvalidRequest, NotSignedIn, Refused, TooOften, Unavailable
from shared.client.siwe import message
from shared.client.sync import Client
from shared.kernel.ids import ItemId, MerchantId, OrderId, ShopId, UserId
from shared.kernel.money import Fiat
from shared.orders.model import LineRequest, LiveOrder, OrderPage, OrderStatus, OrderView, PlaceOrder
from shared.shops.model import RegisterShop
from shared.wallets.model import Nonce
from shared.wallets.siwe import parse
from tests.integration.shopkeeping import BITCOIN, EVM
from triggers.registry import ROOT

NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)
JSON = dict[str, Any]
DESCRIBED: JSON = json.loads((ROOT / "docs" / "openapi.json").read_bytes())
ROUTES = [
    (method.upper(), path, operation)
    for path, methods in DESCRIBED["paths"].items()
    for method, operation in methods.items()
]
QUICK = Patience(tries=4, total_s=5.0, first_pause_s=0.001, longest_pause_s=0.002)
Answering = Callable[[httpx.Request], httpx.Response]


@pytest.mark.parametrize(("method", "path", "operation"), ROUTES, ids=[one[2]["operationId"] for one in ROUTES])
def test_every_route_has_a_method(method: str, path: str, operation: JSON) -> None:
    module = importlib.import_module(f"shared.client.operations.{operation['tags'][0]}")
    function = getattr(module, operation["operationId"])
    hints, given = typing.get_type_hints(function), {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "body":
            given[name] = hints[name].model_construct()
        elif parameter.default is parameter.empty:
            given[name] = f"{name}-1"
    made = function(**given)
    assert isinstance(made, Call)
    filled = path
    for name in [one["name"] for one in operation["parameters"] if one["in"] == "path"]:
        filled = filled.replace(f"{{{name}}}", f"{name}-1")
    assert (made.method, made.path, made.operation) == (method, filled, operation["operationId"])
    assert ("body" in hints) == ("requestBody" in operation)
    queries = {one["name"] for one in operation["parameters"] if one["in"] == "query"}
    assert queries <= set(hints)
    assert (made.key is not None) == any(one["name"] == "Idempotency-Key" for one in operation["parameters"])
    assert "if_match" not in hints or any(one["name"] == "If-Match" for one in operation["parameters"])


def an_order(**changes: object) -> OrderView:
    return OrderView.model_validate(
        {
            "order_id": OrderId.new(),
            "shop_id": ShopId.new(),
            "customer_id": UserId.new(),
            "status": "pending",
            "halted": False,
            "lines": (),
            "total": Fiat(currency="EUR", units=420),
            "menu_version": 1,
            "placed_at": NOW,
            "pay_by": NOW,
            "changed_at": NOW,
            "version": 1,
            **changes,
        }
    )


def said(status: int, body: BaseModel | JSON | None = None, **headers: str) -> httpx.Response:
    content = body.model_dump_json() if isinstance(body, BaseModel) else json.dumps(body or {})
    return httpx.Response(
        status, content=content, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def problem(status: int, slug: str, **more: object) -> httpx.Response:
    about = {"type": f"https://x/problems/{slug}", "title": slug, "status": status, "detail": "so", **more}
    return said(status, {"instance": "urn:correlation:abc", **about})


class Platform:
    """Answers in turn, and notes what was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers, self.asked = list(answers), list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, **more: Any) -> Client:
        return Client("http://x", patience=QUICK, transport=httpx.MockTransport(self), **more)


PLACE = PlaceOrder(shop_id=ShopId.new(), lines=(LineRequest(item_id=ItemId.new()),))


def test_a_call_is_sent_again_under_its_key_until_it_is_answered() -> None:
    order = an_order()
    platform = Platform(
        httpx.ConnectError("no"),
        problem(503, "unavailable"),
        said(201, order, etag='"1"', consistency_token=f"1:{order.order_id}:1", idempotent_replayed="true"),
        said(200, order),
    )
    with platform.client(token="t") as client:
        placed = client.send(orders.create_order(PLACE))
        assert (placed.view, placed.version, placed.replayed, placed.status) == (order, 1, True, 201)
        assert len({request.headers["idempotency-key"] for request in platform.asked}) == 1
        assert len({request.content for request in platform.asked}) == 1
        client.send(orders.get_order(order.order_id))
    read = platform.asked[-1]
    assert read.headers["consistency-token"] == f"1:{order.order_id}:1"
    assert read.headers["authorization"] == "Bearer t"
    assert "idempotency-key" not in read.headers


async def test_the_async_client_does_the_same() -> None:
    order = an_order()
    platform = Platform(httpx.ReadTimeout("no"), problem(429, "too-many-requests"), said(201, order))
    transport = httpx.MockTransport(platform)
    async with AsyncClient("http://x", patience=QUICK, transport=transport) as client:
        assert (await client.send(orders.create_order(PLACE))).view == order
    assert len(platform.asked) == 3
    assert len({request.headers["idempotency-key"] for request in platform.asked}) == 1


@pytest.mark.parametrize(
    ("reply", "kind", "tries"),
    [
        (problem(400, "invalid", errors=[{"pointer": "/lines", "message": "too short"}]), InvalidRequest, 1),
        (problem(409, "sold-out", sku="shot"), Refused, 1),
        (problem(401, "unauthenticated"), NotSignedIn, 1),
        (problem(500, "bug"), Broken, 1),
        (problem(503, "unavailable"), Unavailable, 4),
        (said(429, {}, retry_after="1"), TooOften, 4),
        (httpx.Response(502, content=b"<html>"), Broken, 1),
    ],
)
def test_a_refusal_is_an_exception_that_says_what_the_problem_says(
    reply: httpx.Response, kind: type[ApiProblem], tries: int
) -> None:
    platform = Platform(reply)
    with platform.client() as client, pytest.raises(kind) as refused:
        client.send(orders.create_order(PLACE))
    assert len(platform.asked) == tries
    assert refused.value.status == reply.status_code
    if kind is InvalidRequest:
        assert refused.value.errors == (("/lines", "too short"),)
    if kind is Refused:
        assert (refused.value.slug, refused.value.fields, refused.value.correlation) == (
            "sold-out",
            {"sku": "shot"},
            "abc",
        )


def test_a_field_that_a_newer_platform_adds_is_passed_over() -> None:
    document = {**json.loads(an_order().model_dump_json()), "surprise": 1}
    with Platform(said(200, document)).client() as client:
        assert client.send(orders.get_order("ord_1")).view.menu_version == 1


def test_lists_are_read_to_their_end() -> None:
    pages = [OrderPage(orders=(an_order(), an_order()), next="ord_2"), OrderPage(orders=(an_order(),))]
    platform = Platform(*(said(200, page) for page in pages))
    with platform.client() as client:
        found = list(client.items(orders.list_orders(limit=2)))
    assert found == [*pages[0].orders, *pages[1].orders]
    assert [dict(request.url.params) for request in platform.asked] == [
        {"limit": "2"},
        {"limit": "2", "cursor": "ord_2"},
    ]


def test_account_keys_are_sent_though_models_hide_them() -> None:
    body = RegisterShop.model_validate(
        {
            "name": "Kaffee",
            "address": "Torstr. 1",
            "position": {"latitude": 52.5, "longitude": 13.4},
            "timezone": "Europe/Berlin",
            "currency": "EUR",
            "accepts": ["BTC", "USDC"],
            "payout": {"bitcoin": BITCOIN, "evm": EVM},
        }
    )
    assert json.loads(encoded(body))["payout"] == {"bitcoin": BITCOIN, "evm": EVM}
    assert RegisterShop.model_validate_json(shops.register_shop(body).body or b"") == body


def test_queries_are_written_as_the_platform_reads_them() -> None:
    asked: Call[None] = call(
        "x", "GET", "/v1/x", None, query={"a": True, "b": None, "c": NOW, "d": 5, "e": OrderStatus.READY}
    )
    assert asked.query == {"a": "true", "c": "2026-05-06T12:00:00Z", "d": "5", "e": "ready"}
    assert orders.get_order("../admin?x=1").path == "/v1/orders/..%2Fadmin%3Fx%3D1"


def test_the_message_of_signing_in_is_one_that_the_platform_reads() -> None:
    nonce = Nonce(nonce="abcdefgh12345678", domain="127.0.0.1:8080", chain_ids=(31337, 1), expires_at=NOW)
    address = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
    read = parse(message(nonce, address, now=NOW))
    assert (read.nonce, read.chain_id, read.domain) == ("abcdefgh12345678", 31337, "127.0.0.1:8080")


def test_a_token_that_ended_is_renewed_by_the_wallet_once() -> None:
    nonce = Nonce(nonce="abcdefgh12345678", domain="x", chain_ids=(1,), expires_at=NOW)
    user = UserId.new()
    signed = {"user_id": user, "merchant_id": MerchantId.like(user), "token": "fresh", "expires_in_s": 900}
    ended, order = problem(401, "unauthenticated"), an_order()
    platform = Platform(
        said(200, nonce), said(200, signed), ended, said(200, nonce), said(200, signed), said(200, order), ended
    )
    with platform.client() as client:
        client.sign_in("0xabc", lambda text: "0x" + "0" * 130)
        assert client.send(orders.get_order("ord_1")).view == order
        assert platform.asked[-1].headers["authorization"] == "Bearer fresh"
        with pytest.raises(NotSignedIn):
            client.send(orders.get_order("ord_1"))


def test_lines_become_events() -> None:
    lines, told = EventLines(), []
    for line in ("retry: 50", "", ": beat", "id: 1-2", "event: order", "data: {", "data: }", "", "data:x", ""):
        told += list(lines.take(line))
    assert told == [ServerEvent("1-2", "order", "{\n}"), ServerEvent("1-2", "message", "x")]
    assert lines.retry_ms == 50


def live(status: str, version: int) -> bytes:
    order = LiveOrder.model_validate(
        {
            **an_order().model_dump(include={"order_id", "customer_id", "shop_id", "halted", "total", "changed_at"}),
            "status": status,
            "claimable": False,
            "generation": 1,
            "version": version,
        }
    )
    return f"id: 1-{version}\nevent: order\ndata: {order.model_dump_json()}\n\n".encode()


def test_an_order_is_followed_over_connections_that_end() -> None:
    def stream(*events: bytes) -> httpx.Response:
        return httpx.Response(200, content=b"retry: 1\n\n" + b"".join(events))

    platform = Platform(
        stream(live("pending", 1)),
        httpx.ReadError("gone"),
        problem(503, "unavailable"),
        stream(live("confirmed", 2), b": nothing new\n\n", live("completed", 3)),
    )
    with platform.client() as client:
        assert [order.status for order in client.follow("ord_1")] == ["pending", "confirmed", "completed"]
    assert [request.headers.get("last-event-id") for request in platform.asked] == [None, "1-1", "1-1", "1-1"]
    with Platform(httpx.Response(204)).client() as client:
        assert list(client.follow("ord_1")) == []
