"""The engines together: each started once, on demand or all at the same time, and stopped in reverse."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from types import TracebackType
from typing import Self

from emulators import bitcoin, ethereum
from emulators.aws import Aws
from emulators.component import Component, ComponentFailed, Running
from emulators.feeds import Feeds
from emulators.firestore import Firestore
from emulators.kafka import Kafka
from emulators.postgres import Postgres
from emulators.pubsub import PubSub
from emulators.valkey import Valkey


def engines(*, light: bool = False, in_memory: bool = False) -> list[Component]:
    """Return every engine of the platform. `light`: the embedded fallbacks; `in_memory`: for tests, nothing is kept."""
    return [
        *(Postgres(in_memory=in_memory), Valkey(), Kafka(light=light)),
        *(PubSub(light=light), Firestore(light=light), Aws()),
        *(Feeds(), bitcoin.Bitcoin()),
        ethereum.Ethereum(save_every_s=ethereum.NEVER_S if in_memory else ethereum.SAVE_EVERY_S),
    ]


class Stack:
    """Engines under one roof. Starting one that runs already gives what runs; safe to use from several threads."""

    def __init__(self, components: Iterable[Component], workdir: Path) -> None:
        self.workdir = workdir
        self._components = {component.name: component for component in components}
        self._locks = {name: threading.Lock() for name in self._components}
        self._running: dict[str, Running] = {}

    def start(self, name: str) -> Running:
        """Return the engine, started if it was not. Raises ComponentFailed."""
        with self._locks[name]:
            if name not in self._running:
                self._running[name] = self._components[name].start(self.workdir)
            return self._running[name]

    def start_all(self, said: Callable[[Running], None]) -> None:
        """Start every engine at once and report each that comes up; then raise the first ComponentFailed, if any."""
        with ThreadPoolExecutor(len(self._components)) as pool:
            failures: list[ComponentFailed] = []
            for started in as_completed([pool.submit(self.start, name) for name in self._components]):
                failure = started.exception()
                if failure is None:
                    said(started.result())
                elif isinstance(failure, ComponentFailed):
                    failures.append(failure)
                else:
                    raise failure
        if failures:
            raise failures[0]

    @property
    def running(self) -> tuple[Running, ...]:
        return tuple(self._running.values())

    @property
    def env(self) -> dict[str, str]:
        """Return the variables by which the platform finds the engines that run."""
        env = {name: value for running in self.running for name, value in running.env.items()}
        chains = bitcoin.chain(env) if "BITCOIN_RPC_URL" in env else {}
        chains |= ethereum.chain(env) if "EVM_RPC_URL" in env else {}
        if "FEEDS" in env and "EVM_RPC_URL" in env:
            from emulators import chainlink

            env["FEEDS"] = json.dumps([*json.loads(env["FEEDS"]), chainlink.feed()])
        return env | {"CHAINS": json.dumps(chains)} if chains else env

    def stop(self, grace_s: float | None = None) -> None:
        """Stop every engine, all at once; they do not need one another to end."""
        running = self.running
        self._running.clear()
        with ThreadPoolExecutor(max(len(running), 1)) as pool:
            for stopped in [pool.submit(one.stop, grace_s) for one in running]:
                stopped.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, why: BaseException | None, at: TracebackType | None) -> None:
        self.stop(grace_s=0 if kind else None)
