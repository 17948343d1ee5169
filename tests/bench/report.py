"""The table that people read and the files that others read: results/bench.json, machine.json, bench-raw.json."""

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.row import Figure, Raw


def show(figures: Sequence[Figure], console: Console) -> None:
    """Print the table: what, floor, value, ratio, goal, met."""
    table = Table(title="Figures, as ratios to floors measured in the same run", title_justify="left")
    for heading in ("what", "floor", "", "value", "ratio", "goal", "met"):
        table.add_column(heading, justify="left" if heading in ("what", "floor") else "right")
    for one in figures:
        table.add_row(
            one.name,
            one.floor_name,
            f"{_shown(one.floor)} {one.unit}",
            f"{_shown(one.value)} {one.unit}",
            f"{one.ratio:.2f}",
            f"{'≤' if one.less_is_better else '≥'} {one.goal:g}",
            "[green]yes[/]" if one.met else "[red]not met[/]",
        )
    console.print(table)


def _shown(number: float) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"


def write(folder: Path, figures: Sequence[Figure], raw: Raw, facts: Mapping[str, object]) -> None:
    """Write the three files."""
    folder.mkdir(exist_ok=True)
    rows = [
        {
            "name": one.name,
            "value": one.value,
            "unit": one.unit,
            "floor": one.floor,
            "ratio": one.ratio,
            "goal": one.goal,
            "met": one.met,
        }
        for one in figures
    ]
    for name, content in (("bench", rows), ("machine", facts), ("bench-raw", raw)):
        (folder / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")


def machine() -> dict[str, object]:
    """Return what the figures were measured on, and how busy it was before."""
    memory_kib = _first("/proc/meminfo", "MemTotal").split()
    return {
        "cpu": _first("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": os.cpu_count(),
        "memory_mb": int(memory_kib[0]) // 1024 if memory_kib else None,
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "load_before": os.getloadavg()[0],
    }


def _first(path: str, key: str) -> str:
    """Return the value of a key in one of Linux's own listings; empty elsewhere."""
    if not Path(path).exists():
        return ""
    lines = Path(path).read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")
