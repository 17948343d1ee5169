"""The text of the one-statement append, built from a state table's columns; and of the load that precedes it.

The statement claims the idempotency key or the inbox row, advances the state row under its expected version, appends
the events, adds the outbox rows. If any part is refused, `refuse()` raises inside the statement: nothing happened.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from pydantic import BaseModel

from shared.adapters.postgres.database import Sql
from shared.kernel.facts import Fact

S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True)
class StateTable(Generic[S]):
    """A typed state table: its columns are the state model's fields, plus `version` and `head`."""

    name: str
    key: str
    model: type[S]
    evolve: Callable[[S | None, Fact], S]
    guards: tuple["GuardedBy", ...] = ()
    """Other services' streams that this one's decisions may be guarded by."""
    extra: str = ""
    """More common table expressions (each starting with a comma) that run in the same statement, after `state`."""
    checks: tuple[str, ...] = ()
    """More of the statement's last case: `when … then refuse(…)`."""
    evolve_all: Callable[[S | None, Sequence[Fact]], S | None] | None = None
    """The state after several facts, where one by one would take too long."""
    columns: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.model.model_fields))

    def after(self, state: S | None, told: Sequence[Fact]) -> S | None:
        """Return the state after these facts."""
        if self.evolve_all is not None:
            return self.evolve_all(state, told)
        for fact in told:
            state = self.evolve(state, fact)
        return state


@dataclass(frozen=True)
class GuardedBy:
    """A table whose rows can guard a decision, by key and version."""

    table: str
    key: str


def load_sql(table: "StateTable[S]") -> Sql:
    """Return the select that loads one row as (version, head, JSON of the state's columns)."""
    return rows_sql(table, f"where {table.key} = :id")


def rows_sql(table: "StateTable[S]", condition: str) -> Sql:
    """Return a select of rows as `stored` reads them: version, head, JSON of the state's columns."""
    row = ", ".join(f"'{c}', {c}" for c in table.columns)
    return Sql(f"select version, head, jsonb_build_object({row})::text from {table.name} {condition}")


def append_sql(table: "StateTable[S]", once: str, guard: GuardedBy | None) -> Sql:
    """Return the statement that appends one decision to a stream of `table`.

    `once` is 'claim' (idempotency key), 'taking' (inbox row) or '' (neither).
    """
    columns = ", ".join(table.columns)
    updates = ", ".join(f"{c} = excluded.{c}" for c in table.columns if c != table.key)
    checks = [(table.name, f"when not exists (select from state) then refuse('CR001', '{table.name} moved on')")]
    parts = []
    if guard:
        parts.append(
            f"guarded as (select from {guard.table} where {guard.key} = :guard_id"
            " and version = :guard_version::bigint for share)"
        )
        moved = f"when not exists (select from guarded) then refuse('CR001', '{guard.table} moved on')"
        checks.append((guard.table, moved))
    # A part runs, and locks its row, when its check is come to: everybody locks tables in the order of their names.
    in_order = [check for _, check in sorted(checks)]
    if once:
        parts.append(_ONCE[once])
        in_order.insert(0, _ONCE_CHECK[once])
    in_order += table.checks
    return Sql(
        f"""
with {"".join(part + "," for part in parts)}
state as (
  insert into {table.name} as kept ({columns}, version, head)
  select {columns}, :version::bigint, :head::bytea from jsonb_populate_record(null::{table.name}, :row::jsonb)
  on conflict ({table.key}) do update set {updates}, version = excluded.version, head = excluded.head
    where kept.version = :expected::bigint
  returning 1),
appended as (
  insert into events (stream, version, id, type, body, prev_hash, hash, merchant_id, region, actor, correlation,
                      causation, at)
  select stream, version, id, type, convert_to(body, 'UTF8'), decode(prev_hash, 'hex'), decode(hash, 'hex'),
         merchant_id, region, actor, correlation, causation, at
    from jsonb_to_recordset(:events::jsonb) as e(stream text, version bigint, id text, type text, body text,
         prev_hash text, hash text, merchant_id text, region text, actor text, correlation text, causation text,
         at timestamptz)
  returning 1),
sent as (
  insert into outbox (event_id, topic, key, region, body, traceparent)
  select event_id, topic, key, region, convert_to(body, 'UTF8'), traceparent
    from jsonb_to_recordset(:outbox::jsonb) as o(n int, event_id text, topic text, key text, region text, body text,
         traceparent text)
   order by n
  returning 1){table.extra}
select case {" ".join(in_order)} else true end
"""
    )


_CLAIM: Final = """
  insert into idempotency (caller, route, key, body_hash, status, headers, reply, expires_at)
  values (:caller, :route, :idempotency_key, :body_hash::bytea, :status::int, :headers::jsonb, :reply::bytea,
          :expires_at::timestamptz)
  on conflict do nothing returning 1"""
CLAIM: Final = Sql(_CLAIM)
"""A key and its reply without any effect besides; no row when the key is in use."""
_ONCE: Final = {
    "claim": f"claimed as ({_CLAIM})",
    "taking": """taken as (
  insert into inbox (operation, event_id) values (:operation, :event_id) on conflict do nothing returning 1)""",
}
_ONCE_CHECK: Final = {
    "claim": "when not exists (select from claimed) then refuse('CR002', 'key in use')",
    "taking": "when not exists (select from taken) then refuse('CR003', 'event taken before')",
}
