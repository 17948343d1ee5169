"""deliver_webhook: bring an event to a merchant's endpoint, note what it said, and go on with what waits for it."""

import random
import time
from collections.abc import Callable
from typing import Final

from shared.kernel.decision import By
from shared.kernel.ids import WebhookId
from shared.notifications import webhook_lifecycle
from shared.notifications.webhook_model import HookDispatch, Try
from shared.notifications.webhook_ports import Answered, Attempt, Health, Issuing, Webhooks
from shared.notifications.webhook_signing import body_of, headers_of

GOES_ON_S: Final = 8.0
"""How long a worker that succeeds takes more of the same endpoint's deliveries: Pub/Sub waits 30 s for its answer."""
_GONE: Final = 410


async def deliver_webhook(
    work: HookDispatch,
    *,
    by: By,
    using: Webhooks,
    issuing: Issuing,
    timer: Callable[[], float] = time.monotonic,
    chance: Callable[[], float] = random.random,
) -> None:
    """Make one attempt of a delivery; after a success also of others that wait for the same endpoint.

    Never raises for what an endpoint does: retries are rows with their time, so that work is never given back to
    Pub/Sub, whose pauses would be the same for all. At least once: who dies between answer and note sends again.
    """
    end = timer() + GOES_ON_S
    attempt = await using.deliveries.claim(work.webhook_id, work.delivery_id, now=using.clock.now())
    while attempt is not None:
        taken = await _attempted(attempt, by=by, using=using, issuing=issuing, chance=chance)
        if not taken or timer() >= end:
            return
        attempt = await using.deliveries.claim(work.webhook_id, None, now=using.clock.now())


async def _attempted(
    attempt: Attempt, *, by: By, using: Webhooks, issuing: Issuing, chance: Callable[[], float]
) -> bool:
    """Make the attempt and note its outcome; return whether the endpoint took the event."""
    webhook, at = attempt.webhook, using.clock.now()
    live = [issuing.secrets.open(webhook.webhook_id, one.sealed) for one in webhook.live_secrets(at)]
    body = body_of(attempt.told)
    answer = await issuing.endpoints.post(webhook.url, headers_of(attempt.told.id, body, live, now=at), body)
    now = using.clock.now()
    if isinstance(answer, Answered) and 200 <= answer.status < 300:
        await using.deliveries.delivered(attempt, Try(at=at, status=answer.status, ms=answer.ms), now=now)
        return True
    if isinstance(answer, Answered):
        made, asked_s, gone = Try(at=at, status=answer.status, ms=answer.ms), answer.asked_s, answer.status == _GONE
    else:
        made, asked_s, gone = Try(at=at, reason=answer.reason, ms=answer.ms), None, False
    again_at = webhook_lifecycle.next_attempt(attempt.failed + 1, asked_s=asked_s, jitter=chance(), now=now)
    health = await using.deliveries.failed(attempt, made, again_at=again_at, now=now)
    if health is not None:
        await _given_up(attempt, health, gone=gone, by=by, using=using)
    return False


async def _given_up(attempt: Attempt, health: Health, *, gone: bool, by: By, using: Webhooks) -> None:
    """Switch the webhook off where its endpoint is gone, or has failed for days."""
    webhook_id: WebhookId = attempt.webhook.webhook_id
    now = using.clock.now()
    reason = webhook_lifecycle.why_to_disable(
        gone=gone,
        failures=health.failures,
        failing_since=health.failing_since,
        changed_at=attempt.webhook.changed_at,
        now=now,
    )
    if reason is None:
        return
    since = health.failing_since
    await using.store.decide(
        webhook_id,
        lambda webhook: webhook_lifecycle.disable(webhook, reason, failing_since=since, actor=by.actor, now=now),
        by=_unbound(by),
        now=now,
    )


def _unbound(by: By) -> By:
    """Return the caller without the once-token: a webhook is switched off once whatever comes again."""
    return By(by.actor, by.roles, correlation=by.correlation, causation=by.causation, traceparent=by.traceparent)
