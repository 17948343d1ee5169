"""The whole platform: engines, then what must be prepared on them, then the programs. Used by `up` and by tests."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from emulators import hot_wallets
from emulators.component import HOST, ComponentFailed, Running, free_port
from emulators.keys import COIN_KEYS, keys, write_private
from emulators.programs import STARTED_AT_ONCE, Program, Supervisor, isolated_programs, process_of, programs
from emulators.stack import Stack

ENV_FILE = "env.json"
REGION = "local"
RELOADED_FILE = "reloaded"


@dataclass(frozen=True)
class Step:
    """Something to prepare before the programs start: done again at every start, so it must be safe to repeat."""

    name: str
    run: Callable[[Mapping[str, str]], str]  # is given the variables, returns one line that says what it did


def migrate(env: Mapping[str, str]) -> str:
    """Bring the database to the present schema."""
    from shared.adapters.postgres.migrate import migrate
    from shared.settings import PostgresSettings

    applied = migrate(PostgresSettings.from_env(env))
    return f"{len(applied)} migrations applied" if applied else "the schema is up to date"


def topics(env: Mapping[str, str]) -> str:
    """Create Kafka's topics."""
    from shared.adapters.kafka.topics import ensure_topics
    from shared.settings import KafkaSettings

    created = ensure_topics(KafkaSettings.from_env(env))
    return f"{len(created)} topics created" if created else "all topics are there"


def aggregators(env: Mapping[str, str]) -> str:
    """Put the contracts on the local chain that the feed `chainlink` reads."""
    from emulators import chainlink

    return chainlink.deploy(env)


def steps(*, seeded: bool = True) -> tuple[Step, ...]:
    """Return what is prepared at every start; last, demo data for an empty database: `emulators.seed.seed(env)`."""
    needed = (
        Step("migrate", migrate),
        Step("topics", topics),
        Step("aggregators", aggregators),
        Step("hot wallets", hot_wallets.fund),
    )
    if not seeded or importlib.util.find_spec("emulators.seed") is None:
        return needed
    return (*needed, Step("seed", importlib.import_module("emulators.seed").seed))


@dataclass
class Platform:
    """Engines and programs under one roof."""

    stack: Stack
    say: Callable[[str], None]
    http_port: int = field(default_factory=free_port)
    events_port: int = field(default_factory=free_port)
    isolated: bool = False
    keep_engines: bool = True  # start an engine anew when it ends; tests that take one away do that themselves
    supervisor: Supervisor = field(init=False)
    _laid_out: list[Program] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(self.say)

    @property
    def workdir(self) -> Path:
        return self.stack.workdir

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.http_port}"

    @property
    def env(self) -> dict[str, str]:
        """Return every variable of the platform, keys included."""
        engines, made = self.stack.env, keys(self.workdir)
        if "CHAINS" in engines:
            engines = {**engines, "CHAINS": hot_wallets.told(engines["CHAINS"], made[COIN_KEYS])}
        return {
            **engines,
            **made,
            "CORTADO_REGION": REGION,
            "PUBLIC_URL": self.url,
            "SIWE_DOMAIN": f"{HOST}:{self.http_port}",
            "SIGN_IN_LIMIT_PER_MINUTE": "100000",
            "PAYOUT_DELAY_S": "5",
            "WALLET_SEARCHES": "bitcoin",
            "WEBHOOKS_TO_LOOPBACK": "allow",
            "FUNCTION_URL_TEMPLATE": f"http://{HOST}:{self.events_port}/{{function}}",
        }

    def start(self, prepared: tuple[Step, ...]) -> None:
        """Start everything and return when it serves. Raises ComponentFailed."""
        self.stack.start_all(self._engine_is_up)
        env = self.env
        self._laid_out = self._programs()
        started = [(one, process_of(one, self.workdir, env)) for one in self._laid_out]
        with ThreadPoolExecutor(STARTED_AT_ONCE) as pool:  # functions connect at their first call: steps may go on
            functions = [pool.submit(self.supervisor.keep, process) for one, process in started if one.port]
            for step in prepared:
                self._prepare(step, env)
            for starting in functions:
                starting.result()
        self.say(f"{'functions':11} {len(functions)} processes on {self.http_port} and {self.events_port}")
        workers = [process for one, process in started if not one.port]
        for process in workers:
            self.supervisor.keep(process)
        self.say(f"{'workers':11} {', '.join(process.name for process in workers)}")
        write_private(self.workdir / ENV_FILE, json.dumps({**env, "CORTADO_RUN_PID": str(os.getpid())}, indent=1))

    def reload(self) -> None:
        """Start every program anew; engines and data stay. What became of it is left for `make reload` to read."""
        failures = self.supervisor.renew(program.name for program in self._laid_out)
        for line in failures or ["reloaded"]:
            self.say(line)
        draft = self.workdir / f"{RELOADED_FILE}.new"
        draft.write_text("".join(f"{line}\n" for line in failures))
        draft.replace(self.workdir / RELOADED_FILE)

    def _programs(self) -> list[Program]:
        laid_out = isolated_programs if self.isolated else programs
        return laid_out(http_port=self.http_port, events_port=self.events_port)

    def _engine_is_up(self, engine: Running) -> None:
        self.say(f"{engine.name:11} {engine.about}")
        for process in engine.processes if self.keep_engines else ():
            self.supervisor.watch(process)

    def _prepare(self, step: Step, env: Mapping[str, str]) -> None:
        try:
            self.say(f"{step.name:11} {step.run(env)}")
        except ComponentFailed:
            raise
        except Exception as failure:
            raise ComponentFailed(f"{step.name} failed: {type(failure).__name__}: {failure}") from failure

    def stop(self, grace_s: float | None = None) -> None:
        """Stop programs, then engines. Data stays, except that of engines in memory."""
        self.supervisor.stop(grace_s)
        self.stack.stop(grace_s)
        (self.workdir / ENV_FILE).unlink(missing_ok=True)


def running_env(workdir: Path) -> dict[str, str] | None:
    """Return the variables of the platform that runs in this profile, or None when none does."""
    kept = workdir / ENV_FILE
    if not kept.exists():
        return None
    env: dict[str, str] = json.loads(kept.read_text())
    try:
        os.kill(int(env["CORTADO_RUN_PID"]), 0)
    except (ProcessLookupError, PermissionError):  # gone, and its number is nobody's or another user's
        return None
    return env
