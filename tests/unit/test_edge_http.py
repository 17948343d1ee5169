"""HTTP functions through a client: who may call, what is taken, what is answered."""

import json
from collections.abc import AsyncIterator
from hashlib import sha256

import httpx
import pytest
from functions_framework.aio import create_asgi_app

from shared.edge.body import MAX_DEPTH
from shared.kernel.decision import AlreadyAnswered, Claim, Role, StoredReply
from shared.kernel.errors import Bug, Conflict, Fenced, Forbidden, NotFound, TooMany, Transient, VersionConflict
from shared.kernel.ids import ShopId
from shared.kernel.money import Fiat
from shared.kernel.reply import Reply
from tests.unit.edge_does import DOES, SEEN
from tests.unit.edge_kit import FUNCTIONS, GATEWAY, MERCHANT, PUBLIC_URL, SHOP, USER, client, customer, staff

ORDER = "ord_" + "9" * 32
BODY = json.dumps({"shop_id": SHOP, "amount": "420"}).encode()
KEY = {"idempotency-key": "k-1"}
JSON = {"content-type": "application/json"}


@pytest.fixture(autouse=True)
def fresh() -> None:
    DOES.clear()
    SEEN.clear()
    GATEWAY.__init__()  # type: ignore[misc]  # the functions hold this very gateway


async def post(body: bytes = BODY, headers: dict[str, str] | None = None) -> httpx.Response:
    async with client("place") as http:
        return await http.post("/v1/orders", content=body, headers={**customer(), **KEY, **JSON, **(headers or {})})


async def get(target: str, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    async with client(target) as http:
        return await http.request(
            method, path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )


def problem(reply: httpx.Response, status: int, slug: str) -> dict[str, object]:
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    document: dict[str, object] = reply.json()
    assert document["type"] == f"{PUBLIC_URL}/problems/{slug}"
    assert document["status"] == status
    assert document["instance"] == f"urn:correlation:{reply.headers['correlation-id']}"
    assert document["title"]
    assert document["detail"]
    return document


async def test_a_signed_in_customer_places_an_order() -> None:
    reply = await post()
    assert (reply.status_code, reply.json()) == (201, {"said": "placed"})
    assert reply.headers["etag"] == '"1"'
    assert reply.headers["location"] == "/v1/orders/x"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-content-type-options"] == "nosniff"
    by = SEEN[0].by
    assert by.actor == USER
    assert by.roles == {Role.CUSTOMER, Role.OWNER}
    assert by.merchant_id == MERCHANT.like(USER)
    assert by.once == Claim(USER, "POST /v1/orders", "k-1", sha256(BODY).digest())
    assert by.correlation == reply.headers["correlation-id"]
    assert SEEN[0].body.amount == 420


async def test_the_same_function_answers_under_the_frameworks_own_server() -> None:
    app = create_asgi_app("place", str(FUNCTIONS), "http")  # type: ignore[no-untyped-call]  # theirs
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edge") as http:
        reply = await http.post("/v1/orders", content=BODY, headers={**customer(), **KEY, **JSON})
    assert (reply.status_code, reply.json()) == (201, {"said": "placed"})


async def test_the_trace_of_the_caller_goes_on() -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    await post(headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    version, same, span, flags = SEEN[0].by.traceparent.split("-")
    assert (version, same, flags) == ("00", trace, "01")
    assert span != "b7ad6b7169203331"
    assert SEEN[0].by.correlation == trace


@pytest.mark.parametrize("wrong", ["00-" + "0" * 32 + "-b7ad6b7169203331-01", "garbage", "00-xyz-abc-01"])
async def test_a_malformed_trace_is_replaced(wrong: str) -> None:
    await post(headers={"traceparent": wrong})
    assert len(SEEN[0].by.traceparent) == 55
    assert "0" * 32 not in SEEN[0].by.traceparent


async def test_the_correlation_of_the_caller_is_kept_when_it_is_one() -> None:
    assert (await post(headers={"correlation-id": "order-4711.abc"})).headers["correlation-id"] == "order-4711.abc"
    assert "\n" not in (await post(headers={"correlation-id": "x" * 65})).headers["correlation-id"]


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic abc",
        "Bearer ",
        "Bearer x.y.z",
        "Bearer ck_x",
        f"Bearer ck_{'0' * 32}_{'s' * 43}",
        "Bearer " + "a" * 5000,
    ],
)
async def test_nobody_known_is_asked_to_sign_in(authorization: str | None) -> None:
    async with client("place") as http:
        headers = {**KEY, **({"authorization": authorization} if authorization is not None else {})}
        reply = await http.post("/v1/orders", content=BODY, headers=headers)
    problem(reply, 401, "unauthenticated")
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert not SEEN


