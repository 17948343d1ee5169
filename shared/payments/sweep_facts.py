"""Published facts of a sweep's own stream; what they mean for a payment is `payment.swept.v1` on the payment's."""

from datetime import datetime
from typing import ClassVar

from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId, ShopId, SweepId
from shared.payments.sweep_values import SweepPlan, SweepState


class SweepPlanned(Fact):
    """What is to move from a shop's receive addresses to its treasury, unsigned. The first fact of a sweep's stream."""

    type: ClassVar = "payment.sweep_planned.v1"
    sweep_id: SweepId
    shop_id: ShopId
    merchant_id: MerchantId
    plan: SweepPlan
    at: datetime


class SweepMoved(Fact):
    """A sweep stands otherwise than before: `state` is that of its least advanced transaction."""

    type: ClassVar = "payment.sweep_moved.v1"
    sweep_id: SweepId
    state: SweepState
    txids: dict[int, str]
    at: datetime
