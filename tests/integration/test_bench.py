"""`make bench --quick`: every row can be measured, and the files say what they should. No figure is judged."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from emulators.component import ROOT


@pytest.mark.timeout(300)
def test_every_row_is_measured_and_written_with_its_floor_and_goal(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--quick", "--results", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    rows = json.loads((tmp_path / "bench.json").read_text())
    assert len({row["name"] for row in rows}) == len(rows) >= 14
    for row in rows:
        assert row.keys() == {"name", "value", "unit", "floor", "ratio", "goal", "met"}
        assert isinstance(row["met"], bool)
        assert all(row[number] > 0 and math.isfinite(row[number]) for number in ("value", "floor", "ratio", "goal"))
    assert json.loads((tmp_path / "machine.json").read_text())["cores"] > 0
    raw = json.loads((tmp_path / "bench-raw.json").read_text())
    assert all(rounds and all("value" in readings for readings in rounds) for rounds in raw.values())
