"""Server-sent events as they come in: lines to events, as the HTML standard has it. No I/O."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event. `id` is what to name when coming again."""

    id: str
    name: str
    data: str


@dataclass(slots=True)
class EventLines:
    """Collects lines into events."""

    last_id: str = ""
    retry_ms: int = 2_000
    _name: str = ""
    _data: list[str] = field(default_factory=list)

    def take(self, line: str) -> Iterator[ServerEvent]:
        """Take one line without its end; yield the event that it completes. Comments are passed over."""
        if not line:
            if self._data:
                yield ServerEvent(self.last_id, self._name or "message", "\n".join(self._data))
            self._name, self._data = "", []
            return
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value
        elif name == "id" and "\0" not in value:
            self.last_id = value
        elif name == "retry" and value.isdigit():
            self.retry_ms = int(value)
