"""`python -m shared.adapters.postgres.migrate`: bring a database to the present schema, forward only.

Each file of `migrations/` is one transaction: its statements, then its check, a query after the line `-- check:` that
must return true, then the row in `migrations`. A file that was applied and changed afterwards stops the run.
"""

import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Final

from shared.adapters.postgres.database import Connection
from shared.settings import PostgresSettings

FOLDER: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 7_202_611
_CHECK: Final = "-- check:"


class MigrationFailed(Exception):
    """A migration was edited after it ran, has no check, or its check was not true."""


def migrate(settings: PostgresSettings, *, folder: Path = FOLDER) -> list[str]:
    """Apply what is missing, in order, and return the names of the files applied. Safe to run from many places."""
    connection = Connection(replace(settings, statement_timeout_s=120.0))
    try:
        connection.execute(f"select pg_advisory_lock({_LOCK})")
        connection.execute(
            "create table if not exists migrations (name text primary key, sha256 text not null,"
            " at timestamptz not null default clock_timestamp())"
        )
        done = {str(name): str(digest) for name, digest in connection.execute("select name, sha256 from migrations")}
        return [path.name for path in sorted(folder.glob("*.sql")) if _apply(connection, path, done)]
    finally:
        connection.close()


def _apply(connection: Connection, path: Path, done: dict[str, str]) -> bool:
    text = path.read_text()
    digest = sha256(text.encode()).hexdigest()
    if path.name in done:
        if done[path.name] != digest:
            raise MigrationFailed(f"{path.name} was changed after it ran; write a new migration instead.")
        return False
    body, mark, check = text.partition(_CHECK)
    if not mark:
        raise MigrationFailed(f"{path.name} has no line `{_CHECK} …` with a query that proves it worked.")
    connection.execute("begin")
    connection.execute("set local lock_timeout = '3s'")
    connection.execute(body)
    proven = connection.execute("--" + check)
    if not proven or proven[0][0] is not True:
        raise MigrationFailed(f"{path.name}: the check does not hold, nothing was changed.")
    connection.execute(f"insert into migrations (name, sha256) values ('{path.name}', '{digest}')")
    connection.execute("commit")
    return True


def main() -> int:
    """Migrate the database that DATABASE_URL names and say what was done."""
    applied = migrate(PostgresSettings.from_env())
    sys.stdout.write(f"migrate: {len(applied)} applied{': ' + ', '.join(applied) if applied else ''}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
