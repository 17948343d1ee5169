"""`python -m triggers openapi`: OpenAPI 3.1 from the registry and the functions' annotations. Always the same bytes.

Nothing about the API is written down a second time: routes, roles and headers come from the entries, bodies,
parameters and views from `Request[…]` and `Reply[…]`, the sentence of each operation from its docstring.
"""

import inspect
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from shared.edge.http import HttpOperation
from shared.edge.request import Nothing, Shape
from shared.edge.serve import FunctionApp
from triggers.registry import Entry, Registry

Json = dict[str, Any]  # JSON Schema has no useful static type
VERSION: Final = "0.1.0"
REF: Final = "#/components/schemas/{model}"
_STAFF: Final = frozenset({"owner", "manager", "barista"})
_PEOPLE: Final = frozenset({"customer", "owner"})
_ETAG: Final = {"type": "string", "pattern": '^"[0-9]{1,18}(-[0-9A-Za-z-]*)?"$', "examples": ['"3"']}
_SUMMARY: Final = re.compile(r"^(GET|POST|PUT|PATCH|DELETE) \S+: ")

_PROBLEM: Final[Json] = {
    "title": "Problem",
    "description": "What was refused, and what to do (RFC 9457). `type` is the address of a page about it.",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "The correlation of this call: quote it when you ask."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer to what is wrong."},
                    "message": {"type": "string"},
                },
                "required": ["pointer", "message"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "instance"],
}

_REFUSALS: Final[dict[int | str, str]] = {
    400: "It can't be right, whoever sends it: see `errors`.",
    401: "Nobody known is asking.",
    403: "The caller may not do this.",
    404: "There is none, or none that the caller may see.",
    408: "The body did not arrive in time.",
    409: "The present state refuses it, or the Idempotency-Key belongs to another request.",
    412: "The version in If-Match is not the present one.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    429: "Too often: see Retry-After.",
    500: "A mistake of ours.",
    503: "Not now, or not known whether: repeat with the same Idempotency-Key.",
    "default": "Any other refusal.",
}


@dataclass(frozen=True, slots=True)
class Described:
    """An HTTP operation with the models of its function."""

    entry: Entry
    shape: Shape
    text: str


def describe(registry: Registry) -> list[Described]:
    """Return every HTTP operation, by path and method. Loads all their functions."""
    described = []
    for entry in sorted(registry.http(), key=lambda entry: (entry.path, entry.method)):
        operation = FunctionApp(entry.target, entry.source).operation
        if not isinstance(operation, HttpOperation):
            raise TypeError(f"{entry.source}: {entry.target} is no HTTP function")
        operation.check(entry)
        described.append(Described(entry, operation.shape, inspect.getdoc(operation.function) or entry.operation))
    return described


def document(described: list[Described]) -> bytes:
    """Return the description as JSON."""
    schemas, definitions = _schemas(described)
    paths: dict[str, Json] = {}
    for one in described:
        paths.setdefault(one.entry.path, {})[one.entry.method.lower()] = _operation(one, schemas)
    used = _reachable(_referred(paths), definitions)
    whole: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "Cortado",
            "version": VERSION,
            "summary": "Order coffee, pay in coins.",
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": service} for service in sorted({one.entry.service for one in described})],
        "paths": paths,
        "components": {
            "schemas": {"Problem": _PROBLEM, **{name: definitions[name] for name in sorted(used)}},
            "responses": {str(status): _refusal(text) for status, text in _REFUSALS.items()},
            "headers": _HEADERS,
            "securitySchemes": _SECURITY,
        },
    }
    return (json.dumps(whole, indent=1, ensure_ascii=False) + "\n").encode()


def _schemas(described: Iterable[Described]) -> tuple[dict[tuple[type[BaseModel], JsonSchemaMode], Json], Json]:
    """Return the reference to each model, and what the references mean."""
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {}
    for one in described:
        for model in (one.shape.body, one.shape.params):
            wanted[model, "validation"] = None
        if isinstance(one.shape.view, type) and issubclass(one.shape.view, BaseModel):
            wanted[one.shape.view, "serialization"] = None
    references, whole = models_json_schema(list(wanted), ref_template=REF)
    definitions: Json = whole.get("$defs", {})
    shown = {_name(references[key]) for key in references if key[1] == "serialization"}
    for name in _reachable(shown, definitions):
        _without_nulls(definitions[name])
    for member in [member for schema in definitions.values() for member in schema.get("properties", {}).values()]:
        if "patternProperties" in member:  # keys are ids, and nothing else is a key
            member["additionalProperties"] = False
        if member.get("type") == "string" and isinstance(member.get("default"), int):
            member["default"] = str(member["default"])  # integers of any size travel as text
    return {(model, mode): references[model, mode] for model, mode in wanted}, dict(sorted(definitions.items()))


