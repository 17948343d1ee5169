"""Which fact is worth a message, over which kinds of channel, and for how long it is news. Pure.

One occurrence gives a person at most one push message and one e-mail: `order.confirmed` is followed at once by
`claim.issued`, `payment.reversed` by `order.halted`, so each of such a pair has a kind of its own.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Final

from shared.claims.facts import ClaimIssued
from shared.kernel.facts import Fact
from shared.notifications.model import Kind, Topic
from shared.notifications.ports import OrderStanding
from shared.notifications.webhook_facts import WebhookDisabled
from shared.orders import facts as orders
from shared.payments import facts as payments
from shared.shops import facts as shops
from shared.supply.facts import StockLow

_BOTH: Final = frozenset(Kind)
_PUSH: Final = frozenset({Kind.PUSH})
_EMAIL: Final = frozenset({Kind.EMAIL})
_PAID: Final = frozenset({"confirmed", "preparing", "ready"})
_OVER: Final = frozenset({"cancelled", "expired"})
_ANY: Final = _PAID | _OVER | {"pending", "completed"}

News = (
    orders.OrderConfirmed
    | orders.OrderPreparing
    | orders.OrderReady
    | orders.OrderDispatched
    | orders.OrderCompleted
    | orders.OrderCancelled
    | orders.OrderExpired
    | orders.OrderHalted
    | payments.PaymentSeen
    | payments.PaymentReversed
    | payments.PaymentClosed
    | payments.RefundBroadcast
    | payments.RefundConfirmed
    | payments.RefundDeclined
    | payments.RefundLapsed
    | ClaimIssued
)
"""The facts that may be worth a message to a customer: what `notify` is called with."""

OwnerNews = (
    shops.ShopPayoutProven
    | shops.ShopPayoutProposed
    | shops.ShopPayoutConfirmed
    | shops.ShopPayoutCancelled
    | shops.ShopPayoutChanged
    | shops.ShopGapLimitNear
    | StockLow
    | WebhookDisabled
)
"""The facts that a merchant's owner is told: what `notify_owner` is called with."""
A_SHOP: Final = "shop"
"""The status of what is about a shop, and no order: its news stay true."""
WEBHOOK_OFF: Final = "webhook off"
"""The status of what is about a webhook while it is switched off."""


@dataclass(frozen=True, slots=True)
class Message:
    """A template, how it travels, and while what it is true."""

    template: str
    kinds: Set[Kind]
    statuses: Set[str]
    """The order's states in which the message is still news."""
    halted: bool | None = None
    """Whether the order must be halted, must not be, or either (None)."""
    topic: Topic | None = None
    """What people may choose their channels for; None for what always comes: notices of security."""
    urgent: bool = False
    """It is worth nothing later, or can't wait: it does not heed quiet hours."""

    def news(self, order: OrderStanding) -> bool:
        """Return whether the message is still true of the order."""
        return order.status in self.statuses and self.halted in (None, order.halted)


_ALL: Final = (
    (payments.PaymentSeen, Message("payment-seen", _PUSH, frozenset({"pending"}), topic=Topic.PAYMENT)),
    (payments.PaymentSeen, Message("payment-late", _BOTH, _OVER, topic=Topic.PAYMENT)),
    (payments.PaymentClosed, Message("payment-twice", _BOTH, _ANY - _OVER, topic=Topic.PAYMENT)),
    (payments.RefundBroadcast, Message("refund-sent", _PUSH, _ANY, topic=Topic.REFUND)),
    (payments.RefundConfirmed, Message("refund-confirmed", _BOTH, _ANY, topic=Topic.REFUND)),
    (payments.RefundDeclined, Message("refund-declined", _BOTH, _ANY, topic=Topic.REFUND)),
    (payments.RefundLapsed, Message("refund-lapsed", _BOTH, _ANY, topic=Topic.REFUND)),
    (
        payments.PaymentReversed,
        Message("payment-reversed", _PUSH, _PAID, halted=True, topic=Topic.PAYMENT, urgent=True),
    ),
    (orders.OrderConfirmed, Message("order-confirmed", _EMAIL, _PAID, halted=False, topic=Topic.ORDER_PROGRESS)),
    (ClaimIssued, Message("claim-issued", _PUSH, _PAID, halted=False, topic=Topic.ORDER_PROGRESS)),
    (
        orders.OrderPreparing,
        Message("order-preparing", _PUSH, frozenset({"preparing"}), halted=False, topic=Topic.ORDER_PROGRESS),
    ),
    (
        orders.OrderReady,
        Message("order-ready", _BOTH, frozenset({"ready"}), halted=False, topic=Topic.ORDER_READY, urgent=True),
    ),
    (
        orders.OrderDispatched,
        Message("order-dispatched", _PUSH, frozenset({"ready"}), halted=False, topic=Topic.ORDER_READY, urgent=True),
    ),
    (orders.OrderCompleted, Message("order-completed", _EMAIL, frozenset({"completed"}), topic=Topic.ORDER_PROGRESS)),
    (orders.OrderCancelled, Message("order-cancelled", _BOTH, frozenset({"cancelled"}), topic=Topic.ORDER_PROGRESS)),
    (orders.OrderExpired, Message("order-expired", _BOTH, frozenset({"expired"}), topic=Topic.ORDER_PROGRESS)),
    (orders.OrderHalted, Message("order-halted", _EMAIL, _PAID, halted=True, topic=Topic.PAYMENT, urgent=True)),
    (shops.ShopPayoutProven, Message("payout-proven", _BOTH, frozenset({A_SHOP}), urgent=True)),
    (shops.ShopPayoutProposed, Message("payout-proposed", _BOTH, frozenset({A_SHOP}), urgent=True)),
    (shops.ShopPayoutConfirmed, Message("payout-confirmed", _BOTH, frozenset({A_SHOP}), urgent=True)),
    (shops.ShopPayoutCancelled, Message("payout-cancelled", _BOTH, frozenset({A_SHOP}), urgent=True)),
    (shops.ShopPayoutChanged, Message("payout-changed", _BOTH, frozenset({A_SHOP}), urgent=True)),
    (shops.ShopGapLimitNear, Message("gap-limit-near", _BOTH, frozenset({A_SHOP}), topic=Topic.MERCHANT)),
    (StockLow, Message("stock-low", _BOTH, frozenset({A_SHOP}), topic=Topic.MERCHANT)),
    (WebhookDisabled, Message("webhook-disabled", _BOTH, frozenset({WEBHOOK_OFF}), topic=Topic.MERCHANT)),
)
BY_TEMPLATE: Final[Mapping[str, Message]] = {message.template: message for _, message in _ALL}


def message_of(fact: Fact, order: OrderStanding) -> Message | None:
    """Return the message that a fact is worth as the order stands, None where it is worth none."""
    return next((message for type_, message in _ALL if type_ is type(fact) and message.news(order)), None)


def kinds_for(fact: Fact, message: Message) -> Set[Kind]:
    """Return how this very fact travels: what a person did themselves needs no push."""
    if isinstance(fact, orders.OrderCancelled) and fact.cancelled_by == fact.customer_id:
        return message.kinds & _EMAIL
    if isinstance(fact, payments.PaymentClosed) and fact.reason is not payments.Closing.PAID_OTHERWISE:
        return frozenset()  # the order's own message says it
    return message.kinds
