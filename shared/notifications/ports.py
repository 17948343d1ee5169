"""What notifications need from outside: their own store, people and devices, words, providers, and the orders."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from shared.kernel.clock import Clock
from shared.kernel.decision import By, Page
from shared.kernel.ids import DeviceId, MerchantId, NotificationId, OrderId, ShopId, UserId, WebhookId
from shared.kernel.store import Store
from shared.notifications.model import (
    DeviceView,
    Kind,
    Language,
    Notification,
    Platform,
    PreferencesView,
    QuietHours,
    RegisterDevice,
    SetPreferences,
    Topic,
)


@dataclass(frozen=True, slots=True)
class OrderStanding:
    """What a message says of an order, and what tells whether it is still true.

    It may be about a shop alone, or a webhook, whose host then stands for the shop's name.
    """

    order_id: OrderId | ShopId | WebhookId
    merchant_id: MerchantId
    status: str
    halted: bool
    shop_name: str


class Orders(Protocol):
    """Reads orders from the primary."""

    async def standing(self, order_id: OrderId) -> OrderStanding | None:
        """Return how the order stands now, or None when there is none."""
        ...

    async def shop(self, shop_id: ShopId) -> OrderStanding | None:
        """Return what is about a shop and no order, or None when there is none."""
        ...

    async def about(self, id: str) -> OrderStanding | None:
        """Return how that stands which a message is about: an order, a shop, or a webhook."""
        ...


@dataclass(frozen=True, slots=True)
class Reach:
    """How a person can be reached and wants to be. No address is in it."""

    language: Language
    kinds: Set[Kind]
    has_email: bool
    devices: tuple[DeviceId, ...]
    topics: Mapping[Topic, Set[Kind]] = field(default_factory=dict)
    """The kinds that a topic may take, where the person chose them."""
    quiet_hours: QuietHours | None = None

    def channels(self, kinds: Set[Kind], topic: Topic | None = None) -> tuple[str, ...]:
        """Return the channels that a message of these kinds, about this, takes to this person."""
        wanted = kinds & self.kinds
        if topic is not None:
            wanted &= self.topics.get(topic, wanted)
        pushes = tuple(f"push:{device}" for device in self.devices) if Kind.PUSH in wanted else ()
        return pushes + (("email",) if Kind.EMAIL in wanted and self.has_email else ())


@dataclass(frozen=True, slots=True)
class Device:
    """Where a push message goes."""

    device_id: DeviceId
    platform: Platform
    token: str = field(repr=False)
    endpoint: str | None
    """The ARN under which SNS knows the device, once it does."""


@dataclass(frozen=True, slots=True)
class Confirming:
    """What a mail that asks for a confirmation says, and to whom. `number` counts the requests of its person."""

    address: str = field(repr=False)
    code: str = field(repr=False)
    language: Language
    number: int


class People(Protocol):
    """Reads and writes preferences and devices."""

    async def preferences(self, user_id: UserId) -> tuple[PreferencesView, int] | None:
        """Return what is set with its version, or None when nothing ever was."""
        ...

    async def set_preferences(
        self, user_id: UserId, command: SetPreferences, *, if_match: int | None, by: By, now: datetime
    ) -> tuple[PreferencesView, int]:
        """Replace what was set and return it with its version; queue the mail that asks for an address.

        Nothing is asked for one that is confirmed and the same. Raises VersionConflict, TooMany.
        """
        ...

    async def begin_confirming(self, user_id: UserId) -> Confirming | None:
        """Record that the mail of the latest request is attempted, and return what it says; None where none is due."""
        ...

    async def confirming_failed(self, user_id: UserId, number: int) -> None:
        """Take the attempt back: surely nothing was sent."""
        ...

    async def confirm_email(self, user_id: UserId, code: str, *, now: datetime) -> bool:
        """Count a try of the code; return whether it was the right one, and the address is confirmed now."""
        ...

    async def register_device(self, user_id: UserId, command: RegisterDevice, *, now: datetime) -> DeviceView:
        """Return the device with this token, now this person's: the same each time for the same person and token."""
        ...

    async def reach(self, user_id: UserId) -> Reach:
        """Return how a person can be reached; by default by push in English."""
        ...

    async def email(self, user_id: UserId) -> str | None:
        """Return the e-mail address, or None when none is set or confirmed, or no e-mail is wanted."""
        ...

    async def device(self, device_id: DeviceId, user_id: UserId) -> Device | None:
        """Return a person's own device, or None when it is gone, disabled, or pushes are not wanted."""
        ...

    async def know_endpoint(self, device_id: DeviceId, endpoint: str) -> None:
        """Remember under which ARN SNS knows the device."""
        ...

    async def disable(self, device_id: DeviceId, *, now: datetime) -> None:
        """Send nothing more to this device until it is registered again."""
        ...


class NotificationStore(Store[Notification], Protocol):
    """The notifications' own store."""

    async def take(self, by: By) -> None:
        """Take the event of `by` without any facts: there is nothing to do about it."""
        ...

    async def of_person(self, user_id: UserId, *, before: str | None, limit: int) -> Page[Notification]:
        """Return a person's messages, newest first, after the cursor."""
        ...

    async def due(self, *, now: datetime, limit: int) -> Sequence[NotificationId]:
        """Return messages that are held no longer, those that waited longest first."""
        ...


@dataclass(frozen=True, slots=True)
class Words:
    """A message as people read it."""

    title: str
    text: str
    html: str


class Texts(Protocol):
    """Finds the words."""

    def words(self, template: str, language: Language, *, shop: str, order: str, code: str = "") -> Words:
        """Return the message in this language. `order` is the short number that people see, `code` what confirms."""
        ...


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider took it."""

    provider_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider refused it for good, or there is nobody to send it to. `gone`: the device is no more."""

    reason: str
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have been sent: it is not sent again."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotNow:
    """Surely nothing was sent: it may be tried again."""

    reason: str


Outcome = Sent | Refused | Unknown | NotNow


class Push(Protocol):
    """The push provider."""

    async def endpoint(self, device: Device) -> str | Refused | NotNow:
        """Return under which name the provider knows the device, making it known if needed. Sends nothing."""
        ...

    async def send(self, endpoint: str, words: Words, *, order_id: str) -> Outcome:
        """Send once; never raises for what the provider or the network does."""
        ...


class Mail(Protocol):
    """The e-mail provider."""

    async def send(self, address: str, words: Words) -> Outcome:
        """Send once; never raises for what the provider or the network does."""
        ...


@dataclass(frozen=True, slots=True)
class Notifications:
    """Everything the operations of this service are given, but the providers."""

    store: NotificationStore
    people: People
    orders: Orders
    clock: Clock


@dataclass(frozen=True, slots=True)
class Sending:
    """What the two functions that send are given besides."""

    texts: Texts
    push: Push
    mail: Mail
