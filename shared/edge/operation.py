"""What every decorated function does around its work: telemetry, problems, the framework's registration.

The framework knows all functions as HTTP functions, events and ticks too: see docs/decisions/0005.
"""

import functools
import os
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

import functions_framework.aio
from starlette.requests import Request as FrameworkRequest

from shared.edge.answer import NOSNIFF, Answer, Receive, Scope
from shared.edge.auth import Callers
from shared.edge.ports import Gateway
from shared.edge.problem import CONTENT_TYPE, document, headers_of, status_of
from shared.edge.telemetry import Call, Meter, meter_of
from shared.kernel.errors import Bug, Problem
from shared.settings import EdgeSettings
from triggers.registry import Entry, Kind, Registry

EntryPoint = Callable[[FrameworkRequest], Awaitable[Answer]]
LOGS_DETAIL: Final = "LOG_DETAIL"
"""Set it to let the log say what an unexpected error says; off by default, for the message may name a person."""


class Edge:
    """What the decorators share in a process: settings, the gateway, and who is known to be calling."""

    def __init__(self, settings: EdgeSettings, gateway: Gateway, callers: Callers) -> None:
        self.settings = settings
        self.gateway = gateway
        self.callers = callers


class Operation(ABC):
    """A function as it is called: built when it is decorated, filled when it is first called."""

    kind: Kind

    def __init__(
        self, function: Callable[..., Any], *, edge: Callable[[], Edge], registry: Callable[[], Registry]
    ) -> None:
        self.function = function
        self.name = function.__name__
        self.meter: Meter = meter_of(self.name)
        self._edge = edge
        self._registry = registry

    @functools.cached_property
    def entry(self) -> Entry:
        """Return the registry entry. Raises RegistryError when there is none, Bug when it is of another kind."""
        return self._fitting(self._registry()[self.name])

    def _fitting(self, entry: Entry) -> Entry:
        if entry.kind != self.kind or entry.operation != self.name:
            raise Bug(f"{entry.operation} is declared as {entry.kind}, and {self.name} decorated as {self.kind}")
        return entry

    def check(self, entry: Entry) -> None:
        """Raise Bug when the function does not fit this entry: its kind, its name, its annotations."""
        self.entry = self._fitting(entry)
        self.check_shape()

    @functools.cached_property
    def edge(self) -> Edge:
        """Return what this process's functions share."""
        return self._edge()

    @abstractmethod
    def check_shape(self) -> None:
        """Raise Bug when the annotations of the function don't fit its registry entry."""

    @abstractmethod
    async def answer(self, scope: Scope, receive: Receive, call: Call) -> Answer:
        """Do the work and return what is sent. Whatever is raised becomes a problem document."""

    @abstractmethod
    def begin(self, scope: Scope) -> Call:
        """Return the call, with the headers that are used and its trace continued from where they carry it."""

    def status_of(self, problem: Problem) -> int:
        """Return the HTTP status of a problem for this kind of function."""
        return status_of(problem)

    async def __call__(self, scope: Scope, receive: Receive) -> Answer:
        """Answer one request; never raises but for cancellation."""
        call = self.begin(scope)
        try:
            answer = await self.answer(scope, receive, call)
        except Problem as problem:
            return self.refused(problem, call)
        except Exception as error:  # noqa: BLE001  the outermost frame: logged with its trace, told to nobody
            return self.refused(error, call)
        call.end(answer.status_code)
        return answer

    def refused(self, error: Exception, call: Call) -> Answer:
        """Return an error as a problem document, counted and logged; one that nobody expected is a Bug."""
        problem = error if isinstance(error, Problem) else Bug()
        status = self.status_of(problem)
        call.problem = problem.type
        shown = isinstance(error, Problem) or LOGS_DETAIL in os.environ
        call.end(status, error if status >= 500 else None, detail=str(error) if shown else "")
        body = document(problem, public_url=self._public_url(), correlation=call.correlation, status=status)
        headers = [
            (b"content-type", CONTENT_TYPE),
            (b"cache-control", b"no-store"),
            (b"correlation-id", call.correlation.encode()),
            NOSNIFF,
            *headers_of(problem),
        ]
        return Answer(status, headers, body)

    def _public_url(self) -> str:
        try:
            return self.edge.settings.public_url
        except Exception:  # noqa: BLE001  what is misconfigured was logged with the first error; this one still needs a type
            return ""


def entry_point(operation: Operation) -> EntryPoint:
    """Return the function that the framework calls, registered under the operation's name."""

    @functools.wraps(operation.function)
    async def called(request: FrameworkRequest) -> Answer:
        return await operation(request.scope, request.receive)

    called.__dict__["operation"] = operation
    return cast(EntryPoint, functions_framework.aio.http(called))


def operation_of(function: object) -> Operation | None:
    """Return the operation behind a decorated function, or None for any other object."""
    operation = getattr(function, "operation", None)
    return operation if isinstance(operation, Operation) else None
