"""Facts: one canonical form, and a chain in which nothing can be changed, left out, moved or added."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis.strategies import binary, builds, datetimes, integers, just, lists, none, one_of, text, tuples

from shared.kernel.clock import rfc3339
from shared.kernel.errors import Bug
from shared.kernel.facts import GENESIS, Fact, Recorded, broken_at, chain_hash, declared, fact_of, topic_of
from shared.kernel.ids import EventId, ItemId, MerchantId, OrderId, ShopId, UserId
from shared.kernel.money import MAX_UNITS, Fiat
from shared.orders.facts import OrderCancelled, OrderLine, OrderPlaced

FIRST, LAST = datetime(2020, 1, 1), datetime(2100, 1, 1)  # noqa: DTZ001  # Hypothesis adds the zone
moments = datetimes(FIRST, LAST, timezones=just(UTC))
words = text(max_size=30)
units = integers(0, MAX_UNITS)
lines = builds(
    OrderLine,
    item_id=builds(ItemId.new),
    name=words,
    quantity=integers(1, 100),
    unit_price=units,
    total=units,
    sku=one_of(none(), words),
)
placed = builds(
    OrderPlaced,
    order_id=builds(OrderId.new),
    shop_id=builds(ShopId.new),
    merchant_id=builds(MerchantId.new),
    customer_id=builds(UserId.new),
    menu_version=integers(1, 2**60),
    lines=lists(lines, max_size=3).map(tuple),
    total=builds(Fiat, currency=just("EUR"), units=units),
    note=words,
    placed_at=moments,
    pay_by=moments,
    hold_until=moments,
)
bodies = lists(tuples(binary(min_size=1, max_size=40), moments), min_size=1, max_size=6)


def chained(bodies: list[tuple[bytes, datetime]], stream: str = "ord_1") -> list[Recorded]:
    """Return events with these bodies and times, each bound to the one before."""
    events: list[Recorded] = []
    prev = GENESIS
    for version, (body, at) in enumerate(bodies, 1):
        id_, type_ = EventId.new(), "order.any.v1"
        digest = chain_hash(prev, id=id_, stream=stream, version=version, type=type_, body=body, at=at)
        events.append(
            Recorded(
                *(id_, stream, version, type_, body, prev, digest),
                *(MerchantId("mer_1"), "here", "actor", "correlation", None, at),
            )
        )
        prev = digest
    return events


@given(placed)
def test_a_fact_survives_its_canonical_form_and_has_only_one(fact: OrderPlaced) -> None:
    again = fact_of(fact.type, fact.canonical)
    assert again == fact
    assert again.canonical == fact.canonical


@given(placed)
def test_the_canonical_form_is_sorted_json_without_blanks_nulls_or_numbers_too_big_for_anybody(
    fact: OrderPlaced,
) -> None:
    told = msgspec.json.decode(fact.canonical)
    assert msgspec.json.encode(told, order="sorted") == fact.canonical
    assert list(told) == sorted(told)
    assert told["total"]["units"] == str(fact.total.units)
    assert None not in told.values()


def test_a_type_nobody_declared_is_a_bug_and_no_type_is_declared_twice() -> None:
    with pytest.raises(Bug):
        fact_of("order.invented.v1", b"{}")
    with pytest.raises(Bug):

        class Impostor(Fact):
            type = OrderCancelled.type

    assert declared()[OrderCancelled.type] is OrderCancelled
    assert topic_of(OrderCancelled.type) == "order-events"


@given(bodies)
def test_an_untouched_chain_holds(told: list[tuple[bytes, datetime]]) -> None:
    assert broken_at(chained(told)) is None


@given(bodies, integers(0, 5), integers(0, 6), binary(min_size=1, max_size=3))
def test_any_change_to_any_event_breaks_the_chain_there(
    told: list[tuple[bytes, datetime]], place: int, what: int, more: bytes
) -> None:
    events = chained(told)
    place %= len(events)
    event = events[place]
    changed = [
        replace(event, body=event.body + more),
        replace(event, type="order.other.v1"),
        replace(event, id=EventId.new()),
        replace(event, stream="ord_2"),
        replace(event, version=event.version + 1),
        replace(event, prev_hash=bytes(31) + b"\x01"),
        replace(event, at=event.at.replace(year=event.at.year - 1, day=1)),
    ][what]
    events[place] = changed
    assert broken_at(events) in (changed.version, event.version, event.version + 1)


@given(bodies.filter(lambda told: len(told) > 1), integers(0, 5))
def test_an_event_left_out_or_moved_breaks_the_chain(told: list[tuple[bytes, datetime]], place: int) -> None:
    events = chained(told)
    place %= len(events) - 1
    assert broken_at(events[:place] + events[place + 1 :]) is not None
    events[place], events[place + 1] = events[place + 1], events[place]
    assert broken_at(events) is not None


@given(bodies, bodies)
def test_a_chain_continued_in_another_stream_does_not_hold(
    told: list[tuple[bytes, datetime]], more: list[tuple[bytes, datetime]]
) -> None:
    events = chained(told)
    last, body, at = events[-1], *more[0]
    version = last.version + 1
    digest = chain_hash(last.hash, id="evt_x", stream="ord_2", version=version, type="order.any.v1", body=body, at=at)
    grafted = replace(
        last, id=EventId("evt_x"), stream="ord_2", version=version, body=body, prev_hash=last.hash, hash=digest, at=at
    )
    assert broken_at([*events, grafted]) == version


@given(moments, binary(max_size=50))
def test_a_third_party_computes_the_hash_from_the_documented_sentence_alone(at: datetime, body: bytes) -> None:
    told = b"evt_1\nord_1\n7\norder.placed.v1\n" + rfc3339(at).encode() + b"\n"
    expected = sha256(GENESIS + told + body).digest()
    assert expected == chain_hash(
        GENESIS, id="evt_1", stream="ord_1", version=7, type="order.placed.v1", body=body, at=at
    )


@given(moments)
def test_a_time_is_written_in_one_way_and_read_back(at: datetime) -> None:
    told = rfc3339(at)
    assert told.endswith("Z")
    assert datetime.fromisoformat(told) == at
    assert rfc3339(datetime.fromisoformat(told)) == told
