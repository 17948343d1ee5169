"""What a statement may end with instead of rows: refusals that `refuse` raises, and failures of server or network.

A failure says whether anything can have happened: `Undone` is certain that nothing did, `Lost` does not know.
"""

from typing import Final

from pg8000.exceptions import InterfaceError

from shared.kernel.decision import AlreadyTaken
from shared.kernel.errors import Fenced, Transient


class Moved(Exception):
    """The stream, or one it was guarded by, has another version than the one loaded. Load again and decide again."""


class KeyTaken(Exception):
    """The Idempotency-Key is in use; the stored reply tells whether by the same request."""


class Lost(Transient):
    """The connection broke while a statement was under way. Whether it was committed only its key can tell."""


class Undone(Transient):
    """The statement was never sent, or the server took all of it back."""


class Collided(Undone):
    """Two transactions waited for each other, and this one was chosen to give way. Repeating it at once makes sense."""


class Slow(Undone):
    """The statement ran into its time limit, most likely waiting for somebody else's lock."""


STALE_PLAN: Final = frozenset({"0A000", "26000"})
"""A DDL change made the plan unusable; the prepared statement is gone."""
READ_ONLY: Final = "25006"
"""The server does not write (any more): another one was promoted."""

_REFUSALS: Final[dict[str, type[Exception]]] = {
    "CR001": Moved,
    "CR002": KeyTaken,
    "CR003": AlreadyTaken,
    "CR004": Fenced,
}
_COLLISIONS: Final = frozenset({"40001", "40P01"})
_TOO_SLOW: Final = frozenset({"55P03", "57014"})
_BUSY: Final = "The database is busy or restarting. Repeat with the same Idempotency-Key."
_WIRE: Final = frozenset({"network error", "communication error", "connection is closed"})
"""What pg8000 calls a broken connection; its other interface errors are mistakes of the program."""
_SILENT: Final = "The database did not answer. Repeat with the same Idempotency-Key."


def code_of(error: Exception) -> str | None:
    """Return the SQLSTATE that the server gave, or None when it gave none."""
    told = error.args[0] if error.args else None
    return str(told["C"]) if isinstance(told, dict) and "C" in told else None


def refusal_of(error: Exception) -> Exception | None:
    """Return the typed refusal that `error` carries, or None when it is any other server error."""
    kind = _REFUSALS.get(code_of(error) or "")
    return kind(str(error.args[0].get("M", ""))) if kind else None


def failure_of(error: Exception) -> Exception:
    """Return what to raise for what a statement raised: a refusal, a Transient, or the error itself, which is a bug."""
    if isinstance(error, OSError):
        return Lost(_SILENT)
    if isinstance(error, InterfaceError):
        return Lost(_SILENT) if str(error) in _WIRE else error
    code = code_of(error)
    refused = refusal_of(error)
    if refused is not None:
        return refused
    if code is None or code.startswith(("08", "57P")):
        return Lost(_BUSY)
    if code in _COLLISIONS:
        return Collided(_BUSY)
    if code in _TOO_SLOW:
        return Slow(_BUSY)
    if code == READ_ONLY or code.startswith(("53", "58")):
        return Undone(_BUSY)
    return error


def unsent(error: Exception) -> Exception:
    """Return what to raise for what connecting raised: nothing was sent, so nothing can have happened."""
    failure = failure_of(error)
    return Undone(failure.detail) if isinstance(failure, Lost) else failure
