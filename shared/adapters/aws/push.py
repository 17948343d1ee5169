"""Push messages by Amazon SNS, to Firebase (FCM) and Apple (APNs)."""

import json
from typing import Any, Final

from shared.adapters.aws.client import AwsClient
from shared.kernel.errors import Transient
from shared.notifications.ports import Device, NotNow, Outcome, Refused, Sent, Unknown, Words
from shared.settings import AwsSettings

LIFETIME_S: Final = 3600
"""How long the push services keep a message for a device that is off; later it is no news."""


class SnsPush:
    """Fulfils `shared.notifications.ports.Push`."""

    def __init__(self, settings: AwsSettings) -> None:
        self._client = AwsClient("sns", settings)
        self._applications = settings.push_applications

    async def endpoint(self, device: Device) -> str | Refused | NotNow:
        """Return the ARN under which SNS knows the device. Asked again for the same token, SNS says the same."""
        application = self._applications.get(device.platform)
        if application is None:
            return Refused("no-application")
        known = await self._client.call(
            lambda sns: sns.create_platform_endpoint(PlatformApplicationArn=application, Token=device.token)
        )
        if isinstance(known, Unknown):
            return NotNow(known.reason)  # nothing was sent, and asking again does no harm
        if isinstance(known, Refused):
            return Refused(known.reason, gone=known.reason in ("InvalidParameter", "InvalidParameterException"))
        if isinstance(known, NotNow):
            return known
        return str(known["EndpointArn"])

    async def send(self, endpoint: str, words: Words, *, order_id: str) -> Outcome:
        """Publish once."""
        told = await self._client.call(
            lambda sns: sns.publish(
                TargetArn=endpoint,
                MessageStructure="json",
                Message=payload(words, order_id=order_id),
                MessageAttributes={
                    f"AWS.SNS.MOBILE.{service}.TTL": {"DataType": "String", "StringValue": str(LIFETIME_S)}
                    for service in ("GCM", "APNS")
                },
            )
        )
        return told if isinstance(told, Refused | NotNow | Unknown) else Sent(_message_id(told))


def payload(words: Words, *, order_id: str) -> str:
    """Return the message as SNS passes it on: one JSON text for each push service."""
    shown = {"title": words.title, "body": words.text}
    fcm = {"fcmV1Message": {"message": {"notification": shown, "data": {"order_id": order_id}}}}
    apns = json.dumps({"aps": {"alert": shown, "sound": "default"}, "order_id": order_id})
    return json.dumps(
        {"default": words.title, "GCM": json.dumps(fcm), "APNS": apns, "APNS_SANDBOX": apns}, ensure_ascii=False
    )


def _message_id(told: Any) -> str:
    found = told.get("MessageId")
    if not isinstance(found, str):
        raise Transient("SNS took a message and gave it no id.")
    return found
