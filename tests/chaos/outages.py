"""What ends, hangs or says everything twice, one thing at a time; and that all of it is back in the end."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from pg8000.exceptions import DatabaseError, InterfaceError

from emulators.component import ComponentFailed, Running
from shared.adapters.delivery import Undelivered
from shared.adapters.kafka.producer import KafkaProducer, Record
from shared.adapters.postgres.database import Sql
from shared.adapters.postgres.event_rows import COLUMNS, recorded
from shared.kernel.envelope import envelope
from shared.kernel.facts import topic_of
from shared.settings import KafkaSettings
from tests.chaos.ground import Ground
from tests.chaos.mining import EvmMiner
from tests.chaos.plan import BITCOIN, EVM, Outage

REPEATED: Final = 60
TRIES: Final = 3
_SOME: Final = Sql(f"select {COLUMNS} from events order by md5(id || :salt) limit {REPEATED}")
_CUT: Final = Sql("select count(pg_terminate_backend(pid)) from pg_stat_activity where pid <> pg_backend_pid()")
_PROGRAMS: Final = ("http", "events", "relay", "dispatcher", "ticker", "signing")


class Outages:
    """The outages of a plan, in a thread of their own."""

    def __init__(self, ground: Ground, due: Sequence[Outage], now: Callable[[], float], seed: int) -> None:
        self._ground = ground
        self._due = list(due)
        self._now = now
        self._seed = seed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outages", daemon=True)
        self.done: Counter[str] = Counter()
        self.present = ""
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Disturb nothing any more; everything is back on return. Raises what went wrong."""
        self._stop.set()
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            for outage in self._due:
                if self._stop.wait(max(outage.at_s - self._now(), 0)):
                    return
                self.present = outage.what
                self._happen(outage)
                self.present = ""
                self.done[outage.what] += 1
        except BaseException as failure:  # noqa: BLE001  it is raised again where the run ends
            self.failure = failure

    def _happen(self, outage: Outage) -> None:
        subject, _, what = outage.what.partition(" ")
        if what == "hung":
            self._hang(subject, outage.seconds)
        elif subject in _PROGRAMS:
            self._kill(subject)
        elif subject == "deliveries":
            self._repeat()
        elif outage.what == "postgres connections cut":
            self._cut()
        else:
            self._away(subject, what, outage.seconds)

    def _kill(self, program: str) -> None:
        """End a program as a crash would; the supervisor starts it again."""
        os.kill(self._ground.platform.supervisor.pids[program], signal.SIGKILL)

    def _hang(self, what: str, seconds: float) -> None:
        """Let an engine or a program keep its connections and answer nothing, in the middle of whatever it does."""
        platform = self._ground.platform
        pids = (platform.supervisor.pids[what],) if what in _PROGRAMS else platform.stack.start(what).pids
        for pid in pids:
            os.killpg(pid, signal.SIGSTOP)
        try:
            self._stop.wait(seconds)
        finally:
            for pid in pids:
                os.killpg(pid, signal.SIGCONT)

    def _away(self, engine: str, what: str, seconds: float) -> None:
        """End an engine, and start it again on its data after a while."""
        running = self._ground.platform.stack.start(engine)
        chain = {"bitcoin": BITCOIN, "ethereum": EVM}.get(engine)
        if chain == BITCOIN:
            with self._ground.miners[BITCOIN].between_blocks:
                # It writes its index once an hour; a real node would ask its peers for what a crash has lost.
                self._ground.nodes[BITCOIN].call("gettxoutsetinfo", "none")
                running.kill()
                self._stop.wait(seconds)
                _restored(running)
        elif chain == EVM:
            miner = self._ground.miners[EVM]
            with miner.between_blocks:
                running.stop()
                self._stop.wait(seconds)
                _restored(running)
                assert isinstance(miner, EvmMiner)
                miner.restarted()
        else:
            if what == "killed":
                running.kill()
                self._stop.wait(seconds)
            _restored(running)

    def _cut(self) -> None:
        """Close every connection to the database, whatever it is in the middle of."""
        connection = self._ground.connection()
        try:
            connection.run(_CUT, {})
        finally:
            connection.close()

    def _repeat(self) -> None:
        """Publish facts again that were published long ago, out of order, as a broker may."""
        chance = random.Random(f"{self._seed} {self.done['deliveries repeated']}")
        try:
            connection = self._ground.connection()
            try:
                rows = connection.run(_SOME, {"salt": str(chance.random())})
            finally:
                connection.close()
        except (OSError, DatabaseError, InterfaceError):  # cut off by the outage before: nothing is repeated
            return
        events = [recorded(row) for row in rows]
        chance.shuffle(events)
        producer = KafkaProducer(KafkaSettings.from_env(self._ground.env))
        try:
            with contextlib.suppress(Undelivered):  # some of them are
                producer.deliver([Record(topic_of(e.type), e.stream, envelope(e)) for e in events], deadline_s=20)
        finally:
            producer.close()


def _restored(running: Running) -> None:
    """Start an engine again, and once more where a busy machine was too slow for it. Raises ComponentFailed."""
    for _ in range(TRIES - 1):
        with contextlib.suppress(ComponentFailed):
            running.restart()
            return
    running.restart()
