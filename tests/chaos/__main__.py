"""`python -m tests.chaos [--seconds 600] [--seed N] [--payments N] [--reorgs N] [--sabotage KIND]`.

Plays what the seed decides on a platform of its own, brings it to rest, and lets the oracle judge. The last line has
the figures; the exit code is 1 where anything is lost, doubled, not balanced or broken.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from emulators import postgres
from emulators.component import LOCAL, ROOT, ComponentFailed
from emulators.up import only_one
from tests.chaos.run import Run, said
from tests.chaos.sabotage import KINDS

PER_SECOND: Final = 1.35
"""Payments that two cores carry beside everything that is done to them."""
REST: Final = 0.8
"""Of the given time so much is played; the rest is for starting, coming to rest and judging."""


def main(arguments: Sequence[str]) -> int:
    """Run, print, write; return the exit code."""
    options = argparse.ArgumentParser(prog="make chaos", description="Random payments under reorgs and outages.")
    options.add_argument("--seconds", type=float, default=600, help="for everything together")
    options.add_argument("--seed", type=int, default=None)
    options.add_argument("--payments", type=int, default=None)
    options.add_argument("--reorgs", type=int, default=None)
    options.add_argument("--outages", type=int, default=None)
    options.add_argument("--sabotage", choices=sorted(KINDS), default="", help="harm the books before they are judged")
    options.add_argument("--results", type=Path, default=ROOT / "results", help="folder for chaos.json")
    options.add_argument("--workdir", type=Path, default=LOCAL / "chaos", help="data and logs of the platform")
    given = options.parse_args(arguments)
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(10**9)
    play_s = max(given.seconds * REST, 10)
    run = Run(
        seed=seed,
        play_s=play_s,
        payments=given.payments or round(play_s * PER_SECOND),
        reorgs=given.reorgs or round(play_s / 7),
        outages=round(play_s / 18) if given.outages is None else given.outages,
        sabotage=given.sabotage,
        light=os.environ.get("PROFILE") == "light",
    )
    print(f"chaos: seed {seed}, {given.seconds:g} s", flush=True)
    try:
        with only_one(given.workdir):
            _wipe(given.workdir)
            result = run.play(given.workdir, said(time.monotonic()))
    except ComponentFailed as failure:
        print(f"chaos: {failure}", file=sys.stderr)
        return 1
    result.written(given.results)
    for line in result.named():
        print(f"chaos: {line}")
    print(result.line, flush=True)
    return 0 if result.verdict.holds else 1


def _wipe(workdir: Path) -> None:
    postgres.remove(workdir)
    for folder in ("data", "logs"):
        shutil.rmtree(workdir / folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
