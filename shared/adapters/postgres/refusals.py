"""What a statement may refuse with: the codes that the SQL function `refuse` raises, as exceptions."""

from shared.kernel.decision import AlreadyTaken
from shared.kernel.errors import Fenced


class Moved(Exception):
    """The stream, or one it was guarded by, has another version than the one loaded. Load again and decide again."""


class KeyTaken(Exception):
    """The Idempotency-Key is in use; the stored reply tells whether by the same request."""


_REFUSALS: dict[str, type[Exception]] = {
    "CR001": Moved,
    "CR002": KeyTaken,
    "CR003": AlreadyTaken,
    "CR004": Fenced,
}


def refusal_of(error: Exception) -> Exception | None:
    """Return the typed refusal that `error` carries, or None when it is any other server error."""
    told = error.args[0] if error.args else None
    if not isinstance(told, dict):
        return None
    kind = _REFUSALS.get(told.get("C", ""))
    return kind(told.get("M", "")) if kind else None
