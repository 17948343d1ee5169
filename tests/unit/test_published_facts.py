"""What a published fact promised stays: fields are only ever added, and then optional."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from shared.kernel.facts import declared
from triggers.published import document, duplicates, findings, present, publish, taken_back
from triggers.registry import RegistryError

BEFORE: dict[str, dict[str, Any]] = {
    "order.placed.v1": {
        "properties": {"order_id": {"type": "string"}, "status": {"enum": ["a", "b"], "type": "string"}},
        "required": ["order_id"],
        "$defs": {"Line": {"properties": {"units": {"type": "string"}}, "required": ["units"]}},
    }
}


FIELDS: dict[str, Any] = BEFORE["order.placed.v1"]["properties"]


def changed(**fields: object) -> dict[str, dict[str, Any]]:
    return {"order.placed.v1": {**BEFORE["order.placed.v1"], **fields}}


def test_a_new_optional_field_and_a_new_value_of_an_enumeration_are_growth() -> None:
    grown = changed(
        properties={
            "order_id": {"type": "string"},
            "status": {"enum": ["a", "b", "c"], "type": "string"},
            "note": {"type": "string"},
        }
    )
    assert list(taken_back(BEFORE, grown)) == []


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({}, "was published and is gone"),
        (changed(properties={"status": {"enum": ["a", "b"], "type": "string"}}), "lost order_id"),
        (
            changed(properties={**FIELDS, "order_id": {"type": "integer"}}),
            "order_id changed",
        ),
        (changed(required=[]), "order_id was always there and is optional now"),
        (
            changed(properties={**FIELDS, "x": {}}, required=["order_id", "x"]),
            "x is new and required",
        ),
        (changed(**{"$defs": {}}), "Line"),
        (
            changed(properties={**FIELDS, "status": {"enum": ["a"], "type": "string"}}),
            "status changed",
        ),
    ],
    ids=["gone", "field lost", "type changed", "made optional", "new required", "definition lost", "value lost"],
)
def test_a_promise_that_is_not_kept_is_named(now: dict[str, dict[str, Any]], said: str) -> None:
    assert said in " ".join(taken_back(BEFORE, now))


def test_a_version_that_says_what_the_one_before_says_is_a_duplicate() -> None:
    schema: dict[str, Any] = {"properties": {}}
    assert list(duplicates({"a.b.v1": schema, "a.b.v2": schema, "a.c.v1": schema})) == [
        "a.b.v2: says exactly what a.b.v1 says"
    ]


def test_publishing_refuses_to_take_back(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    promised = {**present(), "order.promised.v1": {"properties": {}}}
    path.write_bytes(document(promised))
    with pytest.raises(RegistryError, match=r"order\.promised\.v1: was published and is gone"):
        publish(path)


def test_the_facts_of_this_tree_keep_what_was_published() -> None:
    assert findings() == []


def test_what_a_fact_may_leave_out_it_can_be_read_without() -> None:
    """Nothing is written as null: a member that may be None must have a default, or its fact can't be read again."""
    present()  # declares them all
    lacking = [
        f"{type_}: {name}"
        for type_, fact in sorted(declared().items())
        for name, field in fact.model_fields.items()
        if field.is_required() and type(None) in get_args(field.annotation)
    ]
    assert lacking == []
