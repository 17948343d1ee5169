"""`python -m triggers.redrive [operation [key]]`: deliver what was parked, in order, once its cause is mended.

Without arguments it says what is parked. With an operation it delivers all of its keys, or the one that is named: each
key from its first parked fact on, until it is empty or a fact is refused again. `--drop EVENT_ID` gives a fact up that
will never be accepted, so that those behind it can go on; it stays readable in its dead-letter topic.
"""

import argparse
import asyncio
import functools
import sys
from dataclasses import dataclass
from typing import Final

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.parking import Parking
from shared.adapters.resilience import pause_s
from shared.kernel.envelope import routed
from shared.settings import FunctionUrlSettings, PostgresSettings
from triggers import worker
from triggers.calling import Caller, Done, Failed, Refused
from triggers.delivery import Functions
from triggers.registry import load

TRIES: Final = 6


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one key."""

    key: str
    delivered: int
    left: str | None
    """Why the rest stays parked; None when nothing is left."""


class Redrive:
    """Delivers parked facts. The dispatcher lets later facts of a key wait until its last one is taken out."""

    def __init__(self, parking: Parking, functions: Functions, *, longest_pause_s: float = 5.0) -> None:
        self._parking = parking
        self._functions = functions
        self._longest_pause_s = longest_pause_s

    async def operation(self, operation: str) -> list[Told]:
        """Deliver everything an operation has parked."""
        return [await self.key(operation, key) for key in sorted(await self._parking.keys(operation))]

    async def key(self, operation: str, key: str) -> Told:
        """Deliver what is parked of one key, in order, also what is parked meanwhile."""
        delivered = failures = 0
        while (front := await self._parking.front(operation, key)) is not None:
            outcome = await self._functions.deliver(operation, front.body, routed(front.body).traceparent)
            match outcome:
                case Done():
                    await self._parking.remove(operation, key, front.seq)
                    delivered, failures = delivered + 1, 0
                case Refused(reason):
                    await self._parking.note(operation, key, front.seq, reason)
                    return Told(key, delivered, reason)
                case Failed(reason):
                    failures += 1
                    if failures == TRIES:
                        return Told(key, delivered, reason)
                    await asyncio.sleep(pause_s(failures, first_s=0.1, longest_s=self._longest_pause_s))
        return Told(key, delivered, None)


async def _run(arguments: argparse.Namespace) -> bool:
    """Do what the arguments say, print it, and return whether nothing of it is left."""
    from shared.edge.identity import mint_service_token

    database = Database(PostgresSettings.from_env())
    parking = Parking(database)
    try:
        if arguments.operation is None:
            counts = await parking.counts()
            for count in counts:
                sys.stdout.write(f"{count.operation}: {count.facts} facts of {count.keys} keys\n")
            if not counts:
                sys.stdout.write("nothing is parked\n")
            return True
        if arguments.drop:
            dropped = await parking.drop(arguments.operation, arguments.drop)
            sys.stdout.write(f"{arguments.drop}: {'given up' if dropped else 'is not parked'}\n")
            return dropped
        operation = load()[arguments.operation].operation
        caller = Caller(FunctionUrlSettings.from_env().of, functools.partial(mint_service_token, "dispatcher"))
        redrive = Redrive(parking, caller)
        told = [await redrive.key(operation, arguments.key)] if arguments.key else await redrive.operation(operation)
        for one in told:
            sys.stdout.write(f"{one.key}: {one.delivered} delivered; {one.left or 'nothing left'}\n")
        await caller.close()
        return all(one.left is None for one in told)
    finally:
        database.close()


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m triggers.redrive", description="Deliver parked facts in order.")
    parser.add_argument("operation", nargs="?", help="the operation that refused; without it: say what is parked")
    parser.add_argument("key", nargs="?", help="one key (stream) only, such as ord_…")
    parser.add_argument("--drop", metavar="EVENT_ID", help="give one fact up")
    if not asyncio.run(_run(parser.parse_args())):
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(worker.run(_main))
