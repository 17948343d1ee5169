"""From every round's readings to the figures of a row."""

from collections.abc import Sequence
from statistics import median

from tests.bench.row import VALUE, Figure, Probe, Raw, Row


def figure(row: Row, raw: Raw) -> Figure:
    """Return the row's figures. Value and floor of one round saw the same noise, so ratios are made per round."""
    values = [readings[row.reading] for readings in raw[row.probe.name]]
    floors = _floors(row, raw, len(values))
    return Figure(
        name=row.name,
        value=median(values),
        unit=row.unit or row.probe.unit,
        floor=median(floors),
        floor_name=row.floor.name,
        ratio=median(value / floor for value, floor in zip(values, floors, strict=True)),
        goal=row.goal,
        less_is_better=row.less_is_better,
    )


def _floors(row: Row, raw: Raw, rounds: int) -> Sequence[float]:
    if isinstance(row.floor, Probe):
        reading = row.reading if row.reading in raw[row.floor.name][0] else VALUE
        return [readings[reading] for readings in raw[row.floor.name]]
    return [row.floor.value] * rounds
