"""What a run comes to: one last line, and `results/chaos.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.chaos.oracle import Verdict

SHOWN: Final = 20


@dataclass
class Result:
    """The figures of a run."""

    seed: int
    seconds: float = 0.0
    payments: int = 0
    reorgs: int = 0
    verdict: Verdict = field(default_factory=Verdict)
    kinds: dict[str, int] = field(default_factory=dict)
    reorgs_by: dict[str, int] = field(default_factory=dict)
    outages: dict[str, int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    sabotage: str = ""

    @property
    def line(self) -> str:
        """Return the last line."""
        verdict = self.verdict
        ledger = "ledger NOT balanced" if verdict.unbalanced else "ledger balanced"
        said = (
            f"{self.payments} payments, {self.reorgs} reorgs, {len(verdict.lost)} lost, {len(verdict.doubled)} doubled"
        )
        broken = f", {len(verdict.broken)} broken" if verdict.broken else ""
        return f"chaos: {said}, {ledger}{broken}"

    def named(self) -> list[str]:
        """Return what is wrong, some of each sort."""
        verdict = self.verdict
        sorts = (
            ("lost", verdict.lost),
            ("doubled", verdict.doubled),
            ("not balanced", verdict.unbalanced),
            ("broken", verdict.broken),
        )
        return [f"{sort}: {each}" for sort, found in sorts for each in found[:SHOWN]]

    def written(self, folder: Path) -> Path:
        """Write the figures to `chaos.json` in the folder, and return its path."""
        verdict = self.verdict
        told: dict[str, Any] = {
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "payments": self.payments,
            "reorgs": self.reorgs,
            "lost": len(verdict.lost),
            "doubled": len(verdict.doubled),
            "ledger_balanced": not verdict.unbalanced,
            "broken": len(verdict.broken),
            "unknown_outcomes": len(verdict.unknown),
            "refused": len(self.refused),
            "payments_by_kind": self.kinds,
            "reorgs_by_chain_and_depth": self.reorgs_by,
            "outages": self.outages,
            "time_to_settle_s": {"p50": quantile(verdict.settle_s, 50), "p99": quantile(verdict.settle_s, 99)},
            **verdict.figures,
            "sabotage": self.sabotage or None,
            "findings": self.named(),
            "unknown": verdict.unknown[:SHOWN],
            "refusals": self.refused[:SHOWN],
        }
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "chaos.json"
        path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
        return path


def quantile(values: Sequence[float], percent: int) -> float | None:
    """Return the smallest value that so many percent do not exceed; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[min(len(ordered) * percent // 100, len(ordered) - 1)], 2)
