"""What one Pub/Sub subscription owes its receiver: messages, leases, redelivery, order by key, dead letters.

No I/O and no clock of its own: `now` is monotonic, in seconds.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from google.pubsub_v1 import types

_DEFAULT_ACK_DEADLINE_S = 10
_PUSH_BACKOFF_S = (0.1, 60.0)  # of a push subscription without a retry policy


@dataclass(eq=False)
class Pending:
    """A message that its subscriber has not acknowledged."""

    number: int
    message: types.PubsubMessage
    attempts: int = 0
    ready_at: float = 0.0
    leased_until: float | None = None

    @property
    def ack_id(self) -> str:
        """Names this delivery: an acknowledgement of an earlier one, since expired, still counts for the message."""
        return f"{self.number}-{self.attempts}"


@dataclass
class Queue:
    """A subscription's backlog, oldest first."""

    subscription: types.Subscription
    dead: list[types.PubsubMessage] = field(default_factory=list)
    """Messages given up, for whoever owns the topics to publish as dead letters; emptied by them."""
    _backlog: dict[int, Pending] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __len__(self) -> int:
        return len(self._backlog)

    @property
    def ack_deadline_s(self) -> int:
        return self.subscription.ack_deadline_seconds or _DEFAULT_ACK_DEADLINE_S

    @property
    def most_attempts(self) -> int:
        """How often a message is delivered before it is given up; 0 for ever."""
        policy = self.subscription.dead_letter_policy
        return (policy.max_delivery_attempts or 5) if policy.dead_letter_topic else 0

    def put(self, message: types.PubsubMessage) -> None:
        number = next(self._numbers)
        self._backlog[number] = Pending(number, message)

    def take(self, most: int, now: float, lease_s: float | None = None) -> list[Pending]:
        """Lease up to `most` deliverable messages; of one ordering key only the oldest is ever out."""
        self._expire(now)
        taken: list[Pending] = []
        held_keys: set[str] = set()
        ordered = self.subscription.enable_message_ordering
        for pending in self._backlog.values():
            if len(taken) >= most:
                break
            key = pending.message.ordering_key if ordered else ""
            free = pending.leased_until is None and pending.ready_at <= now and key not in held_keys
            if key:
                held_keys.add(key)
            if free:
                pending.attempts += 1
                pending.leased_until = now + (lease_s or self.ack_deadline_s)
                taken.append(pending)
        return taken

    def acknowledge(self, ack_id: str) -> None:
        self._backlog.pop(_number(ack_id), None)

    def modify(self, ack_id: str, deadline_s: float, now: float) -> None:
        """Prolong a lease; 0 seconds gives the message back to be delivered again."""
        pending = self._backlog.get(_number(ack_id))
        if pending is None or pending.ack_id != ack_id or pending.leased_until is None:
            return
        if deadline_s:
            pending.leased_until = now + deadline_s
        else:
            self._give_back(pending, now)

    def next_event_at(self) -> float | None:
        """Return when a message becomes deliverable by time alone, or None."""
        moments = (p.ready_at if p.leased_until is None else p.leased_until for p in self._backlog.values())
        return min(moments, default=None)

    def _expire(self, now: float) -> None:
        for pending in list(self._backlog.values()):
            if pending.leased_until is not None and pending.leased_until <= now:
                self._give_back(pending, now)

    def _give_back(self, pending: Pending, now: float) -> None:
        if self.most_attempts and pending.attempts >= self.most_attempts:
            del self._backlog[pending.number]
            self.dead.append(pending.message)
            return
        shortest, longest = self._backoff_s()
        pending.leased_until = None
        pending.ready_at = now + min(shortest * 2 ** (pending.attempts - 1), longest)

    def _backoff_s(self) -> tuple[float, float]:
        if "retry_policy" in self.subscription:
            policy = self.subscription.retry_policy
            return policy.minimum_backoff.total_seconds() or 10.0, policy.maximum_backoff.total_seconds() or 600.0
        return _PUSH_BACKOFF_S if self.subscription.push_config.push_endpoint else (0.0, 0.0)


def _number(ack_id: str) -> int:
    number = ack_id.partition("-")[0]
    return int(number) if number.isdigit() else 0
