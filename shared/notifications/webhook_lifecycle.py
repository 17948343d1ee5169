"""The rules of webhooks. Pure.

registered ──▶ enabled ◀──▶ disabled ──▶ deleted        Two secrets sign at most: the one in use, and the one before it
                                                         until its time is over.
"""

from datetime import datetime, timedelta
from typing import Final

from shared.kernel.decision import By
from shared.kernel.errors import Bug, Conflict, Forbidden, NotFound
from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId, ShopId, WebhookId
from shared.notifications.webhook_facts import (
    DisableReason,
    WebhookDeleted,
    WebhookDisabled,
    WebhookRegistered,
    WebhookSecretRotated,
    WebhookUpdated,
)
from shared.notifications.webhook_model import RegisterWebhook, SealedSecret, UpdateWebhook, Webhook

PAUSES_S: Final = (5, 30, 120, 600, 1800, 7200, 14400, 28800, 32400)
"""Between the attempts of one delivery: ten attempts within a day."""
FAILING_FOR: Final = timedelta(days=3)
"""An endpoint that took nothing for so long is switched off."""
FAILURES: Final = 10
"""And at least so often: one that is called once a week is not switched off for a single failure."""
LONGEST_ASKED: Final = timedelta(hours=1)
"""As long a pause an endpoint may ask for by Retry-After."""


class TooManyWebhooks(Conflict):
    """The merchant has as many as there may be."""

    type = "too-many-webhooks"
    title = "You have as many webhooks as there may be"


class WebhookOff(Conflict):
    """It is switched off, so nothing is sent there."""

    type = "webhook-off"
    title = "The webhook is switched off"


_ALL_SHOPS: Final = ""
"""What no shop is called: who may do something there may do it for all of a merchant's shops."""


def merchant_of(by: By) -> MerchantId:
    """Return the merchant that the caller works for. Raises Forbidden for who works for none."""
    if by.merchant_id is None or not by.staff_of(by.merchant_id):
        raise Forbidden("Webhooks belong to merchants.")
    return by.merchant_id


def runs(by: By, merchant_id: MerchantId, shop_id: ShopId | None) -> bool:
    """Return whether the caller runs the webhooks of this shop; None: those of all the merchant's shops."""
    return by.staff_of(merchant_id, shop_id or _ALL_SHOPS)


def own(webhook: Webhook | None, by: By) -> Webhook:
    """Return the webhook if it is the caller's to run. Raises NotFound otherwise, and for a deleted one."""
    if webhook is None or webhook.deleted_at is not None or not runs(by, webhook.merchant_id, webhook.shop_id):
        raise NotFound("There is no such webhook.")
    return webhook


def register(
    webhook_id: WebhookId, command: RegisterWebhook, *, sealed: str, merchant: MerchantId, by: By, now: datetime
) -> WebhookRegistered:
    """Return the fact of a new webhook."""
    return WebhookRegistered(
        webhook_id=webhook_id,
        merchant_id=merchant,
        shop_id=command.shop_id,
        url=command.url,
        events=command.events,
        description=command.description,
        sealed_secret=sealed,
        actor=by.actor,
        at=now,
    )


def update(webhook: Webhook, command: UpdateWebhook, *, by: By, now: datetime) -> tuple[Fact, ...]:
    """Return the fact of new settings; none where they are what they were."""
    same = (webhook.url, webhook.events, webhook.description, webhook.enabled)
    if same == (command.url, command.events, command.description, command.enabled):
        return ()
    return (
        WebhookUpdated(
            **_who(webhook, by.actor, now),
            url=command.url,
            events=command.events,
            description=command.description,
            enabled=command.enabled,
        ),
    )


def rotate(webhook: Webhook, *, sealed: str, overlap: timedelta, by: By, now: datetime) -> tuple[Fact, ...]:
    """Return the fact of a new secret."""
    who = _who(webhook, by.actor, now)
    return (WebhookSecretRotated(**who, sealed_secret=sealed, previous_until=now + overlap),)


def delete(webhook: Webhook, *, by: By, now: datetime) -> tuple[Fact, ...]:
    """Return the fact that it is told nothing more."""
    return (WebhookDeleted(**_who(webhook, by.actor, now)),)


def disable(
    webhook: Webhook | None, reason: DisableReason, *, failing_since: datetime | None, actor: str, now: datetime
) -> tuple[Fact, ...]:
    """Return the fact that the platform switches it off; none where it is off already."""
    if webhook is None or not webhook.enabled or webhook.deleted_at is not None:
        return ()
    return (WebhookDisabled(**_who(webhook, actor, now), reason=reason, failing_since=failing_since),)


def why_to_disable(
    *, gone: bool, failures: int, failing_since: datetime, changed_at: datetime, now: datetime
) -> DisableReason | None:
    """Return why an endpoint that has just failed again is to be switched off, None where it is not.

    Days are counted from its last change, so that one that was mended and switched on again has its time anew.
    """
    if gone:
        return DisableReason.GONE
    if failures >= FAILURES and now - max(failing_since, changed_at) >= FAILING_FOR:
        return DisableReason.FAILING
    return None


def next_attempt(failed: int, *, asked_s: int | None, jitter: float, now: datetime) -> datetime | None:
    """Return when to try again after so many failed attempts (≥ 1) of a delivery, None to give it up.

    `asked_s` is what the endpoint said in Retry-After; `jitter`, 0 to 1, makes a pause up to a tenth longer.
    """
    if failed > len(PAUSES_S):
        return None
    pause = timedelta(seconds=PAUSES_S[failed - 1] * (1 + jitter / 10))
    if asked_s is not None:
        pause = max(pause, min(timedelta(seconds=asked_s), LONGEST_ASKED))
    return now + pause


def evolve(webhook: Webhook | None, fact: Fact) -> Webhook:
    """Return the state after `fact`. Total over the facts of webhooks; anything else is a Bug."""
    if webhook is None and isinstance(fact, WebhookRegistered):
        return Webhook(
            webhook_id=fact.webhook_id,
            merchant_id=fact.merchant_id,
            shop_id=fact.shop_id,
            url=fact.url,
            events=fact.events,
            description=fact.description,
            enabled=True,
            secrets=(SealedSecret(sealed=fact.sealed_secret, made_at=fact.at),),
            created_at=fact.at,
            changed_at=fact.at,
        )
    if webhook is None:
        raise Bug(f"{fact.type} can't happen to no webhook")
    match fact:
        case WebhookUpdated():
            now = fact.model_dump(include={"url", "events", "description", "enabled"})
            return webhook.model_copy(update={**now, "disabled_reason": None, "changed_at": fact.at})
        case WebhookSecretRotated():
            fresh = SealedSecret(sealed=fact.sealed_secret, made_at=fact.at)
            before = webhook.secrets[0].model_copy(update={"until": fact.previous_until})
            return webhook.model_copy(update={"secrets": (fresh, before), "changed_at": fact.at})
        case WebhookDisabled():
            off = {"enabled": False, "disabled_reason": fact.reason, "changed_at": fact.at}
            return webhook.model_copy(update=off)
        case WebhookDeleted():
            return webhook.model_copy(update={"enabled": False, "deleted_at": fact.at, "changed_at": fact.at})
    raise Bug(f"a webhook does not know {fact.type}")


def _who(webhook: Webhook, actor: str, now: datetime) -> dict[str, object]:
    return {
        "webhook_id": webhook.webhook_id,
        "merchant_id": webhook.merchant_id,
        "shop_id": webhook.shop_id,
        "actor": actor,
        "at": now,
    }
