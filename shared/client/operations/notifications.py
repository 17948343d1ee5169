"""The calls of notifications. Written by `python -m triggers docs` from the registry; not to be edited."""

from shared.client.call import Call, Scalar, call, segment
from shared.notifications.model import (
    ConfirmEmail,
    DeviceView,
    NotificationPage,
    PreferencesView,
    RegisterDevice,
    SetPreferences,
)
from shared.notifications.webhook_model import (
    HookDeliveryPage,
    HookDeliveryView,
    RegisterWebhook,
    RotateSecret,
    UpdateWebhook,
    WebhookList,
    WebhookView,
)


def confirm_email(body: ConfirmEmail) -> Call[PreferencesView]:
    """POST /v1/preferences/email/confirm: show that the mailbox is yours, with the code that was sent there."""
    return call("confirm_email", "POST", "/v1/preferences/email/confirm", PreferencesView, body=body)


def delete_webhook(webhook_id: str, *, key: str | None = None, if_match: int | None = None) -> Call[WebhookView]:
    """DELETE /v1/webhooks/{webhook_id}: be told nothing more there."""
    return call(
        "delete_webhook",
        "DELETE",
        f"/v1/webhooks/{segment(webhook_id)}",
        WebhookView,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def get_preferences() -> Call[PreferencesView]:
    """GET /v1/preferences: how you want to be told."""
    return call("get_preferences", "GET", "/v1/preferences", PreferencesView)


def list_deliveries(
    webhook_id: str, *, status: Scalar = None, cursor: Scalar = None, limit: Scalar = None
) -> Call[HookDeliveryPage]:
    """GET /v1/webhooks/{webhook_id}/deliveries: what was brought to a webhook, what waits, what failed and why."""
    return call(
        "list_deliveries",
        "GET",
        f"/v1/webhooks/{segment(webhook_id)}/deliveries",
        HookDeliveryPage,
        query={"status": status, "cursor": cursor, "limit": limit},
    )


def list_notifications(*, cursor: Scalar = None, limit: Scalar = None) -> Call[NotificationPage]:
    """GET /v1/notifications: what you were told, over which channels, and what became of it."""
    return call(
        "list_notifications", "GET", "/v1/notifications", NotificationPage, query={"cursor": cursor, "limit": limit}
    )


def list_webhooks(*, shop_id: Scalar = None) -> Call[WebhookList]:
    """GET /v1/webhooks: where you are told, and of what."""
    return call("list_webhooks", "GET", "/v1/webhooks", WebhookList, query={"shop_id": shop_id})


def redeliver(webhook_id: str, delivery_id: str, *, if_match: int | None = None) -> Call[HookDeliveryView]:
    """POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver: bring an event to a webhook once more."""
    return call(
        "redeliver",
        "POST",
        f"/v1/webhooks/{segment(webhook_id)}/deliveries/{segment(delivery_id)}/redeliver",
        HookDeliveryView,
        if_match=if_match,
    )


def register_device(body: RegisterDevice) -> Call[DeviceView]:
    """POST /v1/devices: a phone or browser is to receive push messages."""
    return call("register_device", "POST", "/v1/devices", DeviceView, body=body)


def register_webhook(body: RegisterWebhook, *, key: str | None = None) -> Call[WebhookView]:
    """POST /v1/webhooks: be told of what happens at your shops, by signed calls to an address of yours."""
    return call("register_webhook", "POST", "/v1/webhooks", WebhookView, body=body, idempotent=True, key=key)


def rotate_webhook_secret(
    webhook_id: str, body: RotateSecret, *, key: str | None = None, if_match: int | None = None
) -> Call[WebhookView]:
    """POST /v1/webhooks/{webhook_id}/secret: sign with a new secret, and with the old one too for a while."""
    return call(
        "rotate_webhook_secret",
        "POST",
        f"/v1/webhooks/{segment(webhook_id)}/secret",
        WebhookView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def set_preferences(body: SetPreferences) -> Call[PreferencesView]:
    """PUT /v1/preferences: how a person wants to be told."""
    return call("set_preferences", "PUT", "/v1/preferences", PreferencesView, body=body)


def update_webhook(
    webhook_id: str, body: UpdateWebhook, *, key: str | None = None, if_match: int | None = None
) -> Call[WebhookView]:
    """PUT /v1/webhooks/{webhook_id}: change what a webhook listens to or where, switch it on or off."""
    return call(
        "update_webhook",
        "PUT",
        f"/v1/webhooks/{segment(webhook_id)}",
        WebhookView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )
