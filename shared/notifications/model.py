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


class Topic(StrEnum):
    """What messages are about, as people choose between them. Notices of security are under none: they always come."""

    ORDER_PROGRESS = "order_progress"
    ORDER_READY = "order_ready"
    PAYMENT = "payment"
    REFUND = "refund"
    MERCHANT = "merchant"


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


Kinds = Annotated[tuple[Kind, ...], Field(max_length=2)]


class SetPreferences(Frozen):
    """How a person wants to be told. It replaces what was set before; an e-mail left out is forgotten."""

    language: Language = "en"
    channels: Kinds = (Kind.PUSH, Kind.EMAIL)
    topics: dict[Topic, Kinds] = Field(
        default={}, description="By topic, the channels it may take of those above; a topic left out takes all of them"
    )
    email: Email | None = Field(default=None, repr=False)
    quiet_hours: QuietHours | None = None

    @model_validator(mode="after")
    def _each_once(self) -> "SetPreferences":
        if any(len(set(kinds)) != len(kinds) for kinds in (self.channels, *self.topics.values())):
            raise ValueError("a channel is named twice")
        return self


class PreferencesView(Frozen):
    """What is set. Of the e-mail address only enough to recognise it."""

    language: Language
    channels: tuple[Kind, ...]
    topics: dict[Topic, tuple[Kind, ...]] = Field(default={})
    email: str | None = Field(default=None, examples=["l…@example.com"])
    email_confirmed: bool | None = Field(
        default=None, description="Whether its owner has confirmed it; before that nothing else is sent there"
    )
    quiet_hours: QuietHours | None = None
    changed_at: datetime | None = Field(default=None, description="Absent while nothing was ever set")


class ConfirmEmail(Frozen):
    """The code of the mail that asked."""

    code: str = Field(pattern=r"^[A-Za-z2-7]{4}-?[A-Za-z2-7]{4}$", strict=True, examples=["K7QX-2MPA"], repr=False)


class Confirmation(Frozen):
    """A piece of work: ask for this person's address. Says none."""

    user_id: UserId


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
    held: bool = False
    """It waits for the end of its person's quiet hours: no work for it is queued yet."""
    held_until: datetime | None = None


class Dispatch(Frozen):
    """A piece of work: carry this message over this channel. Says no address."""

    notification_id: NotificationId
    user_id: UserId
    channel: str = Field(pattern=r"^(email|push:dev_[0-9a-f]{32})$")


class ListNotifications(Frozen):
    """Which of the caller's messages, newest first."""

    cursor: NotificationId | None = None
    limit: int = Field(default=20, ge=1, le=100)


class ChannelView(Frozen):
    """How far a message came on one channel."""

    kind: Kind
    device_id: DeviceId | None = None
    status: DeliveryStatus
    at: datetime
    reason: str | None = Field(
        default=None, description="Why not: stale, overtaken, outcome-unknown, or the provider's"
    )


class NotificationView(Frozen):
    """A message to the caller. Its words are those of `template` in `language`; `about` names the order or shop."""

    notification_id: NotificationId
    template: str
    language: Language
    about: str
    queued_at: datetime
    held_until: datetime | None = Field(default=None, description="It waits, or waited, for quiet hours to end")
    channels: tuple[ChannelView, ...]


class NotificationPage(Frozen):
    """A page of messages, newest first; `next` is the cursor of the following page."""

    notifications: tuple[NotificationView, ...]
    next: str | None = None
