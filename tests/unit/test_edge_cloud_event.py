"""Event, scheduled and work functions through a client: whom they believe, what they take, what they answer."""

import json
from datetime import UTC, datetime

import httpx
import pytest

from shared.kernel.decision import AlreadyTaken, Role, Taking
from shared.kernel.errors import Bug, Conflict, Fenced, Forbidden, NotFound, Problem, Transient, VersionConflict
from tests.unit.edge_does import DOES, SEEN
from tests.unit.edge_kit import (
    EVENT,
    GATEWAY,
    MERCHANT,
    Placed,
    Ready,
    client,
    cloud_event,
    customer,
    dispatcher,
    placed,
    pushed,
    signer,
)

STRUCTURED = {"content-type": "application/cloudevents+json"}
STREAM = "ord_" + "5" * 32


@pytest.fixture(autouse=True)
def fresh() -> None:
    DOES.clear()
    SEEN.clear()
    GATEWAY.__init__()  # type: ignore[misc]  # the functions hold this very gateway


async def deliver(event: object, headers: dict[str, str] | None = None, target: str = "confirm") -> httpx.Response:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    async with client(target) as http:
        return await http.post(
            "/", content=body, headers={**STRUCTURED, **(dispatcher() if headers is None else headers)}
        )


async def test_a_fact_triggers_its_function() -> None:
    reply = await deliver(placed())
    assert (reply.status_code, reply.content) == (204, b"")
    event = SEEN[0]
    assert event.fact == Placed(total=420)
    assert (event.id, event.type, event.stream, event.version) == (EVENT, "testing.placed.v1", STREAM, 3)
    assert event.merchant_id == MERCHANT
    assert event.time == datetime(2026, 3, 1, 12, tzinfo=UTC)
    by = event.by
    assert (by.actor, by.roles, by.causation) == ("confirm", frozenset({Role.SERVICE}), EVENT)
    assert by.once == Taking("confirm", EVENT)
    assert by.correlation == "c" * 32
    assert by.traceparent.startswith(f"00-{'a' * 32}-")
    assert "b" * 16 not in by.traceparent


async def test_a_function_takes_every_type_it_is_registered_for() -> None:
    assert (await deliver(cloud_event("testing.ready.v1", {"shelf": "b"}))).status_code == 204
    assert SEEN[0].fact == Ready(shelf="b")


async def test_a_type_it_is_not_registered_for_is_let_go() -> None:
    assert (await deliver(cloud_event("testing.other.v1", {}))).status_code == 204
    assert not SEEN


async def test_a_binary_event_is_the_same_event() -> None:
    headers = {
        **dispatcher(),
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": EVENT,
        "ce-type": "testing.placed.v1",
        "ce-source": "/testing",
        "ce-subject": STREAM,
        "ce-time": "2026-03-01T12:00:00Z",
        "ce-sequence": "3",
        "ce-merchantid": MERCHANT,
    }
    assert (await deliver({"total": "420"}, headers)).status_code == 204
    assert SEEN[0].fact == Placed(total=420)
    assert (SEEN[0].id, SEEN[0].stream, SEEN[0].version) == (EVENT, STREAM, 3)


async def test_a_field_of_a_newer_writer_is_passed_over() -> None:
    assert (await deliver(cloud_event("testing.placed.v1", {"total": "1", "tip": "2"}))).status_code == 204
    assert SEEN[0].fact == Placed(total=1)


async def test_an_event_without_trace_begins_one() -> None:
    assert (await deliver(placed(traceparent=None, correlationid=None))).status_code == 204
    assert len(SEEN[0].by.traceparent) == 55
    assert SEEN[0].by.correlation == SEEN[0].by.traceparent.split("-")[1]


async def test_an_event_that_was_taken_before_is_done() -> None:
    DOES["next"] = AlreadyTaken()
    assert (await deliver(placed())).status_code == 204


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (Transient("later", retry_after_s=4), 503),
        (VersionConflict("moved"), 503),
        (Fenced("over"), 503),
        (Conflict("no"), 422),
        (NotFound("no"), 422),
        (Forbidden("no"), 422),
        (Bug("secret"), 500),
        (ValueError("secret"), 500),
    ],
)
async def test_refusals_say_whether_to_try_again(refusal: Exception, status: int) -> None:
    DOES["next"] = refusal
    reply = await deliver(placed())
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["type"].endswith(refusal.type if isinstance(refusal, Problem) else "bug")
    assert "secret" not in reply.text
    if isinstance(refusal, Transient):
        assert reply.headers["retry-after"] == "4"


