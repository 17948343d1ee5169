"""Ids: of one type each, sortable by time, and only ever well formed."""

from __future__ import annotations

import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis.strategies import from_regex, sampled_from, text
from pydantic import BaseModel, ValidationError

from shared.kernel.ids import Id, OrderId, ReservationId, uuid7_hex

TYPES: list[type[Id]] = Id.__subclasses__()


class Named(BaseModel):
    order_id: OrderId


def test_each_type_has_a_prefix_of_its_own() -> None:
    assert len({type_.prefix for type_ in TYPES}) == len(TYPES)


def test_ids_are_uuids_of_version_7_in_the_order_of_their_making() -> None:
    before = time.time_ns() // 1_000_000
    made = [UUID(uuid7_hex()) for _ in range(2000)]
    after = time.time_ns() // 1_000_000
    assert {(one.version, one.variant) for one in made} == {(7, "specified in RFC 4122")}
    stamps = [one.int >> 80 for one in made]
    assert stamps == sorted(stamps)
    assert before <= stamps[0] <= stamps[-1] <= after
    assert len(set(made)) == len(made)


@given(sampled_from(TYPES))
def test_a_new_id_is_read_back_as_its_type_and_as_no_other(type_: type[Id]) -> None:
    made = type_.new()
    assert type_.parse(made) == made
    for other in TYPES:
        if other is not type_:
            with pytest.raises(ValueError, match="not a"):
                other.parse(made)


@given(text(), from_regex(r"ord_[0-9a-f]{30,34}\n?", fullmatch=True))
def test_anything_else_is_refused_where_it_enters(junk: str, almost: str) -> None:
    for told in (junk, almost, almost.upper(), f"ord_{junk}", f" {OrderId.new()}", f"{OrderId.new()}\n"):
        well_formed = len(told) == 36 and told.startswith("ord_") and set(told[4:]) <= set("0123456789abcdef")
        if well_formed:
            assert Named(order_id=told).order_id == OrderId.parse(told)
            continue
        with pytest.raises(ValueError, match="not a"):
            OrderId.parse(told)
        with pytest.raises(ValidationError):
            Named(order_id=told)


def test_an_id_in_json_is_a_string_and_nothing_but() -> None:
    order_id = OrderId.new()
    assert Named.model_validate_json(f'{{"order_id":"{order_id}"}}').order_id == order_id
    assert type(Named.model_validate_json(f'{{"order_id":"{order_id}"}}').order_id) is OrderId
    for told in ("1", "null", "[]", f'["{order_id}"]'):
        with pytest.raises(ValidationError):
            Named.model_validate_json(f'{{"order_id":{told}}}')


def test_ids_that_belong_together_share_their_digits() -> None:
    order_id = OrderId.new()
    assert ReservationId.like(order_id) == "rsv_" + order_id[4:]
    assert OrderId.like(ReservationId.like(order_id)) == order_id
