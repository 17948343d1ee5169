"""Typed refusals. A rule raises one of these; only `shared/edge/problem.py` knows what HTTP makes of it.

Every subclass names a problem type: `type` is the slug of its page `docs/problems/<type>.md`, `title` is the same for
every occurrence, `detail` says what was wrong this time and what to do, `fields` are extra members of the document.
"""

from typing import ClassVar


class Problem(Exception):
    """Base of everything an operation may refuse with."""

    type: ClassVar[str] = "bug"
    title: ClassVar[str] = "Something went wrong on our side"

    def __init__(self, detail: str = "", **fields: object) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.fields = fields


class Invalid(Problem):
    """The input can't be right, whoever sends it and whenever."""

    type = "invalid"
    title = "The request is not valid"


class Unauthenticated(Problem):
    """Nobody the platform knows is asking."""

    type = "unauthenticated"
    title = "Sign in first"


class Forbidden(Problem):
    """The caller is known, and may not do this."""

    type = "forbidden"
    title = "You may not do this"


class NotFound(Problem):
    """No such thing, or none that this caller may see."""

    type = "not-found"
    title = "There is no such thing"


class Conflict(Problem):
    """The present state refuses the command; another state might not."""

    type = "conflict"
    title = "The current state does not allow this"


class TooMany(Problem):
    """A limit is reached. `retry_after_s` says when another try makes sense."""

    type = "too-many-requests"
    title = "Too many requests"

    def __init__(self, detail: str = "", *, retry_after_s: int = 1, **fields: object) -> None:
        super().__init__(detail, **fields)
        self.retry_after_s = retry_after_s


class Transient(Problem):
    """A dependency does not answer, or the outcome is unknown: repeat, with the same Idempotency-Key."""

    type = "unavailable"
    title = "Temporarily unavailable"

    def __init__(self, detail: str = "", *, retry_after_s: int = 1, **fields: object) -> None:
        super().__init__(detail, **fields)
        self.retry_after_s = retry_after_s


class Bug(Problem):
    """A state that must not exist. Always logged with its trace; the reply leaks nothing."""


class VersionConflict(Conflict):
    """The stream moved on between load and append, three times in a row or against an If-Match."""

    type = "version-conflict"
    title = "Somebody else changed it meanwhile"


class KeyReused(Conflict):
    """The Idempotency-Key was used before, for another body."""

    type = "idempotency-key-reused"
    title = "This Idempotency-Key belongs to another request"


class Fenced(Conflict):
    """A writer whose lease epoch is over tried to write; nothing was written."""

    type = "fenced"
    title = "The lease is held by another worker"