@pytest.mark.parametrize(
    "event",
    [
        b"",
        b"[]",
        b'{"specversion": "1.0"}',
        placed(id="evt_1"),
        placed(time=None),
        placed(time="2026-03-01T12:00:00"),
        placed(sequence="x"),
        placed(sequence="9" * 20),
        placed(merchantid="somebody"),
        cloud_event("testing.placed.v1", {"total": "-1"}),
        cloud_event("testing.placed.v1", {}),
        placed(data=None),
    ],
)
async def test_an_event_that_cannot_be_right_is_final(event: object) -> None:
    reply = await deliver(event)
    assert reply.status_code == 422
    assert not SEEN


async def test_what_is_no_event_is_refused() -> None:
    assert (await deliver({}, {**dispatcher(), "content-type": "application/json"})).status_code == 422


@pytest.mark.parametrize("target", ["confirm", "expire", "push"])
@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer x.y.z"}, {"authorization": "Basic x"}, pytest.param(None, id="customer")]
)
async def test_nobody_but_a_service_is_believed(target: str, headers: dict[str, str] | None) -> None:
    reply = await deliver(placed(), customer() if headers is None else headers, target)
    assert reply.status_code == 401
    assert not SEEN


@pytest.mark.parametrize("target", ["confirm", "expire", "push"])
async def test_a_stranger_with_a_good_token_is_refused(target: str) -> None:
    reply = await deliver(placed(), dispatcher("somebody"), target)
    assert reply.status_code == 403
    assert not SEEN


@pytest.mark.parametrize("target", ["confirm", "expire", "push"])
async def test_only_post_is_taken(target: str) -> None:
    async with client(target) as http:
        reply = await http.get("/", headers=dispatcher())
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")


async def test_an_event_is_bounded() -> None:
    reply = await deliver(placed(note="x" * 1_100_000))
    assert reply.status_code == 422
    assert reply.json()["type"].endswith("/body-too-large")


async def test_a_tick_acts_as_its_function() -> None:
    async with client("expire") as http:
        reply = await http.post("/expire", headers=dispatcher("scheduler"))
    assert reply.status_code == 204
    by = SEEN[0].by
    assert (by.actor, by.once, by.causation) == ("expire", None, None)
    assert by.correlation == by.traceparent.split("-")[1]


async def test_work_reaches_its_function() -> None:
    work = cloud_event("work.push-notifications", {"text": "ready"})
    reply = await deliver(
        pushed(work, deliveryAttempt=3), {**dispatcher("pubsub"), "content-type": "application/json"}, "push"
    )
    assert reply.status_code == 204
    assert SEEN[0].body.text == "ready"
    assert (SEEN[0].attempt, SEEN[0].key, SEEN[0].id) == (3, STREAM, EVENT)
    assert SEEN[0].by.once == Taking("push", EVENT)
    assert SEEN[0].by.traceparent.startswith(f"00-{'a' * 32}-")


async def test_work_of_another_topic_is_let_go() -> None:
    assert (await deliver(pushed(cloud_event("work.e-mail", {})), None, "push")).status_code == 204
    assert not SEEN


@pytest.mark.parametrize(
    "body",
    [
        b"",
        {"message": {}},
        {"message": {"data": "***"}},
        {"message": {"data": "e30="}},
        pushed(cloud_event("work.push-notifications", {"text": 1})),
    ],
)
async def test_work_that_cannot_be_right_is_refused(body: object) -> None:
    assert (await deliver(body, None, "push")).status_code == 422
    assert not SEEN


async def test_the_emulators_push_carries_its_token_in_the_query() -> None:
    work = json.dumps(pushed(cloud_event("work.push-notifications", {"text": "ready"})))
    async with client("push") as http:
        good = await http.post(f"/push?token={signer().token('pubsub')}", content=work)
        bad = await http.post("/push?token=x.y.z", content=work)
    assert (good.status_code, bad.status_code) == (204, 401)


async def test_events_take_no_token_from_the_query() -> None:
    async with client("confirm") as http:
        reply = await http.post(
            f"/?token={signer().token('dispatcher')}", content=json.dumps(placed()), headers=STRUCTURED
        )
    assert reply.status_code == 401
