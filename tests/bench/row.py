"""What a row of the table is: something measured, its floor, and the ratio of the two that is aimed for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

VALUE: Final = "value"
"""The reading that every measurement has."""

Readings = Mapping[str, float]
"""What one round of one probe told: `value`, and whatever else it saw (p50_ms, …)."""


class BenchFailed(Exception):
    """Something can't be measured; the message is one line that says what and why."""


@dataclass(frozen=True)
class Probe:
    """Something that is measured, once a round."""

    name: str
    unit: str
    measure: Callable[[float], Readings]
    """Measures for about so many seconds. Raises BenchFailed."""


@dataclass(frozen=True)
class Claim:
    """A floor that somebody published and nobody measured."""

    name: str
    value: float


@dataclass(frozen=True)
class Row:
    """One line of the table. `goal` is a ratio of value to floor: to be reached, or where less is better not passed."""

    name: str
    probe: Probe
    floor: Probe | Claim
    goal: float
    less_is_better: bool = False
    reading: str = VALUE
    unit: str = ""
    """That of the reading, where it is not the probe's."""


@dataclass(frozen=True)
class Figure:
    """A row with its figures: medians over the rounds, the ratio being the median of each round's own."""

    name: str
    value: float
    unit: str
    floor: float
    floor_name: str
    ratio: float
    goal: float
    less_is_better: bool

    @property
    def met(self) -> bool:
        """Return whether the goal is reached."""
        return self.ratio <= self.goal if self.less_is_better else self.ratio >= self.goal


@dataclass(frozen=True)
class Effort:
    """How long everything takes."""

    rounds: int
    seconds: float
    """Of each probe in each round."""


Raw = dict[str, list[Readings]]
"""Every round's readings, by probe."""


def measure(rows: Sequence[Row], effort: Effort, said: Callable[[str], None]) -> Raw:
    """Measure every probe of the rows once a round, in turns, each round beginning with another one."""
    probes: list[Probe] = []
    for row in rows:
        for probe in (row.probe, row.floor):
            if isinstance(probe, Probe) and probe not in probes:
                probes.append(probe)
    raw: Raw = {probe.name: [] for probe in probes}
    for probe in probes:
        probe.measure(effort.seconds / 4)  # caches, plans and just-opened connections are not what is measured
    for number in range(effort.rounds):
        turn = number % len(probes)
        for probe in probes[turn:] + probes[:turn]:
            readings = probe.measure(effort.seconds)
            raw[probe.name].append(readings)
            said(f"round {number + 1}/{effort.rounds}  {probe.name}: {readings[VALUE]:,.4g} {probe.unit}")
    return raw
