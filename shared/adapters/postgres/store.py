"""The one way to write: state row, facts and outbox of a stream in one statement, one round trip, one commit."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final, Generic, TypeVar, cast

import msgspec
from pydantic import BaseModel

from shared.adapters.postgres.database import Database, Row, Sql
from shared.adapters.postgres.recording import once_params, prepare
from shared.adapters.postgres.refusals import Collided, KeyTaken, Lost, Moved, Undone
from shared.adapters.postgres.statement import CLAIM, StateTable, append_sql, load_sql
from shared.kernel.decision import AlreadyAnswered, By, Claim, Decided, Stored, StoredReply, Taking
from shared.kernel.encoding import to_json
from shared.kernel.errors import Bug, KeyReused, Transient, VersionConflict
from shared.kernel.reply import Reply
from shared.kernel.store import Rule

TRIES: Final = 3

S = TypeVar("S", bound=BaseModel)
V = TypeVar("V")

STORED_REPLY = Sql(
    "select body_hash, status, headers::text, reply from idempotency"
    " where caller = :caller and route = :route and key = :key"
)
TAKE = Sql("insert into inbox (operation, event_id) values (:operation, :event_id) on conflict do nothing returning 1")


async def stored_reply(db: Database, claim: Claim) -> StoredReply | None:
    """Return what was answered under this key, or None. Raises KeyReused when the key belongs to another body."""
    rows = await db.run(STORED_REPLY, caller=claim.caller, route=claim.route, key=claim.key)
    if not rows:
        return None
    return reply_of(claim, rows[0])


def reply_of(claim: Claim, row: Row) -> StoredReply:
    """Return a row (body_hash, status, headers, reply) as what was said under the key of `claim`. Raises KeyReused."""
    body_hash, status, headers, reply = row
    if body_hash != claim.body_hash:
        raise KeyReused("Take a fresh Idempotency-Key for a new request.")
    return StoredReply(status, msgspec.json.decode(headers, type=dict[str, str]), reply)


class StateStore(Generic[S]):
    """Loads and appends the streams of one state table."""

    def __init__(self, db: Database, table: StateTable[S], *, region: str) -> None:
        self._db = db
        self._table = table
        self._region = region
        self._load = load_sql(table)
        self._append = {
            (once, guard.table if guard else ""): append_sql(table, once, guard)
            for once in ("claim", "taking", "")
            for guard in (None, *table.guards)
        }

    async def load(self, id: str) -> Stored[S] | None:
        """Return the present state, or None when there is no such stream."""
        rows = await self._db.run(self._load, id=id)
        return stored(self._table.model, rows[0]) if rows else None

    async def decide(
        self,
        id: str,
        rule: Rule[S],
        *,
        by: By,
        now: datetime,
        reply: Callable[[Stored[S]], Reply[V]] | None = None,
        if_match: int | None = None,
    ) -> Stored[S]:
        """Load, let `rule` decide, append; again when a stream moved meanwhile, three times at most.

        No facts from the rule means nothing to do: an event is then still taken, a key still answered. Returns the
        new state. Raises AlreadyAnswered, AlreadyTaken, VersionConflict, Transient and whatever the rule refuses with.
        """
        collided: Collided | None = None
        for _ in range(TRIES):
            found = await self.load(id)
            if if_match is not None and (found.version if found else 0) != if_match:
                raise VersionConflict("The ETag in If-Match is not the current one. Read again and repeat.")
            told = rule(found.state if found else None)
            decided = await told if isinstance(told, Awaitable) else told
            if not isinstance(decided, Decided):
                decided = Decided(decided)
            if not decided.facts:
                return await self._nothing(id, found, by=by, now=now, reply=reply)
            try:
                return await self.append(id, found, decided, by=by, now=now, reply=reply)
            except Moved:
                continue
            except Collided as error:
                collided = error
        if collided is not None:
            raise collided
        if isinstance(by.once, Taking):
            raise Transient(f"{id} is changing too fast for {by.actor}.")
        raise VersionConflict("Several requests changed this at once. Repeat with the same Idempotency-Key.")

    async def _nothing(
        self,
        id: str,
        found: Stored[S] | None,
        *,
        by: By,
        now: datetime,
        reply: Callable[[Stored[S]], Reply[V]] | None,
    ) -> Stored[S]:
        """Note that nothing had to be done, so that a repetition finds the same answer whatever happens meanwhile."""
        if found is None:
            raise Bug(f"a rule decided nothing about {id}, which does not exist")
        if isinstance(by.once, Taking):
            await self._db.run(TAKE, operation=by.once.operation, event_id=by.once.event_id)
        elif isinstance(by.once, Claim) and reply is not None:
            said = reply(found).stored
            if not await self._db.run(CLAIM, **once_params(by.once, said, now)):
                raise await answered(self._db, by.once)
        return found

    async def append(
        self,
        id: str,
        found: Stored[S] | None,
        decided: Decided,
        *,
        by: By,
        now: datetime,
        reply: Callable[[Stored[S]], Reply[V]] | None = None,
    ) -> Stored[S]:
        """Append the facts after the version that was loaded. Raises Moved when the stream has moved on."""
        after, ready = prepare(self._table, id, found, decided, by=by, now=now, region=self._region, reply=reply)
        params: dict[str, object] = {
            "version": ready.version,
            "head": ready.head,
            "row": ready.row,
            "expected": ready.expected,
            "events": to_json(ready.events),
            "outbox": to_json(ready.outbox),
            **once_params(ready.once, ready.reply, now),
            **decided.params,
        }
        guard = decided.guard
        if guard is not None:
            params |= {"guard_id": guard.id, "guard_version": guard.version}
        once = {Claim: "claim", Taking: "taking", type(None): ""}[type(ready.once)]
        try:
            await self._commit(self._append[once, guard.table if guard else ""], params, ready.once)
        except KeyTaken as error:
            before = await answered(self._db, ready.once)
            if isinstance(before, AlreadyAnswered) and before.reply == ready.reply:
                return after  # it was this very write that took the key, on a connection that was lost
            raise before from error
        return after

    async def _commit(self, sql: Sql, params: dict[str, object], once: Claim | Taking | None) -> None:
        """Run the append; once more when its outcome got lost, which its own key or inbox row makes harmless."""
        try:
            await self._db.run(sql, **params)
        except Lost as lost:
            if once is None:
                raise
            try:
                await self._db.run(sql, **params)
            except Undone:
                raise lost from None  # the first one may still be at work


async def answered(db: Database, once: Claim | Taking | None) -> Exception:
    """Return what to raise when a key was found taken: the stored reply, its owner's, or a Transient."""
    if isinstance(once, Claim):
        said = await stored_reply(db, once)
        if said is not None:
            return AlreadyAnswered(said)
    return Transient("The same request is being worked on. Repeat with the same Idempotency-Key.")


def stored(model: type[S], row: Sequence[object]) -> Stored[S]:
    """Return a `load_sql` row as a Stored state."""
    version, head, text = row
    return Stored(model.model_validate_json(cast(str, text)), cast(int, version), cast(bytes, head))
