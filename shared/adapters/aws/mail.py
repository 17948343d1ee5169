"""E-mail by Amazon SES."""

from typing import Any

from shared.adapters.aws.client import AwsClient
from shared.notifications.ports import NotNow, Outcome, Refused, Sent, Unknown, Words
from shared.settings import AwsSettings


class SesMail:
    """Fulfils `shared.notifications.ports.Mail`."""

    def __init__(self, settings: AwsSettings) -> None:
        self._client = AwsClient("ses", settings)
        self._sender = settings.email_from

    async def send(self, address: str, words: Words) -> Outcome:
        """Send once, as plain text and HTML."""
        told: Any = await self._client.call(
            lambda ses: ses.send_email(
                Source=self._sender,
                Destination={"ToAddresses": [address]},
                Message={
                    "Subject": {"Data": words.title, "Charset": "UTF-8"},
                    "Body": {
                        "Text": {"Data": words.text, "Charset": "UTF-8"},
                        "Html": {"Data": words.html, "Charset": "UTF-8"},
                    },
                },
            )
        )
        return told if isinstance(told, Refused | NotNow | Unknown) else Sent(str(told["MessageId"]))
