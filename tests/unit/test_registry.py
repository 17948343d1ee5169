"""The registry: what an entry may say, and who is found by name, fact, topic and route."""

import json
from pathlib import Path

import pytest

from triggers.registry import ROOT, Match, Registry, RegistryError, build, entry_of, load

YAML = """
create_order:
  http: POST /v1/orders
  auth: customer
  idempotent: true
  status: 201
  release: remote
  body_limit: 1024
  needs: [postgres, redis]
  emits: [order.placed.v1]
get_order: {http: "GET /v1/orders/{order_id}", auth: [customer, barista]}
get_queue: {http: "GET /v1/orders/queue", auth: barista}
cancel_order: {http: "POST /v1/orders/{order_id}/cancel", auth: customer, idempotent: true}
confirm_order:
  on: payment.settled.v1
halt_order:
  on: [payment.reversed.v1, payment.settled.v1]
expire_orders: {every: 2m}
send_email: {work: emails}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "orders.yaml").write_text(YAML)
    return tmp_path


@pytest.fixture
def registry(folder: Path) -> Registry:
    return load(folder)


def test_an_entry_says_what_its_yaml_says(registry: Registry) -> None:
    entry = registry["create_order"]
    assert (entry.service, entry.kind, entry.method, entry.path) == ("orders", "http", "POST", "/v1/orders")
    assert (entry.roles, entry.idempotent, entry.release, entry.status) == (("customer",), True, "remote", 201)
    assert (entry.needs, entry.emits, entry.body_limit) == (("postgres", "redis"), ("order.placed.v1",), 1024)
    assert (entry.target, entry.group) == ("create_order", "orders.create_order")
    assert entry.source == ROOT / "functions" / "orders" / "create_order.py"
    assert registry["get_order"].variables == ("order_id",)
    assert registry["get_order"].body_limit == 65536


def test_each_kind_of_trigger_reads_like_itself(registry: Registry) -> None:
    assert registry["get_order"].trigger == "GET /v1/orders/{order_id}"
    assert registry["halt_order"].trigger == "on payment.reversed.v1, payment.settled.v1"
    assert registry["expire_orders"].trigger == "every 120s"
    assert registry["send_email"].trigger == "work emails"


def test_operations_are_found_by_what_triggers_them(registry: Registry) -> None:
    assert {type_: [entry.operation for entry in entries] for type_, entries in registry.by_fact().items()} == {
        "payment.reversed.v1": ["halt_order"],
        "payment.settled.v1": ["confirm_order", "halt_order"],
    }
    assert [entry.every_s for entry in registry.schedules()] == [120]
    assert [entry.topic for entry in registry.works()] == ["emails"]
    assert len(registry.http()) + len(registry.events()) + 2 == len(registry) == len(list(registry))
    assert "get_order" in registry
    assert "nothing" not in registry


def test_an_operation_nobody_declared_is_named(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="add_tip"):
        registry["add_tip"]


def found(match: Match | None) -> tuple[str, dict[str, str]] | None:
    return (match.entry.operation, dict(match.values)) if match else None


def test_a_route_is_found_by_method_and_path(registry: Registry) -> None:
    assert found(registry.match("POST", "/v1/orders")) == ("create_order", {})
    assert found(registry.match("GET", "/v1/orders/ord_1")) == ("get_order", {"order_id": "ord_1"})
    assert found(registry.match("HEAD", "/v1/orders/ord_1")) == ("get_order", {"order_id": "ord_1"})
    assert found(registry.match("POST", "/v1/orders/ord_1/cancel")) == ("cancel_order", {"order_id": "ord_1"})


def test_a_literal_wins_over_a_variable(registry: Registry) -> None:
    assert found(registry.match("GET", "/v1/orders/queue")) == ("get_queue", {})


@pytest.mark.parametrize(
    "path", ["/v1/orders/", "/v1/orders//cancel", "/v1/order", "/", "", "/v1/orders/a/b/c", "v1/orders"]
)
def test_a_path_that_means_nothing_is_not_found(registry: Registry, path: str) -> None:
    assert registry.match("POST", path) is None
    assert registry.allowed(path) == ()


def test_what_a_path_takes_is_told(registry: Registry) -> None:
    assert registry.match("DELETE", "/v1/orders") is None
    assert registry.allowed("/v1/orders") == ("POST",)
    assert registry.allowed("/v1/orders/ord_1") == ("GET", "HEAD")
    assert registry.allowed("/v1/orders/ord_1/cancel") == ("POST",)


def test_variables_sort_after_literals_at_every_place() -> None:
    keys = {"auth": "public"}
    registry = Registry(
        entry_of("shops", name, {"http": f"GET {path}", **keys})
        for name, path in {
            "a": "/v1/{x}/{y}",
            "b": "/v1/{x}/menu",
            "c": "/v1/shops/{y}",
            "d": "/v1/shops/menu",
        }.items()
    )
    paths = ("/v1/p/q", "/v1/p/menu", "/v1/shops/q", "/v1/shops/menu")
    matches = [registry.match("GET", path) for path in paths]
    assert [match.entry.operation for match in matches if match] == list("abcd")


def test_the_compiled_registry_is_the_same_registry(folder: Path, registry: Registry) -> None:
    compiled = build(folder)
    load.cache_clear()
    assert load(folder).entries == registry.entries
    stored = json.loads(compiled.read_text())
    assert len(stored["entries"]) == len(registry)


def test_a_compiled_registry_that_is_old_is_not_believed(folder: Path) -> None:
    build(folder)
    (folder / "orders.yaml").write_text(YAML + "\nadd_tip: {every: 1h}\n")
    load.cache_clear()
    assert "add_tip" in load(folder)


def test_an_image_without_yaml_believes_the_compiled_one(folder: Path) -> None:
    build(folder)
    (folder / "orders.yaml").unlink()
    load.cache_clear()
    assert "create_order" in load(folder)


def test_an_image_without_anything_to_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "registry.json").write_text("{}")
    load.cache_clear()
    with pytest.raises(RegistryError, match=r"registry\.json"):
        load(tmp_path)


@pytest.mark.parametrize("compiled", ["", "{}", '{"digest": 1, "entries": []}'])
def test_a_compiled_registry_that_is_broken_is_not_believed(folder: Path, compiled: str) -> None:
    (folder / "registry.json").write_text(compiled)
    load.cache_clear()
    assert "create_order" in load(folder)


def test_on_is_a_word(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text("yes_order:\n  on: payment.settled.v1\n  emits: [no]\n")
    load.cache_clear()
    assert load(tmp_path)["yes_order"].emits == ("no",)


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("a:\n  every: 1s\na:\n  every: 2s\n", "a stands there twice"),
        ("a:\n  every: 1s\n  every: 2s\n", "every stands there twice"),
        ("a: {every: 1s, on: x.y.v1}", "exactly one of"),
        ("a: {auth: public}", "exactly one of"),
        ("a: {http: GET /v1/a}", "who may call it"),
        ("a: {every: 1 minute}", "a period is"),
        ("a: {every: 0s}", "a period is"),
        ("a: {every: 1s, evry: 2s}", "evry"),
        ("a: {every: 1s, idempotent: maybe}", "idempotent"),
        ("a: [1]", "a:"),
        ("- a", "a mapping"),
        ("a: {", "orders.yaml"),
    ],
)
def test_an_entry_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path, yaml: str, said: str) -> None:
    (tmp_path / "orders.yaml").write_text(yaml)
    load.cache_clear()
    with pytest.raises(RegistryError, match=said):
        load(tmp_path)


def test_a_service_without_operations_is_none(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text("# nothing yet\n")
    load.cache_clear()
    assert len(load(tmp_path)) == 0