async def test_a_role_that_may_not_is_refused() -> None:
    async with client("place") as http:
        problem(await http.post("/v1/orders", content=BODY, headers={**staff(Role.BARISTA), **KEY}), 403, "forbidden")
    assert not SEEN


async def test_staff_act_for_their_merchant_in_their_role_alone() -> None:
    async with client("look") as http:
        reply = await http.get(f"/v1/orders/{ORDER}", headers=staff(Role.MANAGER))
    assert reply.status_code == 200
    assert SEEN[0].by.roles == {Role.MANAGER}
    assert SEEN[0].by.merchant_id == MERCHANT
    assert SEEN[0].by.actor.startswith("key_")


async def test_a_revoked_key_is_not_known() -> None:
    async with client("look") as http:
        problem(
            await http.get(f"/v1/orders/{ORDER}", headers=staff(Role.MANAGER, revoked=True)), 401, "unauthenticated"
        )


async def test_a_wrong_secret_is_not_known() -> None:
    headers = staff(Role.MANAGER)
    async with client("look") as http:
        wrong = {"authorization": headers["authorization"][:-1] + "t"}
        problem(await http.get(f"/v1/orders/{ORDER}", headers=wrong), 401, "unauthenticated")


async def test_a_key_of_one_shop_is_refused_at_another() -> None:
    body = json.dumps({"shop_id": SHOP, "amount": "1"}).encode()
    async with client("hours") as http:
        own = await http.put(f"/v1/shops/{SHOP}/hours", content=body, headers=staff(Role.MANAGER, shop=SHOP))
        other = await http.put(f"/v1/shops/{SHOP}/hours", content=body, headers=staff(Role.MANAGER, shop=ShopId.new()))
    assert own.status_code == 200
    problem(other, 403, "forbidden")


async def test_keys_that_cannot_be_looked_up_are_a_reason_to_try_again() -> None:
    headers = staff(Role.MANAGER)
    GATEWAY.fails = Transient("The database is busy.", retry_after_s=3)
    async with client("look") as http:
        reply = await http.get(f"/v1/orders/{ORDER}", headers=headers)
    problem(reply, 503, "unavailable")
    assert reply.headers["retry-after"] == "3"


async def test_a_public_route_asks_nobody_who_they_are() -> None:
    reply = await get("menu", f"/v1/shops/{SHOP}/menu", authorization="Bearer nonsense")
    assert (reply.status_code, reply.json()) == (200, {"said": "menu"})
    assert reply.headers["cache-control"] == "public"
    assert SEEN[0].by.actor == "public"
    assert SEEN[0].by.roles == {Role.PUBLIC}


async def test_a_route_for_both_knows_who_signed_in() -> None:
    assert (await get("either", "/v1/either")).json() == {"said": "public"}
    assert (await get("either", "/v1/either", **customer())).json() == {"said": USER}
    problem(await get("either", "/v1/either", authorization="Bearer nonsense"), 401, "unauthenticated")


async def test_too_many_calls_are_told_when_to_come_back() -> None:
    GATEWAY.wait_s = 7
    reply = await post()
    problem(reply, 429, "too-many-requests")
    assert reply.headers["retry-after"] == "7"
    assert GATEWAY.allowed == [(USER, "place")]
    assert not SEEN


async def test_unknown_callers_are_counted_by_address() -> None:
    await get("menu", f"/v1/shops/{SHOP}/menu", x_forwarded_for="9.9.9.9")
    assert GATEWAY.allowed == [("127.0.0.1", "menu")]


async def test_a_write_needs_an_idempotency_key() -> None:
    async with client("place") as http:
        problem(await http.post("/v1/orders", content=BODY, headers=customer()), 400, "idempotency-key-missing")
    assert not SEEN


@pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 256, "tab\there"])
async def test_an_idempotency_key_is_visible_ascii(key: str) -> None:
    async with client("place") as http:
        headers = [(name.encode(), value.encode()) for name, value in customer().items()]
        reply = await http.post("/v1/orders", content=BODY, headers=[*headers, (b"idempotency-key", key.encode())])
    problem(reply, 400, "invalid")


async def test_what_was_answered_before_is_answered_again() -> None:
    DOES["next"] = AlreadyAnswered(StoredReply(201, {"content-type": "application/json", "etag": '"1"'}, b'{"a":1}'))
    reply = await post()
    assert (reply.status_code, reply.content) == (201, b'{"a":1}')
    assert reply.headers["idempotent-replayed"] == "true"
    assert reply.headers["etag"] == '"1"'
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("refusal", [Conflict("no"), NotFound("no"), Transient("lost"), VersionConflict("moved")])
async def test_a_refusal_is_told_only_when_the_first_try_was_not_answered(refusal: Exception) -> None:
    GATEWAY.keep(Claim(USER, "POST /v1/orders", "k-1", sha256(BODY).digest()), StoredReply(201, {}, b"first"))
    DOES["next"] = refusal
    reply = await post()
    assert (reply.status_code, reply.content) == (201, b"first")
    assert reply.headers["idempotent-replayed"] == "true"


async def test_a_refusal_under_a_key_of_another_body_says_so() -> None:
    GATEWAY.keep(Claim(USER, "POST /v1/orders", "k-1", b"other"), StoredReply(201, {}, b"first"))
    DOES["next"] = Conflict("no")
    problem(await post(), 409, "idempotency-key-reused")


async def test_a_refusal_without_a_stored_reply_is_told() -> None:
    DOES["next"] = Conflict("It is over.", order_id=ORDER, due=Fiat(currency="EUR", units=420))
    document = problem(await post(), 409, "conflict")
    assert document["detail"] == "It is over."
    assert document["order_id"] == ORDER
    assert document["due"] == {"currency": "EUR", "units": "420"}
    assert len(GATEWAY.looked_up) == 1


async def test_a_refusal_is_not_told_while_nobody_knows_whether_the_first_try_succeeded() -> None:
    DOES["next"] = Conflict("It is over.")
    GATEWAY.fails = Transient("The database is busy.")
    problem(await post(), 503, "unavailable")


async def test_the_key_is_bound_to_the_path_it_was_used_on() -> None:
    async with client("cancel") as http:
        await http.post(f"/v1/orders/{ORDER}/cancel", headers={**customer(), **KEY})
    assert SEEN[0].by.once.route == f"POST /v1/orders/{ORDER}/cancel"
    assert SEEN[0].by.once.body_hash == sha256(b"").digest()


BAD_BODIES = {
    "empty": b"",
    "truncated": BODY[:-3],
    "not json": b"shop=1",
    "not utf-8": b'{"shop_id": "\xff"}',
    "utf-16": BODY.decode().encode("utf-16"),
    "a list": b"[]",
    "null": b"null",
    "twice": BODY[:-1] + b', "amount": "1"}',
    "twice inside": BODY[:-1] + b', "lines": [{"a": 1, "a": 2}]}',
    "nan": BODY[:-1] + b', "weight": NaN}',
    "infinity": BODY[:-1] + b', "weight": -Infinity}',
    "too deep": BODY[:-1] + b', "note": ' + b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1) + b"}",
    "bottomless": b"[" * 60_000,
    "a text without end": b"[" * 33 + b'"' + b'\\"' * 30_000,  # a search that steps back takes a minute for it
    "huge number": b'{"amount": ' + b"9" * 30_000 + b"}",
    "negative": json.dumps({"shop_id": SHOP, "amount": "-1"}).encode(),
    "fractional": json.dumps({"shop_id": SHOP, "amount": "1.5"}).encode(),
    "look-alike digits": json.dumps({"shop_id": SHOP, "amount": "٤٢٠"}).encode(),
    "unknown field": json.dumps({"shop_id": SHOP, "amount": "1", "price": "0"}).encode(),
    "wrong type": json.dumps({"shop_id": 1, "amount": "1"}).encode(),
    "id of another kind": json.dumps({"shop_id": ORDER, "amount": "1"}).encode(),
    "nul": json.dumps({"shop_id": SHOP, "amount": "1", "note": "a\0b"}).encode(),
    "half a surrogate pair": BODY[:-1] + b', "note": "\\ud800"}',
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_BODIES)
async def test_a_body_that_cannot_be_right_is_refused(name: str) -> None:
    problem(await post(BAD_BODIES[name]), 400, "invalid")
    assert not SEEN


