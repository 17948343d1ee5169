"""Where Google's emulators lie: inside an installed Cloud SDK, as jars that need no `gcloud` to run.

Started through `gcloud`, an emulator takes seconds longer and outlives it as an orphan.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def emulator_jar(component: str) -> Path | None:
    """Return the jar of an SDK component such as "pubsub-emulator", or None without it or without Java."""
    if shutil.which("java") is None:
        return None
    places = (root / "platform" / component for root in _roots())
    return next((jar for place in places for jar in sorted(place.rglob("*emulator*.jar"))), None)


def _roots() -> list[Path]:
    roots = [Path(os.environ["CLOUDSDK_ROOT"])] if "CLOUDSDK_ROOT" in os.environ else []
    if gcloud := shutil.which("gcloud"):
        roots.append(Path(gcloud).resolve().parent.parent)
    return [*roots, Path("/usr/lib/google-cloud-sdk"), Path.home() / "google-cloud-sdk"]
