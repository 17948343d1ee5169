"""What README.md tells a newcomer to type is typed here, word for word."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Final

import pytest

from emulators.component import ROOT
from emulators.platform import Platform
from triggers.registry import load

README: Final = (ROOT / "README.md").read_text()
TYPED_IN_S: Final = 100


def section(title: str) -> str:
    """The text under a heading."""
    return README.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def blocks(title: str) -> list[str]:
    """The bash blocks under a heading."""
    return re.findall(r"```bash\n(.*?)```", section(title), re.DOTALL)


def typed(platform: Platform, script: str) -> str:
    """What a shell says to a script, on this platform. Fails with all it said if a command in it fails."""
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env={**os.environ, "CORTADO_WORKDIR": str(platform.workdir)},
        capture_output=True,
        text=True,
        check=False,
        timeout=TYPED_IN_S,
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    return ran.stdout


@pytest.fixture(scope="module")
def by_hand(platform: Platform) -> str:
    """What the commands of the paid order say, and at last the order's id."""
    [script] = blocks("A paid order by hand")
    return typed(platform, f"{script}\necho $ORDER")


@pytest.fixture(scope="module")
def order_id(by_hand: str) -> str:
    return by_hand.split()[-1]


def test_an_order_paid_by_hand_is_confirmed(by_hand: str) -> None:
    *_, status, _ = by_hand.splitlines()
    assert status == "confirmed"
    assert re.search(r'"link": "ethereum:', by_hand)
    assert "Genuine: pay exactly this." in by_hand
    assert re.search(r"paid [0-9.]+ USDC to 0x", by_hand)


def test_its_trace_tells_the_story_from_order_to_code(platform: Platform, order_id: str) -> None:
    said = typed(platform, f"make trace ORDER={order_id}")
    story = re.findall(r" s  ([a-z_.]+)\.v1 ", said)
    told = ("order.placed", "payment.requested", "payment.seen", "payment.settled", "order.confirmed", "claim.issued")
    assert [fact for fact in story if fact in told] == list(told)
    assert "create_order " in said


def test_its_chain_holds(platform: Platform, order_id: str) -> None:
    assert "holds" in typed(platform, f"make verify STREAM={order_id}")


def test_every_row_is_rebuilt_from_its_events(platform: Platform) -> None:
    assert " 0 differences" in typed(platform, "make replay")


def test_nothing_is_parked(platform: Platform) -> None:
    assert typed(platform, "make -s redrive") == "nothing is parked\n"


def test_the_database_answers(platform: Platform) -> None:
    assert "(1 row)" in typed(platform, "make sql Q='select count(*) from outbox'")


def test_every_command_that_is_named_is_a_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    pages = [README, *(page.read_text() for page in (ROOT / "docs").rglob("*.md"))]
    named = {name for page in pages for name in re.findall(r"`(?:[A-Z]+=\S+ )*make ([a-z-]+)", page)}
    assert named
    assert named <= targets


def test_every_operation_has_tests_that_name_it() -> None:
    texts = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    named = set(re.findall(r"\w+", " ".join(texts)))
    assert [entry.operation for entry in load() if entry.operation not in named] == []


def test_every_file_that_is_named_is_there() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    folders = "docs|emulators|functions|requirements|shared|tests|triggers"
    named = [(page, path) for page in pages for path in re.findall(rf"`((?:{folders})/[\w./-]+)`", page.read_text())]
    missing = [f"{page.relative_to(ROOT)}: {path}" for page, path in named if not (ROOT / path).exists()]
    assert named
    assert missing == []


def test_every_link_leads_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#:\s]+)\)", page.read_text())]
    broken = [f"{page.name}: {link}" for page, link in links if not (page.parent / link).exists()]
    assert links
    assert broken == []