async def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert (await post(json.dumps({"shop_id": SHOP, "amount": "1", "note": "\\u0000"}).encode())).status_code == 201


async def test_what_is_wrong_is_pointed_at_and_never_repeated() -> None:
    body = json.dumps({"shop_id": "secret-value", "amount": "1", "extra/field": 1}).encode()
    document = problem(await post(body), 400, "invalid")
    errors = document["errors"]
    assert isinstance(errors, list)
    assert [error["pointer"] for error in errors] == ["/shop_id", "/extra~1field"]
    assert "secret-value" not in json.dumps(document)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_only_json_is_taken(content_type: str) -> None:
    problem(await post(headers={"content-type": content_type}), 415, "unsupported-media-type")


@pytest.mark.parametrize("coding", ["gzip", "br", "gzip, identity"])
async def test_nothing_is_unpacked(coding: str) -> None:
    problem(await post(headers={"content-encoding": coding}), 415, "unsupported-media-type")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/vnd.cortado+json"])
async def test_every_kind_of_json_is_taken(content_type: str) -> None:
    assert (await post(headers={"content-type": content_type})).status_code == 201


async def test_a_large_body_is_refused_before_it_is_read() -> None:
    reply = await post(b" " * 70_000)
    problem(reply, 413, "body-too-large")
    assert reply.headers["connection"] == "close"


async def test_a_large_body_is_refused_while_it_arrives() -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1_000

    async with client("place") as http:
        reply = await http.post("/v1/orders", content=parts(), headers={**customer(), **KEY})
    problem(reply, 413, "body-too-large")


async def test_an_entry_may_take_less() -> None:
    body = json.dumps({"shop_id": SHOP, "amount": "1", "note": "x" * 300}).encode()
    async with client("hours") as http:
        reply = await http.put(f"/v1/shops/{SHOP}/hours", content=body, headers=staff(Role.MANAGER))
    problem(reply, 413, "body-too-large")


@pytest.mark.parametrize("body", [b"", b"  ", b"{}"])
async def test_where_no_body_is_taken_an_empty_one_is_none(body: bytes) -> None:
    async with client("nonce") as http:
        assert (await http.post("/v1/nonces", content=body)).status_code == 200


async def test_where_no_body_is_taken_one_is_refused() -> None:
    async with client("nonce") as http:
        problem(await http.post("/v1/nonces", content=b'{"a": 1}'), 400, "invalid")


async def test_a_get_with_a_body_is_refused() -> None:
    async with client("look") as http:
        reply = await http.request("GET", f"/v1/orders/{ORDER}", content=b"[]", headers=customer())
    problem(reply, 400, "invalid")


async def test_path_and_query_make_the_parameters() -> None:
    assert (await get("look", f"/v1/orders/{ORDER}?limit=5", **customer())).status_code == 200
    assert (SEEN[0].params.order_id, SEEN[0].params.limit) == (ORDER, 5)


async def test_the_same_read_is_parsed_once_and_answered_each_time() -> None:
    for _ in range(2):
        await get("look", f"/v1/orders/{ORDER}?limit=6", **customer())
    assert SEEN[0].params is SEEN[1].params
    assert SEEN[0].by.traceparent != SEEN[1].by.traceparent


@pytest.mark.parametrize(
    "query",
    [
        "limit=x",
        "limit=1_0",
        "limit=%205",
        "limit=5.0",
        "limit=٥",
        "limit=1&limit=2",
        "other=1",
        "order_id=1",
        "limit",
        "limit=%00",
        "limit=%ff",
        "a=" + "b" * 5000,
        "&".join(["x=1"] * 70),
    ],
)
async def test_a_query_that_cannot_be_right_is_refused(query: str) -> None:
    problem(await get("look", f"/v1/orders/{ORDER}?{query}", **customer()), 400, "invalid")


@pytest.mark.parametrize("order_id", ["ord_1", "shp_" + "9" * 32, ORDER.upper(), ORDER + "0"])
async def test_a_path_with_no_id_in_it_is_refused(order_id: str) -> None:
    problem(await get("look", f"/v1/orders/{order_id}", **customer()), 400, "invalid")


