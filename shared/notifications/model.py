"""Values of notifications: what people ask for, what is kept of a message, what providers say."""

from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, model_validator

from shared.kernel.ids import DeviceId, MerchantId, NotificationId, UserId
from shared.kernel.money import Frozen
from shared.kernel.text import Line

Language = Literal["en", "de", "es"]
Platform = Literal["fcm", "apns"]


class Kind(StrEnum):
    """A way to reach a person. A channel is a kind with its place: `email`, or `push:dev_…`."""

    PUSH = "push"
    EMAIL = "email"


class RegisterDevice(Frozen):
    """A phone or browser as its push service knows it."""

    platform: Platform = Field(description="fcm: Firebase, for Android and browsers. apns: Apple")
    token: str = Field(pattern=r"^[A-Za-z0-9:_-]{16,512}$", strict=True, repr=False)
    label: Line = Field(default="", description="How its owner calls it")


class DeviceView(Frozen):
    """A device that receives push messages. Its token is never told again."""

    device_id: DeviceId
    platform: Platform
    label: str
    registered_at: datetime


@cache
def _zones() -> set[str]:
    """Return the names of the IANA database: reading its folders takes tens of milliseconds."""
    return available_timezones()


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError("not a time zone of the IANA database, such as Europe/Berlin")
    return name


Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", strict=True, examples=["22:00"])]


class QuietHours(Frozen):
    """When a person is not to be disturbed, in their own time; may span midnight."""

    starts: Clock
    ends: Clock
    timezone: Annotated[str, Field(max_length=64, strict=True), AfterValidator(_zone)]


Email = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
        r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+$",
        max_length=254,
        strict=True,
    ),
]
"""An address as HTML's `input type=email` takes it, with a dot in the domain."""


class SetPreferences(Frozen):
    """How a person wants to be told. It replaces what was set before; an e-mail left out is forgotten."""

    language: Language = "en"
    channels: tuple[Kind, ...] = Field(default=(Kind.PUSH, Kind.EMAIL), max_length=2)
    email: Email | None = Field(default=None, repr=False)
    quiet_hours: QuietHours | None = None

    @model_validator(mode="after")
    def _each_once(self) -> "SetPreferences":
        if len(set(self.channels)) != len(self.channels):
            raise ValueError("a channel is named twice")
        return self


class PreferencesView(Frozen):
    """What is set. Of the e-mail address only enough to recognise it."""

    language: Language
    channels: tuple[Kind, ...]
    email: str | None = Field(default=None, examples=["l…@example.com"])
    quiet_hours: QuietHours | None = None
    changed_at: datetime


class DeliveryStatus(StrEnum):
    """queued → attempted → sent or failed; attempted → deferred → attempted again, if surely nothing was sent."""

    QUEUED = "queued"
    ATTEMPTED = "attempted"
    DEFERRED = "deferred"
    SENT = "sent"
    FAILED = "failed"


class Delivery(Frozen):
    """Where a message stands on one channel, since when, and why."""

    status: DeliveryStatus
    at: datetime
    provider_id: str | None = None
    reason: str | None = None


class Notification(Frozen):
    """The state of a message to a person: a pure fold of its facts, and one row of `notifications`."""

    notification_id: NotificationId
    user_id: UserId
    merchant_id: MerchantId
    template: str
    language: Language
    about: str
    deliveries: dict[str, Delivery]
    queued_at: datetime


class Dispatch(Frozen):
    """A piece of work: carry this message over this channel. Says no address."""

    notification_id: NotificationId
    user_id: UserId
    channel: str = Field(pattern=r"^(email|push:dev_[0-9a-f]{32})$")
