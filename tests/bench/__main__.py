"""`python -m tests.bench [--quick] [--only ROW] [--results FOLDER]`: measure, print the table, write the files.

A goal that is not met is printed as such, and is no failure. A row that can't be measured is one: exit code 1.
"""

import argparse
import os
import sys
import time
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from rich.console import Console

from emulators.component import ROOT, ComponentFailed
from shared.kernel.errors import Problem
from shared.settings import Misconfigured
from tests.bench import report
from tests.bench.figures import figure
from tests.bench.ground import Ground
from tests.bench.row import BenchFailed, Effort, Figure, Raw, Row, measure
from triggers.registry import RegistryError

GROUPS: Final = (
    (("hello", "place_order", "menu"), Effort(rounds=12, seconds=1.2)),
    (("cold_start",), Effort(rounds=7, seconds=0.5)),
    (("places",), Effort(rounds=7, seconds=1.0)),
    (("block", "evm_range"), Effort(rounds=7, seconds=1.0)),
    (("replay",), Effort(rounds=5, seconds=1.0)),
    (("events",), Effort(rounds=4, seconds=6.0)),
)
"""Files whose rows are measured together, in turns, and how long; what is idle meanwhile takes nothing from them.

Many short rounds: what else the machine does comes and goes, and then meets a value and its floor alike.
"""
QUICK: Final = Effort(rounds=1, seconds=0.5)

_EXPECTED: Final = (BenchFailed, ComponentFailed, Misconfigured, Problem, RegistryError)


class Bench:
    """One run: its figures, and what could not be measured."""

    def __init__(self, ground: Ground, console: Console) -> None:
        self._ground = ground
        self._console = console
        self.figures: list[Figure] = []
        self.raw: Raw = {}
        self.failures: list[str] = []

    def run(self, files: Sequence[str], effort: Effort) -> None:
        """Measure the rows of some files in turns. Whatever goes wrong is noted, and the other rows go on."""
        rows: list[Row] = []
        for file in files:
            try:
                rows += import_module(f"tests.bench.{file}").rows(self._ground)
            except Exception as failure:  # noqa: BLE001  one row's bug is no reason to lose the others' figures
                self._failed(file, failure)
        if not rows:
            return
        try:
            raw = measure(rows, effort, self._said)
        except Exception as failure:  # noqa: BLE001
            self._failed(", ".join(row.name for row in rows), failure)
            return
        self.raw |= raw
        self.figures += [figure(row, raw) for row in rows]

    def _failed(self, what: str, failure: Exception) -> None:
        self.failures.append(f"{what}: {failure}")
        if not isinstance(failure, _EXPECTED):
            self._console.print("".join(traceback.format_exception(failure)), markup=False, highlight=False)
        self._console.print(f"[red]not measured[/]  {what}: {failure}", highlight=False)

    def _said(self, line: str) -> None:
        self._console.print(f"[dim]{line}[/]", highlight=False)


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write. Return 1 when a row could not be measured."""
    options = argparse.ArgumentParser(prog="make bench", description="The table of figures.")
    options.add_argument("--quick", action="store_true", help="only try whether every row can be measured")
    options.add_argument("--only", action="append", metavar="ROW", help="the rows of this file of tests/bench alone")
    options.add_argument("--results", type=Path, default=ROOT / "results", help="folder for the files")
    given = options.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 150)
    began, facts = time.monotonic(), report.machine()
    ground = Ground(full=not given.quick)
    bench = Bench(ground, console)
    try:
        for files, effort in GROUPS:
            wanted = [file for file in files if not given.only or file in given.only]
            if wanted:
                bench.run(wanted, QUICK if given.quick else effort)
    finally:
        ground.close()
    facts |= {"load_after": os.getloadavg()[0], "took_s": round(time.monotonic() - began, 1), "quick": given.quick}
    report.write(given.results, bench.figures, bench.raw, facts)
    report.show(bench.figures, console)
    console.print(f"{len(bench.figures)} rows in {facts['took_s']} s, files in {given.results}", highlight=False)
    for failure in bench.failures:
        console.print(f"[red]not measured[/]  {failure}", highlight=False)
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
