"""How far a partition is done when its records are worked on side by side: up to the first that is not."""


class Progress:
    """The open offsets of one partition, in the order they were begun."""

    def __init__(self) -> None:
        self._open: dict[int, None] = {}
        self._next: int | None = None
        self._told: int | None = None

    def repeats(self, offset: int) -> bool:
        """Return whether the log was cut or wiped: it goes on below what was seen of it."""
        return self._next is not None and offset < self._next

    def begin(self, offset: int) -> None:
        """Note that work on a record begins; offsets only grow."""
        self._open[offset] = None
        self._next = offset + 1

    def finish(self, offset: int) -> None:
        """Note that a record is done."""
        del self._open[offset]

    @property
    def position(self) -> int | None:
        """Return the offset to go on from after a crash: the first open one, or the end of what was seen."""
        return next(iter(self._open), self._next)

    def news(self) -> int | None:
        """Return the position if it is another than at the last call, else None."""
        position = self.position
        if position == self._told:
            return None
        self._told = position
        return position