async def test_a_query_where_none_is_taken_is_refused() -> None:
    async with client("nonce") as http:
        problem(await http.post("/v1/nonces?debug=1"), 400, "invalid")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/order",
        f"/v1/orders/{ORDER}/more",
        "/v1/orders/",
        "/",
        "/v1/menus/x",
        f"/v1/orders%2F{ORDER}",
        f"/v1/%6frders/{ORDER}",
        f"/v1/orders/{ORDER}%00",
        "/v1/orders/%2e%2e",
    ],
)
async def test_another_path_is_not_found(path: str) -> None:
    problem(await get("look", path, **customer()), 404, "not-found")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_another_method_is_told_which_one_is_meant(method: str) -> None:
    reply = await get("look", f"/v1/orders/{ORDER}", method=method, **customer())
    problem(reply, 405, "method-not-allowed")
    assert reply.headers["allow"] == "GET, HEAD"


async def test_head_is_get_without_the_body() -> None:
    whole = await get("menu", f"/v1/shops/{SHOP}/menu")
    head = await get("menu", f"/v1/shops/{SHOP}/menu", method="HEAD")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "content-type", "etag"):
        assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize("known", ['"7"', 'W/"7"', '"1", "7"', "*"])
async def test_what_the_client_has_is_not_sent_again(known: str) -> None:
    reply = await get("menu", f"/v1/shops/{SHOP}/menu", if_none_match=known)
    assert (reply.status_code, reply.content) == (304, b"")
    assert reply.headers["etag"] == '"7"'
    assert "content-type" not in reply.headers


async def test_what_the_client_has_of_old_is_sent_anew() -> None:
    assert (await get("menu", f"/v1/shops/{SHOP}/menu", if_none_match='"6"')).status_code == 200


async def test_if_match_carries_the_version_the_client_knows() -> None:
    await post(headers={"if-match": '"12"'})
    await post(headers={"if-match": "*"})
    await post()
    assert [request.if_match for request in SEEN] == [12, None, None]


@pytest.mark.parametrize("known", ["12", '"x"', 'W/"1"', '"1", "2"', '""', '"99999999999999999999"'])
async def test_an_if_match_that_is_no_version_is_refused(known: str) -> None:
    problem(await post(headers={"if-match": known}), 400, "invalid")


async def test_a_lost_race_against_if_match_is_a_failed_precondition() -> None:
    DOES["next"] = VersionConflict("moved")
    problem(await post(headers={"if-match": '"1"'}), 412, "precondition-failed")
    problem(await post(), 409, "version-conflict")


@pytest.mark.parametrize(
    ("refusal", "status", "slug"),
    [
        (Forbidden("no"), 403, "forbidden"),
        (NotFound("no"), 404, "not-found"),
        (Fenced("no"), 409, "fenced"),
        (TooMany("no", retry_after_s=9), 429, "too-many-requests"),
        (Transient("no", retry_after_s=9), 503, "unavailable"),
    ],
)
async def test_refusals_have_their_status(refusal: Exception, status: int, slug: str) -> None:
    DOES["next"] = refusal
    reply = await post()
    assert problem(reply, status, slug)["detail"] == "no"
    assert reply.headers.get("retry-after") == ("9" if status in (429, 503) else None)


@pytest.mark.parametrize("error", [Bug("password=hunter2"), KeyError("hunter2"), RecursionError("hunter2")])
async def test_a_bug_tells_nothing_but_its_correlation(error: Exception) -> None:
    DOES["next"] = error
    document = problem(await post(), 500, "bug")
    assert "hunter2" not in json.dumps(document)


async def test_a_reply_that_cannot_be_sent_is_a_bug_and_no_header() -> None:
    DOES["next"] = Reply(b"", headers={"location": "/x\r\nset-cookie: a=b"})
    reply = await post()
    problem(reply, 500, "bug")
    assert "set-cookie" not in reply.headers


async def test_nothing_to_say_is_said_with_204() -> None:
    async with client("leave") as http:
        reply = await http.delete("/v1/devices/d1", headers={**customer(), **KEY})
    assert (reply.status_code, reply.content) == (204, b"")
    assert "content-length" not in reply.headers
    assert "content-type" not in reply.headers
