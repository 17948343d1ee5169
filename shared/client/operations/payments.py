"""The calls of payments. Written by `python -m triggers docs` from the registry; not to be edited."""

from shared.client.call import Call, Scalar, call, segment
from shared.payments.get_reconciliation import AcknowledgeDifference, DifferenceView, ReconciliationView
from shared.payments.model import PaymentView, QuoteKeyView, RequestPayment
from shared.payments.refund_model import DecideRefund, RefundPage, RefundView, RequestRefund
from shared.payments.statement import Statement, TrialBalance
from shared.payments.sweep_model import PlanSweep, SubmitSweep, Sweeps, SweepView


def acknowledge_difference(
    difference_id: str, body: AcknowledgeDifference, *, key: str | None = None, if_match: int | None = None
) -> Call[DifferenceView]:
    """POST /v1/differences/{difference_id}/acknowledge: the owner knows of a difference, and why it may stay."""
    return call(
        "acknowledge_difference",
        "POST",
        f"/v1/differences/{segment(difference_id)}/acknowledge",
        DifferenceView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def approve_refund(
    refund_id: str, body: DecideRefund, *, key: str | None = None, if_match: int | None = None
) -> Call[RefundView]:
    """POST /v1/refunds/{refund_id}/approve: agree to a refund, or decline it; two people do."""
    return call(
        "approve_refund",
        "POST",
        f"/v1/refunds/{segment(refund_id)}/approve",
        RefundView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def drop_sweep(sweep_id: str, *, if_match: int | None = None) -> Call[SweepView]:
    """POST /v1/sweeps/{sweep_id}/drop: give up a plan of which nothing was seen; its coins may be planned anew."""
    return call("drop_sweep", "POST", f"/v1/sweeps/{segment(sweep_id)}/drop", SweepView, if_match=if_match)


def export_statement(shop_id: str, *, day: Scalar) -> Call[bytes]:
    """GET /v1/shops/{shop_id}/ledger/csv: a shop's day in the ledger as CSV, for accountants."""
    return call(
        "export_statement",
        "GET",
        f"/v1/shops/{segment(shop_id)}/ledger/csv",
        bytes,
        query={"day": day},
        accept="text/csv",
    )


def generate_payment_address(
    order_id: str, body: RequestPayment, *, key: str | None = None, if_match: int | None = None
) -> Call[PaymentView]:
    """POST /v1/orders/{order_id}/payments: an address of its own to pay an order to, with a signed quote."""
    return call(
        "generate_payment_address",
        "POST",
        f"/v1/orders/{segment(order_id)}/payments",
        PaymentView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def get_balances() -> Call[TrialBalance]:
    """GET /v1/balances: what stands in every account of a merchant's ledger, per shop and asset."""
    return call("get_balances", "GET", "/v1/balances", TrialBalance)


def get_payment(payment_id: str) -> Call[PaymentView]:
    """GET /v1/payments/{payment_id}: a payment with all that arrived, for its customer and its shop."""
    return call("get_payment", "GET", f"/v1/payments/{segment(payment_id)}", PaymentView)


def get_payment_qr(payment_id: str, *, format: Scalar = None) -> Call[bytes]:
    """GET /v1/payments/{payment_id}/qr: the payment link as a picture that a wallet scans."""
    return call(
        "get_payment_qr", "GET", f"/v1/payments/{segment(payment_id)}/qr", bytes, query={"format": format}, accept="*/*"
    )


def get_quote_key() -> Call[QuoteKeyView]:
    """GET /v1/quotes/key: the public key that verifies quotes."""
    return call("get_quote_key", "GET", "/v1/quotes/key", QuoteKeyView)


def get_reconciliation(*, day: Scalar = None, cursor: Scalar = None, limit: Scalar = None) -> Call[ReconciliationView]:
    """GET /v1/reconciliation: how ledger, facts and chains compare, for the owner of the shops."""
    return call(
        "get_reconciliation",
        "GET",
        "/v1/reconciliation",
        ReconciliationView,
        query={"day": day, "cursor": cursor, "limit": limit},
    )


def get_statement(shop_id: str, *, day: Scalar, cursor: Scalar = None, limit: Scalar = None) -> Call[Statement]:
    """GET /v1/shops/{shop_id}/ledger: a shop's ledger of one day, for its owner and its managers."""
    return call(
        "get_statement",
        "GET",
        f"/v1/shops/{segment(shop_id)}/ledger",
        Statement,
        query={"day": day, "cursor": cursor, "limit": limit},
    )


def get_sweep(sweep_id: str) -> Call[SweepView]:
    """GET /v1/sweeps/{sweep_id}: a sweep with its transactions, and how far it has come."""
    return call("get_sweep", "GET", f"/v1/sweeps/{segment(sweep_id)}", SweepView)


def list_refunds(
    shop_id: str, *, state: Scalar = None, cursor: Scalar = None, limit: Scalar = None
) -> Call[RefundPage]:
    """GET /v1/shops/{shop_id}/refunds: a shop's refunds, newest first, for its owner and its managers."""
    return call(
        "list_refunds",
        "GET",
        f"/v1/shops/{segment(shop_id)}/refunds",
        RefundPage,
        query={"state": state, "cursor": cursor, "limit": limit},
    )


def list_sweeps(shop_id: str, *, cursor: Scalar = None, limit: Scalar = None) -> Call[Sweeps]:
    """GET /v1/shops/{shop_id}/sweeps: the sweeps of a shop, the newest first."""
    return call(
        "list_sweeps", "GET", f"/v1/shops/{segment(shop_id)}/sweeps", Sweeps, query={"cursor": cursor, "limit": limit}
    )


def plan_sweep(
    shop_id: str, body: PlanSweep, *, key: str | None = None, if_match: int | None = None
) -> Call[SweepView]:
    """POST /v1/shops/{shop_id}/sweeps: unsigned transactions that move the shop's final coins to its treasury."""
    return call(
        "plan_sweep",
        "POST",
        f"/v1/shops/{segment(shop_id)}/sweeps",
        SweepView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def request_refund(
    payment_id: str, body: RequestRefund, *, key: str | None = None, if_match: int | None = None
) -> Call[RefundView]:
    """POST /v1/payments/{payment_id}/refunds: ask for coins of a payment back."""
    return call(
        "request_refund",
        "POST",
        f"/v1/payments/{segment(payment_id)}/refunds",
        RefundView,
        body=body,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def requote_payment(payment_id: str, *, key: str | None = None, if_match: int | None = None) -> Call[PaymentView]:
    """POST /v1/payments/{payment_id}/quote: count what came, and quote the rest of it anew."""
    return call(
        "requote_payment",
        "POST",
        f"/v1/payments/{segment(payment_id)}/quote",
        PaymentView,
        idempotent=True,
        key=key,
        if_match=if_match,
    )


def submit_sweep(sweep_id: str, body: SubmitSweep, *, if_match: int | None = None) -> Call[SweepView]:
    """POST /v1/sweeps/{sweep_id}/transactions: a transaction of the plan, signed, to be given to the network."""
    return call(
        "submit_sweep", "POST", f"/v1/sweeps/{segment(sweep_id)}/transactions", SweepView, body=body, if_match=if_match
    )
