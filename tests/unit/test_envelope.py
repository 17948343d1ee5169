"""A fact on the wire is the CloudEvent that its row says, byte for byte the same each time."""

import json
from datetime import UTC, datetime

import msgspec
import pytest

from shared.kernel.decision import By, Work
from shared.kernel.envelope import envelope, routed, work_envelope
from shared.kernel.errors import Bug
from shared.kernel.facts import Recorded
from shared.kernel.ids import EventId, MerchantId, OrderId

AT = datetime(2026, 5, 6, 7, 8, 9, 120000, tzinfo=UTC)


def recorded(type_: str = "order.placed.v1", causation: str | None = None) -> Recorded:
    return Recorded(
        id=EventId.new(),
        stream=OrderId.new(),
        version=3,
        type=type_,
        body=b'{"total":{"currency":"EUR","units":"420"}}',
        prev_hash=bytes(32),
        hash=bytes(32),
        merchant_id=MerchantId.new(),
        region="europe-west3",
        actor="usr_1",
        correlation="c-1",
        causation=causation,
        at=AT,
    )


def test_every_member_is_where_the_specification_wants_it() -> None:
    event = recorded(causation="evt_0")
    assert json.loads(envelope(event, "00-aa-bb-01")) == {
        "specversion": "1.0",
        "id": event.id,
        "type": "order.placed.v1",
        "source": "/orders",
        "subject": event.stream,
        "time": "2026-05-06T07:08:09.120000Z",
        "datacontenttype": "application/json",
        "sequence": "3",
        "merchantid": event.merchant_id,
        "region": "europe-west3",
        "actor": "usr_1",
        "correlationid": "c-1",
        "causationid": "evt_0",
        "traceparent": "00-aa-bb-01",
        "data": {"total": {"currency": "EUR", "units": "420"}},
    }


def test_what_is_not_known_is_absent_not_null() -> None:
    said = json.loads(envelope(recorded()))
    assert "causationid" not in said
    assert "traceparent" not in said


def test_the_body_is_embedded_as_it_was_hashed() -> None:
    event = recorded()
    assert event.body in envelope(event)


def test_facts_of_a_prefix_nobody_owns_are_a_bug() -> None:
    with pytest.raises(Bug):
        envelope(recorded("ship.sunk.v1"))


def test_work_names_its_topic_and_who_asked_for_it() -> None:
    by = By("notify", correlation="c-1", causation="evt_1", traceparent="00-aa-bb-01")
    body = work_envelope(Work("emails", "ntf_1", {"b": OrderId("ord_1"), "a": 1}), id="evt_2", by=by, region="r", at=AT)
    said = json.loads(body)
    assert said["type"] == "work.emails"
    assert said["subject"] == "ntf_1"
    assert (said["actor"], said["correlationid"], said["causationid"]) == ("notify", "c-1", "evt_1")
    assert said["data"] == {"a": 1, "b": "ord_1"}


def test_a_transport_reads_what_it_needs_and_refuses_what_is_no_envelope() -> None:
    event = recorded()
    known = routed(envelope(event, "00-aa-bb-01"))
    assert (known.id, known.type, known.subject) == (event.id, event.type, event.stream)
    assert (known.time, known.traceparent) == (AT, "00-aa-bb-01")
    for bad in (b"", b"{}", b"\xff", b'{"id":1,"type":"a","subject":"b","time":"2026-01-01T00:00:00Z"}'):
        with pytest.raises(msgspec.MsgspecError):
            routed(bad)