def _refusal(text: str) -> Json:
    """Return the response of a refusal."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": text, "content": {"application/problem+json": {"schema": schema}}}


def _referred(described: object) -> set[str]:
    """Return the names of the schemas that something refers to."""
    return set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(described)))


def _name(reference: Json) -> str:
    return str(reference["$ref"]).rsplit("/", 1)[-1]


def _reachable(names: set[str], definitions: Json) -> set[str]:
    """Return the names and all that their schemas refer to."""
    known: set[str] = set()
    while names:
        name = names.pop()
        known.add(name)
        names |= _referred(definitions[name]) - known
    return known


def _without_nulls(schema: Json) -> None:
    """Make members that may be null optional: a reply leaves out what is not there."""
    for name, member in schema.get("properties", {}).items():
        kinds = member.get("anyOf", [])
        present = [kind for kind in kinds if kind != {"type": "null"}]
        if len(present) == len(kinds):
            continue
        del member["anyOf"]
        member.pop("default", None)
        member.update(present[0] if len(present) == 1 else {"anyOf": present})
        if name in schema.get("required", []):
            schema["required"].remove(name)


def _operation(one: Described, schemas: dict[tuple[type[BaseModel], JsonSchemaMode], Json]) -> Json:
    entry, shape = one.entry, one.shape
    first, _, rest = _SUMMARY.sub("", one.text).partition("\n")
    described: Json = {
        "operationId": entry.operation,
        "summary": first[:1].upper() + first[1:].rstrip("."),
        "tags": [entry.service],
        "parameters": [*_parameters(entry, shape), *_request_headers(entry)],
        "responses": _responses(entry, shape, schemas),
        "security": _security(entry),
        "x-roles": list(entry.roles),
    }
    if rest.strip():
        described["description"] = inspect.cleandoc(rest)
    if shape.has_body:
        body = schemas[shape.body, "validation"]
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    if entry.emits:
        described["x-emits"] = list(entry.emits)
    return described


def _parameters(entry: Entry, shape: Shape) -> Iterator[Json]:
    if shape.params is Nothing:
        return
    schema = shape.params.model_json_schema(ref_template=REF, mode="validation")
    required = schema.get("required", [])
    for name, member in schema.get("properties", {}).items():
        in_path = name in entry.variables
        described: Json = {"name": name, "in": "path" if in_path else "query", "required": in_path or name in required}
        if "description" in member:
            described["description"] = member.pop("description")
        _without_nulls({"properties": {name: member}})
        member.pop("title", None)
        yield {**described, "schema": member}


def _request_headers(entry: Entry) -> Iterator[Json]:
    if entry.idempotent:
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "required": True,
            "description": "Fresh and random for each new request, the same when it is repeated.",
            "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        }
    if entry.method != "GET" and entry.variables:
        yield {
            "name": "If-Match",
            "in": "header",
            "required": False,
            "description": "Do it only while this is the present version.",
            "schema": _ETAG,
        }
    if entry.method == "GET":
        yield {
            "name": "If-None-Match",
            "in": "header",
            "required": False,
            "description": "Answer 304 when this is still the present version.",
            "schema": {"type": "string"},
        }


def _responses(
    entry: Entry, shape: Shape, schemas: dict[tuple[type[BaseModel], JsonSchemaMode], Json]
) -> dict[str, Json]:
    success: Json = {"description": "Done.", "headers": _response_headers(entry)}
    if isinstance(shape.view, type) and issubclass(shape.view, BaseModel):
        content = {"schema": schemas[shape.view, "serialization"]}
        success["content"] = {media: content if media == "application/json" else {} for media in entry.produces}
    elif shape.view is not None:
        success["content"] = {media: {} for media in entry.produces}
    responses = {str(entry.status): success}
    if entry.existing:
        responses[str(entry.existing)] = {**success, "description": "It is there already: nothing was made."}
    if entry.method == "GET":
        responses["304"] = {"description": "Unchanged."}
    for status in _statuses(entry, shape):
        responses[str(status)] = {"$ref": f"#/components/responses/{status}"}
    return {**responses, "default": {"$ref": "#/components/responses/default"}}


def _response_headers(entry: Entry) -> Json:
    names = [] if entry.roles == ("public",) and entry.method == "GET" else ["Correlation-Id"]
    names += ["ETag"] if entry.status != 204 else []
    names += ["Location"] if entry.status == 201 else []
    names += ["Idempotent-Replayed", "Consistency-Token"] if entry.idempotent else []
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _statuses(entry: Entry, shape: Shape) -> list[int]:
    """Return what the edge may refuse this operation with; the operation itself adds none to these."""
    statuses = {400, 404, 429, 500, 503}
    if set(entry.roles) != {"public"}:
        statuses |= {401, 403}
    if entry.method != "GET":
        statuses |= {403, 408, 409, 413}
    if entry.method != "GET" and entry.variables:
        statuses |= {412}
    if shape.has_body:
        statuses |= {415}
    return sorted(statuses)


def _security(entry: Entry) -> list[Json]:
    roles = set(entry.roles)
    ways: list[Json] = []
    if roles & _PEOPLE:
        ways.append({"signIn": []})
    if roles & _STAFF:
        ways.append({"staffKey": []})
    if "public" in roles:
        ways.append({})
    return ways if ways != [{}] else []


_SECURITY: Final[Json] = {
    "signIn": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The token that signing in with a wallet returns; good for minutes.",
    },
    "staffKey": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "ck_<key id>_<secret>",
        "description": "A key that the owner of a merchant made for a member of staff, with exactly one role.",
    },
}

_HEADERS: Final[Json] = {
    "Correlation-Id": {"description": "Names this call in our logs.", "schema": {"type": "string"}},
    "ETag": {"description": "The version of what is shown.", "schema": _ETAG},
    "Location": {"description": "Where the new thing is.", "schema": {"type": "string", "format": "uri-reference"}},
    "Idempotent-Replayed": {
        "description": "The reply was first given to an earlier request with this key.",
        "schema": {"const": "true"},
    },
    "Consistency-Token": {
        "description": "Names the state after this write; a read that carries it sees at least that.",
        "schema": {"type": "string"},
    },
}

_ABOUT: Final = """\
Amounts are whole base units (cents, satoshi, wei) written as strings of digits. Times are RFC 3339 in UTC. Ids are
prefixed: `ord_…`. Every write takes an Idempotency-Key: repeated with the same key and body it happens once and is
answered the same; with another body it is refused. Lists come in pages: pass `cursor` on. Refusals are problem
documents whose `type` is the address of a page that says what to do.
"""
