"""Leases: who may do what only one may do. The epoch fences; the deadline, by the database's clock, only frees.

Whoever holds a lease writes under `where epoch = mine` in the very statement that has the effect (`HELD` below for
work on the outbox). Asking first and writing later would not fence.
"""

from dataclasses import dataclass
from typing import Final

from shared.adapters.postgres.database import Connection, Sql

ACQUIRE: Final = Sql(
    """
insert into leases as held (name, owner, expires_at)
select :name, :owner, clock_timestamp() + make_interval(secs => :ttl_s::float8)
 where not exists (select from leases where name = :name and expires_at >= clock_timestamp())
on conflict (name) do update
   set owner = excluded.owner, epoch = held.epoch + 1, expires_at = excluded.expires_at
 where held.expires_at < clock_timestamp()
returning generation, epoch
"""
)
"""One row for the new holder, none for anybody else. A held lease is only read: nobody waits for its row's lock."""
RENEW: Final = Sql(
    """
update leases set expires_at = clock_timestamp() + make_interval(secs => :ttl_s::float8)
 where name = :name and owner = :owner and generation = :generation::bigint and epoch = :epoch::bigint
returning epoch
"""
)
RELEASE: Final = Sql(
    """
update leases set expires_at = clock_timestamp() - interval '1 microsecond'
 where name = :name and owner = :owner and generation = :generation::bigint and epoch = :epoch::bigint
returning epoch
"""
)


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease that was acquired; whether it is still held only a write can tell."""

    name: str
    owner: str
    generation: int
    epoch: int

    @property
    def params(self) -> dict[str, object]:
        """Return what a fenced statement is given."""
        return {"name": self.name, "owner": self.owner, "generation": self.generation, "epoch": self.epoch}


def acquire(connection: Connection, name: str, owner: str, *, ttl_s: float) -> Lease | None:
    """Return the lease under a fresh epoch when it is free or its holder's time is up, else None."""
    rows = connection.run(ACQUIRE, {"name": name, "owner": owner, "ttl_s": ttl_s})
    return Lease(name, owner, int(rows[0][0]), int(rows[0][1])) if rows else None


def renew(connection: Connection, lease: Lease, *, ttl_s: float) -> bool:
    """Prolong the lease; return False when another holder has taken it."""
    return bool(connection.run(RENEW, {**lease.params, "ttl_s": ttl_s}))


def release(connection: Connection, lease: Lease) -> bool:
    """Let the next holder in at once; return False when there is one already."""
    return bool(connection.run(RELEASE, lease.params))
