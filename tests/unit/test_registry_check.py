"""`python -m triggers check`: each finding, from entries and functions that deserve it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from triggers import __main__ as command
from triggers import check, probe
from triggers.needs import beyond
from triggers.registry import ROOT, Entry, entry_of, load

ORDERS = "triggers/orders.yaml"


def entry(operation: str, keys: Mapping[str, object], service: str = "orders") -> Entry:
    return entry_of(service, operation, dict(keys))


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("post: {http: POST /v1/a, auth: customer}", "idempotent: true"),
        ("post: {http: POST /v1/a, auth: customer, idempotent: false}", "idempotent: true"),
        ("post: {http: POST /v1/a, auth: customer, safe: short}", "short"),
        ("get: {http: GET /a, auth: customer}", "http"),
        ("get: {http: GET /v1/A, auth: customer}", "http"),
        ("get: {http: FETCH /v1/a, auth: customer}", "http"),
        ("get: {http: GET /v1/a, auth: admin}", "auth"),
        ("get: {http: GET /v1/a}", "auth"),
        ("get: {http: GET /v1/a, auth: customer, needs: [mysql]}", "mysql"),
        ("get: {http: GET /v1/a, auth: customer, every: 1s}", "valid under each of"),
        ("Get: {http: GET /v1/a, auth: customer}", "Get"),
        ("take: {on: orders.placed.v1}", "on"),
        ("take: {on: order.placed.v1, auth: customer}", "http"),
        ("take: {on: []}", "on"),
        ("tick: {every: 1.5s}", "every"),
        ("tick: {every: 1s, release: now}", "release"),
        ("tick: {every: 1s, every: 2s}", "twice"),
    ],
)
def test_the_schema_refuses(tmp_path: Path, yaml: str, said: str) -> None:
    (tmp_path / "orders.yaml").write_text(yaml)
    found, entries = check.declared(tmp_path)
    assert entries == []
    assert len(found) >= 1
    assert all(line.startswith(f"{ORDERS}: ") and "\n" not in line for line in found)
    assert said in " ".join(found)


def test_the_schema_takes_what_is_right(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text(
        'a: {http: "PUT /v1/a/{a_id}", auth: [owner], safe: it sets what it sets}\nb: {on: [order.placed.v1]}\n'
        "c: {every: 15m, needs: [rpc]}\nd: {work: push-notifications}\n"
    )
    found, entries = check.declared(tmp_path)
    assert (found, [one.operation for one in entries]) == ([], ["a", "b", "c", "d"])


def test_an_entry_alone_may_be_wrong() -> None:
    entries = [
        entry("json", {"every": "1s"}),
        entry("sign_up", {"http": "POST /v1/a", "auth": "public", "idempotent": True, "needs": ["postgres"]}),
        entry("get_stock", {"http": "GET /v1/b", "auth": "barista"}),
        entry("get_chain", {"http": "GET /v1/c", "auth": "public", "needs": ["web3"]}),
        entry("get_twice", {"http": "GET /v1/{a}/{a}", "auth": "public"}),
        entry("get_odd", {"http": "GET /v1/d", "auth": "public", "emits": ["order.placed.v1"]}),
    ]
    found = list(check.alone(entries))
    assert [line.split(": ")[1] for line in found] == [
        "json",
        "sign_up",
        "get_stock",
        "get_chain",
        "get_twice",
        "get_odd",
    ]
    assert "library" in found[0]
    assert "public" in found[1]
    assert "postgres" in found[2]
    assert "web3" in found[3]


def test_what_only_one_may_have_is_had_once() -> None:
    entries = [
        entry("show", {"http": "GET /v1/{a}", "auth": "public"}),
        entry("show", {"every": "1s"}, "shops"),
        entry("display", {"http": "GET /v1/{b}", "auth": "public"}),
        entry("push", {"work": "pushes"}),
        entry("shove", {"work": "pushes"}),
    ]
    found = list(check.repeated(entries))
    assert len(found) == 3
    assert "show: declared 2 times" in found[0]
    assert "GET /v1/{}" in found[1]
    assert "work pushes" in found[2]


def test_entries_and_function_files_belong_together(tmp_path: Path) -> None:
    (tmp_path / "functions" / "orders").mkdir(parents=True)
    (tmp_path / "functions" / "orders" / "__init__.py").touch()
    (tmp_path / "functions" / "orders" / "orphan.py").touch()
    found = list(check.files([entry("add_tip", {"every": "1s"})], tmp_path))
    assert found == [
        f"{ORDERS}: add_tip: there is no functions/orders/add_tip.py",
        "functions/orders/orphan.py: has no entry orphan in triggers/orders.yaml",
    ]


def test_facts_are_declared_by_who_emits_them() -> None:
    known = {"order.placed.v1": "shared.orders.facts", "payment.settled.v1": "shared.payments.facts"}
    entries = [
        entry("good", {"on": "payment.settled.v1", "emits": ["order.placed.v1"]}),
        entry("bad", {"on": "payment.lost.v1", "emits": ["payment.settled.v1"]}),
    ]
    assert list(check.told_of_facts(entries, known)) == [
        f"{ORDERS}: bad: no facts.py declares payment.lost.v1",
        f"{ORDERS}: bad: shared/orders/facts.py does not declare payment.settled.v1",
    ]


def test_the_facts_of_every_service_are_known() -> None:
    known = probe.facts()
    assert known["order.placed.v1"] == "shared.orders.facts"
    assert known["payment.settled.v1"] == "shared.payments.facts"


FUNCTIONS = {
    "good": """
        @http_function
        async def good(request: Request[Nothing, Nothing]) -> Reply[Nothing]:
            return Reply(Nothing())
    """,
    "greedy": """
        import redis.asyncio
        @http_function
        async def greedy(request: Request[Nothing, Nothing]) -> Reply[Nothing]:
            return Reply(Nothing())
    """,
    "other_kind": """
        @scheduled_function
        async def other_kind(tick: Tick) -> None:
            return None
    """,
    "other_name": """
        @http_function
        async def another(request: Request[Nothing, Nothing]) -> Reply[Nothing]:
            return Reply(Nothing())
    """,
    "undecorated": """
        async def undecorated(request: Request[Nothing, Nothing]) -> Reply[Nothing]:
            return Reply(Nothing())
    """,
    "unasked": """
        @http_function
        async def unasked(request: Request[Nothing, Nothing]) -> Nothing:
            return Nothing()
    """,
    "hasty": """
        import os
        os.environ["DATABASE_URL"]
    """,
    "broken": "this is no Python",
    "crashing": """
        import os
        os._exit(3)
    """,
}
HEAD = """
from shared.edge.cloud_event import Tick
from shared.edge.http import Nothing, Request
from shared.kernel.reply import Reply
from shared.wiring.edge import http_function, scheduled_function
"""


def test_each_function_is_imported_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://somewhere")
    entries = []
    for name, text in FUNCTIONS.items():
        source = tmp_path / f"{name}.py"
        source.write_text(HEAD + "\n".join(line.removeprefix("        ") for line in text.splitlines()))
        entries.append(Placed.at(source, name))
    told = probe.ask(entries)
    errors = {name: one.error for name, one in told.items()}
    assert errors.pop("good") == errors.pop("greedy") == ""
    assert beyond(entries[1], told["greedy"].modules) == ["cryptography", "redis"]
    assert beyond(entries[0], told["good"].modules) == []
    assert "decorated as schedule" in errors["other_kind"]
    assert "other_name" in errors["other_name"]
    assert "decorator" in errors["undecorated"]
    assert "Reply[View]" in errors["unasked"]
    assert "DATABASE_URL" in errors["hasty"]
    assert "SyntaxError" in errors["broken"]
    assert "ended" in errors["crashing"]


class Placed:
    """Entries of functions that stand in a test's own folder: a service's name may be a path."""

    @staticmethod
    def at(source: Path, name: str) -> Entry:
        service = str(source.parent.relative_to(source.anchor))
        relative = "../" * len((ROOT / "functions").parts[1:]) + service
        return entry_of(relative, name, {"http": "GET /v1/a", "auth": "public"})


def test_the_command_lists_and_tells(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["list"]) == 0
    assert "orders/create_order" in capsys.readouterr().out
    assert command.main(["list", "--markdown"]) == 0
    assert "| [orders/create_order](functions/orders/create_order.py) | `POST /v1/orders` |" in capsys.readouterr().out


def test_a_registry_that_cannot_be_read_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "load", lambda: load(Path("/nowhere"))["create_order"])
    assert command.main(["list"]) == 2
    assert capsys.readouterr().err.startswith("triggers: no operation create_order")


def test_the_description_is_valid_openapi_and_always_the_same() -> None:
    run = [sys.executable, "-m", "triggers", "openapi"]
    first, second = (subprocess.run(run, cwd=ROOT, capture_output=True, check=True).stdout for _ in range(2))
    assert first == second
    document = json.loads(first)
    from openapi_spec_validator import validate

    validate(document)
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {(one.method, one.path) for one in load().http()}


def test_the_description_says_what_an_operation_takes_and_answers() -> None:
    from triggers.openapi import describe, document

    whole = json.loads(document(describe(load())))
    placing = whole["paths"]["/v1/orders"]["post"]
    assert placing["operationId"] == "create_order"
    assert placing["security"] == [{"signIn": []}]
    assert {parameter["name"] for parameter in placing["parameters"]} == {"Idempotency-Key"}
    assert placing["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/PlaceOrder"
    }
    assert placing["responses"]["201"]["content"]["application/json"]["schema"]["$ref"].endswith("/OrderView")
    assert {"400", "401", "403", "409", "413", "415", "429", "503", "default"} <= set(placing["responses"])
    showing = whole["paths"]["/v1/orders/{order_id}"]["get"]
    where = {parameter["name"]: parameter["in"] for parameter in showing["parameters"]}
    assert where["order_id"] == "path"
    assert whole["components"]["schemas"]["PlaceOrder"]["additionalProperties"] is False
    assert "null" not in json.dumps(whole["components"]["schemas"]["OrderView"])


@pytest.mark.parametrize(
    ("keys", "annotation"),
    [
        ({"http": "POST /v1/orders/{order_id}/tip"}, "Request[Nothing, OrderPath]"),
        ({"http": "POST /v1/tips"}, "Request[Nothing, Nothing]"),
        ({"on": "payment.settled.v1"}, "Event[PaymentSettled]"),
        ({"every": "60s"}, "Tick"),
        ({"work": "tip-mails"}, "Work[TipMailsWork]"),
    ],
)
def test_an_operation_is_laid_out(tmp_path: Path, keys: dict[str, str], annotation: str) -> None:
    from triggers.scaffold import lay_out

    (tmp_path / "triggers").mkdir()
    (tmp_path / "triggers" / "orders.yaml").write_text("create_order:\n  every: 1s\n")
    files = lay_out("orders/add_tip", keys, tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in files] == [
        "triggers/orders.yaml",
        "functions/orders/add_tip.py",
        "shared/orders/add_tip.py",
        "tests/unit/test_orders_add_tip.py",
    ]
    for path in files[1:]:
        compile(path.read_text(), str(path), "exec")
    assert annotation in files[1].read_text()
    found, entries = check.declared(tmp_path / "triggers")
    assert found == []
    assert [one.operation for one in entries] == ["create_order", "add_tip"]
    formatted = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--check", *files[1:]], cwd=ROOT, capture_output=True
    )
    assert formatted.returncode == 0, formatted.stdout
    linted = subprocess.run([sys.executable, "-m", "ruff", "check", *files[1:]], cwd=ROOT, capture_output=True)
    assert linted.returncode == 0, linted.stdout


def test_a_fact_is_taken_from_the_service_that_publishes_it(tmp_path: Path) -> None:
    from triggers.scaffold import lay_out

    (tmp_path / "shared" / "payments").mkdir(parents=True)
    (tmp_path / "shared" / "payments" / "facts.py").write_text(
        'class Any(Fact):\n    type = "payment.any.v1"\n\n\nclass Paid(Any):\n    type = "payment.settled.v1"\n'
    )
    _, function, rule, _ = lay_out("orders/take_note", {"on": "payment.settled.v1"}, tmp_path)
    assert "from shared.payments.facts import Paid\n" in function.read_text()
    assert "fact: Paid, *" in rule.read_text()


@pytest.mark.parametrize("name", ["add_tip", "orders/AddTip", "orders/add-tip", "../x", "orders/create_order"])
def test_what_is_there_or_has_no_name_is_not_laid_out(tmp_path: Path, name: str) -> None:
    from triggers.registry import RegistryError
    from triggers.scaffold import lay_out

    (tmp_path / "triggers").mkdir()
    (tmp_path / "triggers" / "orders.yaml").write_text("create_order:\n  every: 1s\n")
    with pytest.raises(RegistryError):
        lay_out(name, {"every": "1s"}, tmp_path)
    assert [path.name for path in tmp_path.rglob("*.py")] == []
