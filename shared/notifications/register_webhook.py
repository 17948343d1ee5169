"""register_webhook: a merchant is to be told of what happens."""

from shared.kernel.decision import By, Stored
from shared.kernel.errors import Forbidden, Invalid, NotFound
from shared.kernel.ids import WebhookId
from shared.kernel.reply import Reply
from shared.notifications import webhook_lifecycle
from shared.notifications.webhook_lifecycle import TooManyWebhooks, merchant_of, runs
from shared.notifications.webhook_model import MOST_WEBHOOKS, RegisterWebhook, Webhook, WebhookView
from shared.notifications.webhook_ports import Issuing, Webhooks
from shared.notifications.webhook_signing import new_secret


async def register_webhook(
    command: RegisterWebhook, *, by: By, using: Webhooks, issuing: Issuing
) -> Reply[WebhookView]:
    """Return 201 with the webhook and its secret. What is stored for repeats of the request lacks the secret.

    Raises Forbidden, NotFound for a shop that is not the caller's, Invalid for an address that is never called, and
    TooManyWebhooks.
    """
    merchant = merchant_of(by)
    if not runs(by, merchant, command.shop_id):
        raise Forbidden("This staff key is for some shops: name one of them as the webhook's `shop_id`.")
    if command.shop_id is not None:
        shop = await using.orders.shop(command.shop_id)
        if shop is None or shop.merchant_id != merchant:
            raise NotFound("There is no such shop.")
    must_be_callable(command.url, issuing)
    if len(await using.store.of_merchant(merchant, None)) >= MOST_WEBHOOKS:
        raise TooManyWebhooks(f"There are at most {MOST_WEBHOOKS}. Delete one that you no longer need.")
    now, webhook_id, secret = using.clock.now(), WebhookId.new(), new_secret()
    sealed = issuing.secrets.seal(webhook_id, secret)
    fact = webhook_lifecycle.register(webhook_id, command, sealed=sealed, merchant=merchant, by=by, now=now)

    def answer(stored: Stored[Webhook]) -> Reply[WebhookView]:
        return Reply(
            WebhookView.of(stored.state, stored.version, now=now),
            status=201,
            version=stored.version,
            stream=webhook_id,
            location=f"/v1/webhooks/{webhook_id}",
        )

    stored = await using.store.decide(webhook_id, lambda _: (fact,), by=by, now=now, reply=answer)
    return told_once(answer(stored), secret)


def must_be_callable(url: str, issuing: Issuing) -> None:
    """Raise Invalid for an address that is never called."""
    refusal = issuing.endpoints.refusal(url)
    if refusal is not None:
        raise Invalid("The address is not as the API description says; see `errors`.", errors=[_at_url(refusal)])


def _at_url(message: str) -> dict[str, str]:
    return {"pointer": "/url", "message": message}


def told_once(reply: Reply[WebhookView], secret: str) -> Reply[WebhookView]:
    """Return the reply with the secret in it: as it is sent, never as it is stored."""
    told = Reply(reply.view.model_copy(update={"secret": secret}), status=reply.status)
    told.headers.update(reply.headers)
    return told
