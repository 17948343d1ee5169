"""Migrations: forward only, each wholly or not at all, by one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import pytest
from pg8000.exceptions import DatabaseError

from emulators.component import Running
from emulators.postgres import create_database, drop_database
from shared.adapters.postgres.database import Connection
from shared.adapters.postgres.migrate import FOLDER, MigrationFailed, migrate
from shared.settings import PostgresSettings

CHECK = "\n-- check: it is there\nselect to_regclass('{0}') is not null;\n"
TABLES = "select count(*) from information_schema.tables where table_schema = 'public' and table_name = '{0}'"


@pytest.fixture
def empty(postgres: Running) -> Iterator[PostgresSettings]:
    """A database without any table."""
    server = postgres.env["DATABASE_URL"]
    yield PostgresSettings(create_database(server, "t_migrate"))
    drop_database(server, "t_migrate")


def written(folder: Path, name: str, sql: str, check: str) -> None:
    (folder / name).write_text(sql + check)


def has(settings: PostgresSettings, table: str) -> bool:
    connection = Connection(settings)
    try:
        return bool(connection.execute(TABLES.format(table))[0][0])
    finally:
        connection.close()


def test_what_was_applied_is_not_applied_again_and_what_is_new_is(empty: PostgresSettings, tmp_path: Path) -> None:
    written(tmp_path, "0001_a.sql", "create table a (id int);", CHECK.format("a"))
    assert migrate(empty, folder=tmp_path) == ["0001_a.sql"]
    written(tmp_path, "0002_b.sql", "create table b (id int);", CHECK.format("b"))
    assert migrate(empty, folder=tmp_path) == ["0002_b.sql"]
    assert migrate(empty, folder=tmp_path) == []


def test_a_migration_that_was_changed_after_it_ran_stops_the_run(empty: PostgresSettings, tmp_path: Path) -> None:
    written(tmp_path, "0001_a.sql", "create table a (id int);", CHECK.format("a"))
    migrate(empty, folder=tmp_path)
    written(tmp_path, "0001_a.sql", "create table a (id bigint);", CHECK.format("a"))
    written(tmp_path, "0002_b.sql", "create table b (id int);", CHECK.format("b"))
    with pytest.raises(MigrationFailed, match="changed"):
        migrate(empty, folder=tmp_path)
    assert not has(empty, "b")


@pytest.mark.parametrize(
    ("sql", "check", "error"),
    [
        ("create table b (id int);", CHECK.format("c"), MigrationFailed),
        ("create table b (id int);", "", MigrationFailed),
        ("create table b (id int); select 1 / 0;", CHECK.format("b"), DatabaseError),
        ("create table b (id int);", "\n-- check: it is there\nselect count(*) from b;\n", MigrationFailed),
    ],
    ids=["check is false", "no check", "fails half-way", "check is no yes or no"],
)
def test_a_migration_that_fails_leaves_nothing_behind(
    empty: PostgresSettings, tmp_path: Path, sql: str, check: str, error: type[Exception]
) -> None:
    written(tmp_path, "0001_a.sql", "create table a (id int);", CHECK.format("a"))
    written(tmp_path, "0002_b.sql", sql, check)
    with pytest.raises(error):
        migrate(empty, folder=tmp_path)
    assert has(empty, "a")
    assert not has(empty, "b")


def test_many_that_migrate_at_once_apply_each_file_once(empty: PostgresSettings) -> None:
    with ThreadPoolExecutor(4) as threads:
        applied = list(threads.map(lambda _: migrate(empty), range(4)))
    assert sorted(chain.from_iterable(applied)) == sorted(path.name for path in FOLDER.glob("*.sql"))
