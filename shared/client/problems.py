"""Refusals as exceptions: one class for each meaning of a status, and the problem's own type as `slug`."""

import json
from collections.abc import Mapping
from typing import Any, Final

_KNOWN: Final = frozenset({"type", "title", "status", "detail", "instance", "errors"})


class ApiProblem(Exception):
    """The platform refused, and says why (RFC 9457). `slug` names the page `docs/problems/<slug>.md`."""

    def __init__(self, status: int, document: Mapping[str, Any], *, retry_after_s: int | None = None) -> None:
        self.status = status
        self.type = str(document.get("type", "about:blank"))
        self.slug = self.type.rpartition("/")[2]
        self.title = str(document.get("title", f"status {status}"))
        self.detail = str(document.get("detail", ""))
        self.correlation = str(document.get("instance", "")).rpartition(":")[2]
        """What to name when asking about this call."""
        self.errors: tuple[tuple[str, str], ...] = tuple(
            (str(error.get("pointer", "")), str(error.get("message", ""))) for error in document.get("errors", ())
        )
        """(JSON pointer, what is expected there) of each wrong value."""
        self.fields = {name: value for name, value in document.items() if name not in _KNOWN}
        """What this kind of problem says besides."""
        self.retry_after_s = retry_after_s
        super().__init__(f"{self.title}: {self.detail}")


class InvalidRequest(ApiProblem):
    """It can't be right, whoever sends it: see `errors`."""


class NotSignedIn(ApiProblem):
    """Nobody known is asking: the token ended, or there is none."""


class NotAllowed(ApiProblem):
    """The caller may not do this."""


class NotThere(ApiProblem):
    """There is none, or none that the caller may see."""


class Refused(ApiProblem):
    """The present state refuses it; another might not."""


class Outdated(ApiProblem):
    """The version in `if_match` is not the present one: read again, decide again."""


class TooOften(ApiProblem):
    """A limit is reached; see `retry_after_s`."""


class Unavailable(ApiProblem):
    """Not now, or not known whether it happened. The same call, with its key, may be sent again."""


class Broken(ApiProblem):
    """A mistake of the platform."""


_CLASSES: Final[dict[int, type[ApiProblem]]] = {
    400: InvalidRequest,
    401: NotSignedIn,
    403: NotAllowed,
    404: NotThere,
    408: Unavailable,
    409: Refused,
    412: Outdated,
    413: InvalidRequest,
    415: InvalidRequest,
    429: TooOften,
    503: Unavailable,
}


def problem_of(status: int, headers: Mapping[str, str], content: bytes) -> ApiProblem:
    """Return a refusal as an exception; what is no problem document (a proxy's page) by its status alone."""
    try:
        document = json.loads(content)
    except ValueError:
        document = {}
    said = headers.get("retry-after", "")
    after = int(said) if said.isascii() and said.isdigit() and len(said) < 9 else None
    kind = _CLASSES.get(status, Broken if status >= 500 else ApiProblem)
    return kind(status, document if isinstance(document, dict) else {}, retry_after_s=after)
