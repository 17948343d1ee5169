"""Receipts, composed: apart from orders, so that only get_receipt loads what sets a page."""

from functools import cache

from shared.adapters.receipts.pages import ReceiptPages


@cache
def pages() -> ReceiptPages:
    """Return what sets receipts."""
    return ReceiptPages()
