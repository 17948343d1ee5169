"""The API's description and a page to read it, beside the functions on one machine: /openapi.json and /docs (or /).

The page of each problem lies where its `type` points: /problems/<slug>. The description is what
`python -m triggers openapi` prints, made when it is first asked for.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from emulators.component import ROOT
from shared.edge.answer import NOSNIFF, Answer, Receive, Scope, Send
from shared.edge.serve import FunctionApp, problem_answer
from shared.kernel.errors import Transient

_PAGE = Path(__file__).with_name("reference.html")
_PROBLEMS = ROOT / "docs" / "problems"


class _Page(FunctionApp):
    """Something that is shown and calls no operation."""

    def __init__(self, content_type: str, body: Callable[[], bytes]) -> None:
        self.target = "reference"
        self.operation = None
        self._headers = [(b"content-type", content_type.encode()), (b"cache-control", b"no-store"), NOSNIFF]
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = Answer(200, self._headers, await asyncio.to_thread(self._body))
        except Transient as failure:
            answer = problem_answer(failure, "none")
        await answer(scope, receive, send)


def pages() -> dict[str, FunctionApp]:
    """Return the pages by path."""
    reference = _Page("text/html; charset=utf-8", _PAGE.read_bytes)
    problems = {
        f"/problems/{page.stem}": _Page("text/plain; charset=utf-8", page.read_bytes) for page in _PROBLEMS.glob("*.md")
    }
    return {"/": reference, "/docs": reference, "/openapi.json": _Page("application/json", _description), **problems}


@cache
def _description() -> bytes:
    command = [sys.executable, "-m", "triggers", "openapi"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if printed.returncode:
        raise Transient("The description can't be made: `python -m triggers openapi` says why.")
    return printed.stdout
